"""What one caller may ask: evenly, in bursts, and at once; others do not notice."""

from __future__ import annotations

import pytest

from chroma_async.errors import RateLimitError
from chroma_async.limits.rate_limit import RateLimit


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def taken(limit: RateLimit, caller: str, attempts: int) -> int:
    """How many of so many requests, each ended at once, are let through."""
    through = 0
    for _ in range(attempts):
        try:
            limit.enter(caller)
        except RateLimitError:
            continue
        limit.leave(caller)
        through += 1
    return through


def test_a_burst_is_let_through_and_then_as_many_as_time_brings() -> None:
    clock = Clock()
    limit = RateLimit(per_s=10, burst=5, concurrent=0, clock_s=clock)
    assert taken(limit, "a", 20) == 5
    assert taken(limit, "b", 20) == 5, "another caller has a bucket of its own"
    clock.now += 0.3
    assert taken(limit, "a", 20) == 3
    clock.now += 60
    assert taken(limit, "a", 20) == 5, "a rest fills the bucket and no more"


def test_a_refusal_says_when_to_come_back_and_coming_back_then_works() -> None:
    clock = Clock()
    limit = RateLimit(per_s=2, burst=1, concurrent=0, clock_s=clock)
    limit.enter("a")
    with pytest.raises(RateLimitError, match="this caller may ask 2 times a second") as refusal:
        limit.enter("a")
    assert refusal.value.retry_after_s == pytest.approx(0.5)
    clock.now += refusal.value.retry_after_s or 0
    limit.enter("a")


def test_as_many_are_answered_at_once_as_may_be() -> None:
    limit = RateLimit(per_s=0, burst=1, concurrent=2, clock_s=Clock())
    limit.enter("a")
    limit.enter("a")
    with pytest.raises(RateLimitError, match="2 requests of this caller are being answered"):
        limit.enter("a")
    limit.enter("b")
    limit.leave("a")
    limit.enter("a")


def test_without_numbers_there_is_no_bound() -> None:
    limit = RateLimit(per_s=0, burst=1, concurrent=0, clock_s=Clock())
    assert not limit.limits
    assert taken(limit, "a", 1000) == 1000


def test_no_more_callers_are_remembered_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chroma_async.limits.rate_limit._CALLERS", 3)
    limit = RateLimit(per_s=1, burst=1, concurrent=0, clock_s=Clock())
    assert [taken(limit, caller, 2) for caller in "abcd"] == [1] * 4
    assert taken(limit, "a", 2) == 1, "the one that asked longest ago was forgotten"
    assert taken(limit, "d", 2) == 0
