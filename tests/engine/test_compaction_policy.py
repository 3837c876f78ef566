"""Policy: numbers in, a decision out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chroma_async.config.settings import Settings
from chroma_async.engine.compaction.compaction_policy import (
    ChunkState,
    IndexGraph,
    IndexText,
    Job,
    Load,
    Merge,
    SegmentState,
    Vacuum,
    counts_unflushed,
    everything_left,
    may_freeze,
    must_freeze,
    next_job,
    unindexed_rows,
)

SETTINGS = Settings()
BUSY = Load(idle_s=0.0, write_share=3.0)
CALM = Load(idle_s=0.0, write_share=0.1)
IDLE = Load(idle_s=10.0, write_share=0.0)
WIDTH = 4 * 384


def segment(*rows: int, **state: object) -> SegmentState:
    plain = SegmentState(
        key="s",
        chunks=tuple(ChunkState(count, count * WIDTH) for count in rows),
        dead=0,
        covers=0,
        refused_rows=0,
        trigrams_stop=sum(rows),
        full_text=True,
    )
    return replace(plain, **state)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "bytes", "full"),
    [(0, 0, False), (8191, 0, False), (8192, 0, True), (1, 16 << 20, True), (1, (16 << 20) - 1, False)],
)
def test_a_memtable_is_full_by_rows_or_bytes(rows: int, bytes: int, full: bool) -> None:
    assert must_freeze(rows, bytes, SETTINGS) is full


@pytest.mark.parametrize(
    ("rows", "idle_s", "age_s", "due"),
    [(1001, 2.0, 2.0, True), (1000, 2.0, 2.0, False), (5000, 1.9, 50.0, False), (1, 0.0, 60.0, True), (0, 59.0, 59.0, False)],
)
def test_a_memtable_is_due_when_large_and_quiet_or_old(rows: int, idle_s: float, age_s: float, due: bool) -> None:
    assert may_freeze(rows, idle_s, age_s, SETTINGS) is due


@pytest.mark.parametrize(
    ("state", "load", "job"),
    [
        (segment(1000), IDLE, None),
        (segment(4095), IDLE, None),
        (segment(4096), IDLE, IndexGraph("s")),
        (segment(4096), BUSY, None),
        (segment(8193), BUSY, IndexGraph("s")),
        (segment(4097), CALM, IndexGraph("s")),
        (segment(4096), CALM, None),
        (segment(100_000, 8000, covers=100_000), BUSY, None),
        (segment(100_000, 30_001, covers=100_000), BUSY, IndexGraph("s")),
        (segment(100_000, 10_001, covers=100_000), CALM, IndexGraph("s")),
        (segment(100_000, 1001, covers=100_000), IDLE, IndexGraph("s")),
        (segment(100_000, 1000, covers=100_000), IDLE, None),
        (segment(100_000, covers=100_000), IDLE, None),
        (segment(10_000, refused_rows=10_000), IDLE, None),
        (segment(13_001, refused_rows=10_000), IDLE, IndexGraph("s")),
    ],
)
def test_a_graph_grows_when_its_tail_is_worth_it(state: SegmentState, load: Load, job: Job | None) -> None:
    assert next_job([state], load, SETTINGS) == job


@pytest.mark.parametrize(
    ("state", "waiting"),
    [
        (segment(4095), 0),
        (segment(4096), 4096),
        (segment(100_000, covers=100_000), 0),
        (segment(100_000, 1000, covers=100_000), 0),
        (segment(100_000, 1001, covers=100_000), 1001),
        (segment(13_000, refused_rows=10_000), 0),
        (segment(13_001, refused_rows=10_000), 13_001),
    ],
)
def test_rows_wait_for_indexing_only_while_idleness_would_index_them(state: SegmentState, waiting: int) -> None:
    assert unindexed_rows([state, segment(100)], SETTINGS) == waiting


@pytest.mark.parametrize(("rows", "idle_s", "counts"), [(1000, 1.0, True), (1001, 60.0, False), (1, 0.99, False), (0, 1.0, True)])
def test_a_memtable_counts_as_indexed_when_small_and_at_rest(rows: int, idle_s: float, counts: bool) -> None:
    assert counts_unflushed(rows, idle_s, SETTINGS) is counts


@pytest.mark.parametrize(
    ("rows", "dead", "job"),
    [(1000, 199, None), (1000, 200, Vacuum("s")), (1_000_000, 43_690, None), (1_000_000, 43_691, Vacuum("s"))],
)
def test_a_segment_is_vacuumed_by_share_or_bytes_of_its_dead(rows: int, dead: int, job: Job | None) -> None:
    assert next_job([segment(rows, dead=dead, covers=rows)], BUSY, SETTINGS) == job


@pytest.mark.parametrize(
    ("rows", "job"),
    [
        ((100,) * 7, None),
        ((100,) * 8, Merge("s", 0, 7)),
        ((5000, *(100,) * 8), Merge("s", 1, 8)),
        ((800, *(100,) * 7), None),
        ((100_000, *(8192,) * 8), Merge("s", 1, 8)),
        ((100_000,) * 9, None),
    ],
)
def test_adjacent_chunks_of_like_size_merge_within_the_bounds_of_a_chunk(rows: tuple[int, ...], job: Job | None) -> None:
    assert next_job([segment(*rows, covers=sum(rows))], BUSY, SETTINGS) == job


def test_merged_chunks_are_not_merged_for_ever() -> None:
    """Each row is copied a few times at the most, however long flushing goes on."""
    chunks: list[int] = []
    copied = flushed = 0
    for _ in range(2000):
        chunks.append(8192)
        flushed += 8192
        while isinstance(job := next_job([segment(*chunks, covers=sum(chunks))], BUSY, SETTINGS), Merge):
            run = chunks[job.first : job.last + 1]
            chunks[job.first : job.last + 1] = [sum(run)]
            copied += sum(run)
    assert copied <= 2 * flushed
    assert len(chunks) < 300


def test_text_is_indexed_when_enough_documents_have_no_index() -> None:
    assert next_job([segment(8191, covers=8191, trigrams_stop=0)], BUSY, SETTINGS) is None
    assert next_job([segment(8192, covers=8192, trigrams_stop=0)], BUSY, SETTINGS) == IndexText("s")
    assert next_job([segment(8192, covers=8192, trigrams_stop=0, full_text=False)], BUSY, SETTINGS) is None
    assert next_job([segment(20_000, covers=20_000, trigrams_stop=12_000)], BUSY, SETTINGS) is None


def test_vacuum_comes_before_graphs_and_graphs_before_chunks_and_text() -> None:
    needy = segment(*(9000,) * 8, dead=20_000, trigrams_stop=0)
    states = [needy, replace(needy, dead=0), replace(needy, dead=0, covers=72_000)]
    assert [next_job([segment(100), state], BUSY, SETTINGS) for state in states] == [Vacuum("s"), IndexGraph("s"), Merge("s", 0, 7)]


def test_the_first_segment_in_need_is_served() -> None:
    states = [replace(segment(100), key="a"), replace(segment(9000), key="b"), replace(segment(9000), key="c")]
    assert next_job(states, BUSY, SETTINGS) == IndexGraph("b")


def test_somebody_who_asks_gets_every_dead_row_vacuumed_and_every_tail_indexed() -> None:
    assert everything_left([segment(100_000, dead=1, covers=100_000)], SETTINGS) == Vacuum("s")
    assert everything_left([segment(100_000, 1, covers=100_000)], SETTINGS) == IndexGraph("s")
    assert everything_left([segment(4096)], SETTINGS) == IndexGraph("s")
    assert everything_left([segment(4095)], SETTINGS) is None
    assert everything_left([segment(10_000, refused_rows=10_000)], SETTINGS) is None
    assert everything_left([segment(10_001, refused_rows=10_000)], SETTINGS) == IndexGraph("s")
    assert everything_left([], SETTINGS) is None
