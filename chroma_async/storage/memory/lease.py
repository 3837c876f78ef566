"""The lease of a store that no other process can see."""

from __future__ import annotations

import os

from chroma_async.errors import FencedError, ForkedError


class MemoryLease:
    """:class:`~chroma_async.storage.base.lease.WriterLease` that is always granted."""

    def __init__(self) -> None:
        self.epoch = 0
        self._owner: int | None = None

    async def acquire(self) -> None:
        self._owner = os.getpid()
        self.epoch += 1

    def check(self) -> None:
        if self._owner is None:
            raise FencedError("the store's lease is not held")
        if self._owner != os.getpid():
            raise ForkedError(f"the store was opened by process {self._owner}; open another one in this process")

    async def release(self) -> None:
        self._owner = None
