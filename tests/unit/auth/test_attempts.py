from __future__ import annotations

import pytest

from chroma_async.auth.attempts import Attempts
from chroma_async.errors import RateLimitError


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def attempts(clock: Clock) -> Attempts:
    return Attempts(3, 5.0, clock)


def wait_of(attempts: Attempts, address: str, shown: str = "guess") -> float:
    try:
        attempts.check(address, shown)
    except RateLimitError as refusal:
        return refusal.retry_after_s or -1.0
    return 0.0


def fail(attempts: Attempts, address: str, times: int) -> None:
    for _ in range(times):
        attempts.check(address, "guess")
        attempts.failed(address)


def test_a_few_may_fail_and_then_each_has_to_wait(attempts: Attempts, clock: Clock) -> None:
    fail(attempts, "192.0.2.1", 3)
    assert wait_of(attempts, "192.0.2.1") == 5.0
    clock.now_s += 4.9
    assert wait_of(attempts, "192.0.2.1") == pytest.approx(0.1)
    clock.now_s += 0.2
    fail(attempts, "192.0.2.1", 1)
    assert wait_of(attempts, "192.0.2.1") == pytest.approx(4.9)


def test_a_wait_that_is_over_gives_all_attempts_back_and_no_more(attempts: Attempts, clock: Clock) -> None:
    fail(attempts, "192.0.2.1", 3)
    clock.now_s += 1000.0
    fail(attempts, "192.0.2.1", 3)
    assert wait_of(attempts, "192.0.2.1") == 5.0


def test_others_do_not_wait_nor_does_who_was_good_at_the_same_address(attempts: Attempts) -> None:
    attempts.succeeded("192.0.2.1", "good")
    fail(attempts, "192.0.2.1", 3)
    assert wait_of(attempts, "192.0.2.1") > 0
    assert wait_of(attempts, "192.0.2.1", "good") == 0.0
    assert wait_of(attempts, "192.0.2.2") == 0.0


def test_a_guess_is_not_let_through_because_it_is_good_elsewhere(attempts: Attempts) -> None:
    attempts.succeeded("192.0.2.9", "good")
    fail(attempts, "192.0.2.1", 3)
    assert wait_of(attempts, "192.0.2.1", "good") > 0


def test_a_network_of_ipv6_counts_as_one_address_and_a_mapped_address_as_its_own(attempts: Attempts) -> None:
    fail(attempts, "2001:db8::1", 3)
    assert wait_of(attempts, "2001:db8::ffff:2") > 0
    assert wait_of(attempts, "2001:db8:0:1::1") == 0.0
    fail(attempts, "::ffff:192.0.2.7", 3)
    assert wait_of(attempts, "192.0.2.7") > 0
    assert wait_of(attempts, "::ffff:192.0.2.8") == 0.0
    assert wait_of(attempts, "fe80::1%eth0") == wait_of(attempts, "") == 0.0


def test_what_is_remembered_is_bounded_and_holds_no_credential(attempts: Attempts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chroma_async.auth.attempts._ADDRESSES", 10)
    monkeypatch.setattr("chroma_async.auth.attempts._KNOWN", 10)
    for number in range(100):
        attempts.failed(f"192.0.2.{number}")
        attempts.succeeded(f"192.0.2.{number}", "secret-token")
    held = vars(attempts)
    assert [len(held[name]) for name in ("_full_at", "_known")] == [10, 10]
    assert "secret-token" not in repr(held)
