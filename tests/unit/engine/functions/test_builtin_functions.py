"""What the built-in functions make of records, compared with counting by hand."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from chroma_async.engine.functions.builtin_functions import OutputRow, count_records, statistics
from chroma_async.engine.snapshot.memtable import SEAL_ROWS, Memtable
from chroma_async.engine.snapshot.version import Version
from chroma_async.format.columns import MAX_COLUMNS
from chroma_async.format.logbatch import LogBatch
from chroma_async.types import Metadata


def version(metadatas: list[Metadata | None], dead: list[int] | None = None) -> Version:
    table, rows = Memtable(), len(metadatas)
    nobody = np.empty(0, dtype=np.int64)
    batch = LogBatch(
        first=1,
        ids=[f"r{n}" for n in range(rows)],
        embeddings=np.zeros((rows, 1), dtype=np.float32),
        borns=np.zeros(rows, dtype=np.int64),
        victims=np.zeros(rows, dtype=np.int64),
        documents=None,
        uris=None,
        metadatas=metadatas,
        deleted_ids=[],
        deleted=nobody,
        facts=None,
    )
    table.append(batch)
    if dead:
        table.kill(np.array(dead))
    return Version(rows, 1, (), (table.view(),))


def rows(found: Version, block: int = 1000) -> dict[str, OutputRow]:
    made = [row for part in statistics(found, block) for row in part]
    assert len({row.id for row in made}) == len(made)
    return {row.id: row for row in made}


def counts(found: Version) -> dict[str, Any]:
    return {id: row.metadata["count"] for id, row in rows(found).items()}


def test_the_counter_makes_one_record_with_the_number_of_living_records() -> None:
    ((row,),) = count_records(version([None] * 5, dead=[1, 3]), 100)
    assert (row.id, row.metadata) == ("function_output", {"total_count": 3})


def test_statistics_have_a_record_for_each_key_type_and_value_in_chromas_words() -> None:
    found = rows(version([{"s": "x", "i": 7, "f": 2.5, "b": True}, {"s": "x", "i": 7.0, "f": 1e-7, "b": False}, None]))
    assert {id: (row.metadata["key"], row.metadata["type"], row.metadata["value"], row.metadata["count"]) for id, row in found.items()} == {
        "summary::s:total_count": ("summary", "str", "total_count", 3),
        "s::s:x": ("s", "str", "x", 2),
        "i::i:7": ("i", "int", "7", 1),
        "i::f:7.0000000000000000e0": ("i", "float", "7.0000000000000000e0", 1),
        "f::f:2.5000000000000000e0": ("f", "float", "2.5000000000000000e0", 1),
        "f::f:9.9999999999999995e-8": ("f", "float", "9.9999999999999995e-8", 1),
        "b::b:true": ("b", "bool", "true", 1),
        "b::b:false": ("b", "bool", "false", 1),
    }
    assert found["s::s:x"].document == "statistics about s for s:x"


def test_every_element_of_a_list_counts_and_hidden_keys_do_not() -> None:
    found = counts(version([{"tags": ["a", "b", "a"], "chroma:expires_at": 5}, {"tags": ["b"]}, {"tags": "b"}]))
    assert found == {"summary::s:total_count": 3, "tags::s:a": 2, "tags::s:b": 3}


def test_a_sparse_vector_counts_as_its_indices_with_their_labels() -> None:
    def vector(indices: list[int], tokens: list[str] | None = None) -> dict[str, Any]:
        bare = {"#type": "sparse_vector", "indices": indices, "values": [1.0] * len(indices)}
        return bare if tokens is None else {**bare, "tokens": tokens}

    found = rows(version([{"v": vector([1, 3])}, {"v": vector([3, 9], ["three", "nine"])}, {"v": vector([9], ["nine"])}], dead=[2]))
    assert {
        id: (row.metadata["count"], row.metadata.get("value_label")) for id, row in found.items() if id != "summary::s:total_count"
    } == {
        "v::sv:1": (1, None),
        "v::sv:3": (2, "three"),
        "v::sv:9": (1, "nine"),
    }


def test_a_record_key_of_the_summarys_name_cannot_change_the_summary() -> None:
    found = counts(version([{"summary": "total_count"}, {"summary": "other"}]))
    assert found == {"summary::s:total_count": 2, "summary::s:other": 1}


def test_keys_that_hold_the_separator_have_ids_of_their_own() -> None:
    found = rows(version([{"a::s:x": "y"}, {"a": "x::s:y"}, {"a%3A%3As%3Ax": "y"}]))
    assert len(found) == 4
    assert {row.metadata["key"] for row in found.values()} == {"summary", "a", "a::s:x", "a%3A%3As%3Ax"}


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_blocks_are_no_longer_than_asked(block: int) -> None:
    parts = list(statistics(version([{"n": n} for n in range(20)]), block))
    assert max(map(len, parts)) <= block
    assert sum(map(len, parts)) == 21


def test_many_keys_values_and_deletions_count_as_by_hand() -> None:
    rng = np.random.default_rng(5)
    metadatas: list[Metadata | None] = []
    for n in range(2 * SEAL_ROWS + 40):
        common: dict[str, Any] = {"color": ["red", "green", "blue"][n % 3], "size": int(rng.integers(5))}
        metadatas.append({**common, f"key-{rng.integers(3 * MAX_COLUMNS)}": [bool(n % 2), "x", [1, 2, 2]][n % 3]})
    dead = [int(n) for n in rng.choice(len(metadatas), 100, replace=False)]
    expected: Counter[str] = Counter()
    for metadata in (metadata for n, metadata in enumerate(metadatas) if n not in set(dead)):
        expected["summary::s:total_count"] += 1
        for key, value in (metadata or {}).items():
            for each in value if isinstance(value, list) else [value]:
                text = str(each).lower() if isinstance(each, bool) else str(each)
                expected[f"{key}::{type(each).__name__[0]}:{text}"] += 1
    assert counts(version(metadatas, dead)) == dict(expected)
