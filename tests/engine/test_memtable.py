"""The memtable: a view is one moment, for ever."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from chroma_async.engine.snapshot.memtable import SEAL_ROWS, Memtable, MemtableView
from chroma_async.format.logbatch import LogBatch
from chroma_async.query_language.filter_ast import (
    ArrayHas,
    Compare,
    DocumentContains,
    DocumentMatches,
    Equals,
    Filter,
    IdIn,
    Not,
    OneOf,
    Or,
)
from chroma_async.query_language.filter_evaluate import predicate

FILTERS: list[Filter] = [
    Equals("k", 1),
    Not(Equals("k", 1)),
    Compare("n", "gte", 100),
    OneOf("s", ("s1", "s3")),
    ArrayHas("tags", "even"),
    IdIn(("r5", "r300", "absent")),
    DocumentContains("7"),
    Not(DocumentContains("7")),
    DocumentMatches(r"number \d$"),
    Or((Equals("k", 2), IdIn(("r1",)))),
]


def batch(
    first: int, numbers: Sequence[int], *, victims: dict[int, int] | None = None, deleted: Sequence[int] = (), prefix: str = "r"
) -> LogBatch:
    count = len(numbers)
    victims = victims or {}
    return LogBatch(
        first=first,
        ids=[f"{prefix}{number}" for number in numbers],
        embeddings=np.array([[number, 1.0] for number in numbers], dtype=np.float32).reshape(count, 2),
        borns=np.zeros(count, dtype=np.int64),
        victims=np.array([victims.get(number, 0) for number in numbers], dtype=np.int64),
        documents=[None if number % 5 == 0 else f"number {number}" for number in numbers],
        uris=None,
        metadatas=[
            None
            if number % 7 == 0
            else {"k": number % 3, "n": number, "s": f"s{number % 4}", "tags": ["even" if number % 2 == 0 else "odd"]}
            for number in numbers
        ],
        deleted_ids=[f"{prefix}{seq}" for seq in deleted],
        deleted=np.array(deleted, dtype=np.int64),
        facts=None,
    )


def frozen(view: MemtableView) -> dict[str, Any]:
    """Everything that a reader can see."""
    everything = np.arange(view.rows)
    return {
        "alive": view.alive.to_bools().tolist(),
        "count": view.count,
        "ids": view.ids(everything),
        "embeddings": view.embeddings(everything).tolist(),
        "norms": view.norms.tolist(),
        "seqs": view.seqs_at(everything).tolist(),
        "borns": view.borns_at(everything).tolist(),
        "fetched": view.fetch(everything, documents=True, uris=True, metadatas=True),
        "found": view.find(["r0", "r1", "r63", "r64", "r500", "nobody"]).tolist(),
        "masks": [view.mask(filter).positions().tolist() for filter in FILTERS],
    }


def test_a_view_never_changes() -> None:
    table = Memtable(capacity=4)
    moments: list[tuple[MemtableView, dict[str, Any]]] = []
    seq = 1
    for count in (1, 3, 60, 1, 250, 400, 2):
        table.append(batch(seq, range(seq - 1, seq - 1 + count)))
        seq += count
        view = table.view()
        moments.append((view, frozen(view)))
        table.kill(np.arange(0, table.rows, 3))
        table.append(batch(seq, [1, 64], prefix="r"))
        seq += 2
    for view, seen in moments:
        assert frozen(view) == seen


def test_a_view_filters_sealed_and_unsealed_rows_alike() -> None:
    table = Memtable()
    table.append(batch(1, range(2 * SEAL_ROWS + 50)))
    table.append(batch(1 + 2 * SEAL_ROWS + 50, range(2 * SEAL_ROWS + 50, 3 * SEAL_ROWS - 7)))
    table.kill(np.arange(0, table.rows, 11))
    view = table.view()
    assert view.blocks
    assert view.blocks[-1].stop < view.rows
    for filter in FILTERS:
        expected = [
            row for row in range(view.rows) if row % 11 and predicate(filter)(table.ids[row], table.metadatas[row], table.documents[row])
        ]
        assert view.mask(filter).positions().tolist() == expected, filter


def test_blocks_join_as_they_grow() -> None:
    table = Memtable()
    for step in range(40):
        table.append(batch(1 + step * SEAL_ROWS, range(step * SEAL_ROWS, (step + 1) * SEAL_ROWS)))
        starts = [block.start for block in table.blocks]
        assert starts == sorted(starts)
        assert [block.stop for block in table.blocks][:-1] == starts[1:]
        assert table.blocks[-1].stop == table.rows
        assert len(table.blocks) <= 7


def test_an_older_view_finds_the_row_that_was_the_newest_then() -> None:
    table = Memtable()
    table.append(batch(1, [1, 2]))
    then = table.view()
    table.append(batch(3, [2], victims={2: 2}))
    table.kill(np.array([1]))
    now = table.view()
    assert then.find(["r2"]).tolist() == [1]
    assert then.alive.contains([1]).all()
    assert now.find(["r2"]).tolist() == [2]
    assert not now.alive.contains([1]).any()


def test_norms_are_rounded_once() -> None:
    table = Memtable()
    rows = np.array([[3e18, 4e18], [1e-23, 0], [0, 0]], dtype=np.float32)
    one = batch(1, [1, 2, 3])
    table.append(LogBatch(**{**{name: getattr(one, name) for name in one.__dataclass_fields__}, "embeddings": rows}))
    assert np.allclose(table.view().norms, np.linalg.norm(rows.astype(np.float64), axis=1), rtol=1e-7)


def test_readers_beside_the_writer_see_whole_moments() -> None:
    """One thread appends and kills; another looks at each published view twice and finds the same."""
    table = Memtable()
    table.append(batch(1, range(10)))
    published = [table.view()]
    done = threading.Event()
    wrong: list[str] = []

    def read() -> None:
        while not done.is_set():
            view = published[-1]
            if frozen(view) != frozen(view):
                wrong.append("a view changed")

    reader = threading.Thread(target=read)
    reader.start()
    seq = 11
    for step in range(60):
        table.append(batch(seq, range(seq, seq + 20)))
        seq += 20
        table.kill(np.array([step]))
        published.append(table.view())
    done.set()
    reader.join()
    assert not wrong
