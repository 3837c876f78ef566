"""Plain counters."""

from __future__ import annotations

from chroma_async.measures import Histogram, Work


def test_a_value_falls_under_the_first_bound_that_is_not_below_it() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.0, 1.0, 1.5, 2.0, 2.1, 100.0):
        histogram.observe(value)
    assert histogram.counts == [2, 2, 2]
    assert (histogram.count, histogram.sum) == (6, 106.6)


def test_a_copy_stays_as_it_was() -> None:
    histogram, work = Histogram((1.0,)), Work()
    kept, done = histogram.copy(), work.copy()
    histogram.observe(0.5)
    work.done(0.2, 7)
    work.failures += 1
    assert (kept.counts, kept.sum) == ([0, 0], 0.0)
    assert (done.rows, done.failures, done.seconds.count) == (0, 0, 0)
    assert (work.rows, work.failures, work.seconds.count) == (7, 1, 1)
