"""What a server counts of the requests that it answers. Changed on the event loop only."""

from __future__ import annotations

from collections import Counter

from chroma_async.measures import Histogram

#: Status under which requests are counted whose client left before they were read; nobody was answered.
LEFT = 499


class OperationTraffic:
    """The requests of one route.

    :ivar seconds: how long answers took.
    :ivar statuses: how many answers had which status.
    :ivar request_bytes: of bodies, as they were announced.
    :ivar response_bytes: of bodies.
    """

    __slots__ = ("request_bytes", "response_bytes", "seconds", "statuses")

    def __init__(self) -> None:
        self.seconds = Histogram()
        self.statuses: Counter[int] = Counter()
        self.request_bytes = 0
        self.response_bytes = 0

    def copy(self) -> OperationTraffic:
        """As it is now."""
        copied = OperationTraffic()
        copied.seconds, copied.statuses = self.seconds.copy(), self.statuses.copy()
        copied.request_bytes, copied.response_bytes = self.request_bytes, self.response_bytes
        return copied


class Traffic:
    """All requests, by operation. There are as many operations as routes, and one name for what has no route."""

    def __init__(self) -> None:
        self._operations: dict[str, OperationTraffic] = {}
        #: Seconds by which the event loop came late.
        self.loop_lag = Histogram()

    def of(self, operation: str) -> OperationTraffic:
        """Where the requests of an operation are counted."""
        found = self._operations.get(operation)
        if found is None:
            found = self._operations[operation] = OperationTraffic()
        return found

    def answered(self, operation: str, status: int, seconds: float, request_bytes: int, response_bytes: int) -> None:
        """Count one request."""
        counted = self.of(operation)
        counted.seconds.observe(seconds)
        counted.statuses[status] += 1
        counted.request_bytes += request_bytes
        counted.response_bytes += response_bytes

    def left(self, operation: str) -> None:
        """Count a request whose client left before it was read, or that was cut off."""
        self.of(operation).statuses[LEFT] += 1

    def copies(self) -> dict[str, OperationTraffic]:
        """Of each operation that was asked for, as it is now."""
        return {operation: counted.copy() for operation, counted in self._operations.items()}
