from __future__ import annotations

from contextlib import ExitStack

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
    """How long a credential would have to wait; it is not judged."""
    try:
        with attempts.attempt(address, shown):
            return 0.0
    except RateLimitError as refusal:
        return refusal.retry_after_s or -1.0


def fail(attempts: Attempts, address: str, times: int) -> None:
    for _ in range(times):
        with attempts.attempt(address, "guess") as judged:
            judged(False)


def succeed(attempts: Attempts, address: str, shown: str) -> None:
    with attempts.attempt(address, shown) as judged:
        judged(True)


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
    succeed(attempts, "192.0.2.1", "good")
    fail(attempts, "192.0.2.1", 3)
    assert wait_of(attempts, "192.0.2.1") > 0
    assert wait_of(attempts, "192.0.2.1", "good") == 0.0
    assert wait_of(attempts, "192.0.2.2") == 0.0


def test_a_guess_is_not_let_through_because_it_is_good_elsewhere(attempts: Attempts) -> None:
    succeed(attempts, "192.0.2.9", "good")
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


def test_what_is_remembered_is_bounded_and_holds_no_credential(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chroma_async.auth.attempts._ADDRESSES", 10)
    monkeypatch.setattr("chroma_async.auth.attempts._KNOWN", 10)
    attempts = Attempts(3, 5.0, clock)
    for number in range(100):
        fail(attempts, f"192.0.2.{number}", 1)
        succeed(attempts, f"192.0.2.{number}", "secret-token")
    held = vars(attempts) | vars(attempts._buckets)
    assert [len(held[name]) for name in ("_full_at", "_known")] == [10, 10]
    assert "secret-token" not in repr(held)


def test_guesses_at_the_same_time_are_counted_before_any_of_them_is_judged(attempts: Attempts) -> None:
    with ExitStack() as stack:
        judges = [stack.enter_context(attempts.attempt("192.0.2.1", f"guess{number}")) for number in range(3)]
        assert wait_of(attempts, "192.0.2.1", "guess3") == 5.0
        for judged in judges:
            judged(False)
    assert wait_of(attempts, "192.0.2.1", "guess3") == 5.0


def test_one_credential_that_many_show_at_the_same_time_is_one_attempt_and_a_good_one_is_none(attempts: Attempts) -> None:
    with ExitStack() as stack:
        judges = [stack.enter_context(attempts.attempt("192.0.2.1", "good")) for _ in range(20)]
        for judged in judges:
            judged(True)
    fail(attempts, "192.0.2.1", 3)
    assert wait_of(attempts, "192.0.2.1") == 5.0
    assert wait_of(attempts, "192.0.2.1", "good") == 0.0


def test_what_was_not_judged_is_no_attempt(attempts: Attempts) -> None:
    for _ in range(10):
        with pytest.raises(ZeroDivisionError), attempts.attempt("192.0.2.1", "unjudged"):
            raise ZeroDivisionError
    fail(attempts, "192.0.2.1", 3)
    assert wait_of(attempts, "192.0.2.1") == 5.0


@pytest.mark.parametrize("judged", [0, 1])
def test_a_bad_one_counts_though_another_request_that_showed_it_was_given_up(attempts: Attempts, judged: int) -> None:
    with attempts.attempt("192.0.2.1", "same") as outer, attempts.attempt("192.0.2.1", "same") as inner:
        (outer, inner)[judged](False)
    fail(attempts, "192.0.2.1", 2)
    assert wait_of(attempts, "192.0.2.1") == 5.0
