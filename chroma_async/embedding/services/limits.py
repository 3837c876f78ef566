"""What bounds the requests of an embedding function, and how it waits."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, fields
from email.utils import parsedate_to_datetime

from chroma_async.errors import ValidationError
from chroma_async.refusing import guarded_class


@guarded_class
@dataclass(frozen=True)
class Limits:
    """The bounds of one function. Times in seconds."""

    #: Time to make a connection.
    connect_timeout_s: float = 5.0
    #: Time from sending one request until its answer is complete.
    timeout_s: float = 60.0
    #: Requests under way at once.
    max_requests: int = 4
    #: Texts in one request; ``None`` for as many as the service takes.
    batch_size: int | None = None
    #: Times a request is sent again.
    max_retries: int = 5
    #: Mean wait before it is sent again; each further one doubles it.
    retry_backoff_s: float = 0.5
    #: Longest wait; a service that asks for more is given up.
    retry_backoff_max_s: float = 30.0
    #: Largest answer.
    answer_bytes: int = 256 << 20

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if value is not None and not (value >= 0 if item.name == "max_retries" else value > 0):
                raise ValidationError(f"{item.name}: a number above zero is expected, got {value!r}")


@dataclass(frozen=True)
class Waiting:
    """Where waits take their randomness and their time from."""

    rng: random.Random = field(default_factory=random.Random)
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    #: Seconds since the epoch; what a date in Retry-After is compared with.
    clock: Callable[[], float] = time.time


def wait_s(limits: Limits, waiting: Waiting, attempt: int, told_s: float | None) -> float | None:
    """Seconds to wait after failed ``attempt`` (from 0), or ``None`` to give up.

    "Full jitter": uniform between zero and a bound that doubles, on top of ``told_s``, the time that the service asked for.
    """
    if attempt >= limits.max_retries or (told_s or 0.0) > limits.retry_backoff_max_s:
        return None
    bound = min(2 * limits.retry_backoff_s * 2.0**attempt, limits.retry_backoff_max_s)
    return (told_s or 0.0) + waiting.rng.uniform(0.0, bound)


def retry_after_s(text: str | None, now_s: float) -> float | None:
    """The header Retry-After: seconds, or a date (RFC 9110, section 10.2.3). ``None`` when it is neither."""
    if text is None:
        return None
    try:
        return max(0.0, float(text)) if float(text) < float("inf") else None
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now_s)
    except (ValueError, TypeError):
        return None
