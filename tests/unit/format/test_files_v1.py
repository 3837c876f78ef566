"""Files that version 1 of each layout left behind are opened by today's code, and say what they said.

``python -m tests.unit.format.test_files_v1`` wrote them, once. A new layout gets files of its own beside these.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from chroma_async.format.bitmap import Bitmap
from chroma_async.format.columns import Columns
from chroma_async.format.ids import Ids
from chroma_async.format.names import StoredName, parse
from chroma_async.format.postings import Postings
from chroma_async.format.rowtable import RowTable
from chroma_async.format.vectors import VectorsFile, write_vectors

DIRECTORY = Path(__file__).parents[2] / "data" / "v1"
KEY = "0123456789abcdef" * 2

IDS = ["first", "zweites", "троица", ""]
METADATAS = [
    {"lang": "en", "year": 1999, "score": 0.5, "draft": False, "tags": ["a", "b"], "n": [1, 2]},
    {"lang": "de", "year": 2**53 + 1, "x": [0.5], "y": [True]},
    None,
    {"lang": "en", "year": 2.5},
]
SPARSE = [
    {"words": {"#type": "sparse_vector", "indices": [1, 4294967295], "values": [0.1, -2.0]}, "other": {"indices": [], "values": []}},
    None,
    {"words": {"#type": "sparse_vector", "indices": [1], "values": [3.0]}},
    {"words": "text"},
]
VECTORS = np.array([[3, 4, 0], [0, 0, 0], [1, 2, 2], [-1.5, 0.25, 1e-20]], np.float32)


def read(kind: str) -> memoryview:
    return memoryview((DIRECTORY / f"{KEY}.{kind}").read_bytes())


def test_vectors_of_version_1_open() -> None:
    file = VectorsFile.open(read("vectors"), "vectors")
    file.verify()
    assert np.array_equal(file.vectors, VECTORS)
    assert file.norms[:3].tolist() == [5, 0, 3]


def test_columns_of_version_1_open() -> None:
    table = RowTable.open(read("columns"), "columns")
    table.verify()
    assert table.ids.take(range(4)) == IDS
    assert table.ids.find(["троица", "absent"]).tolist() == [2, -1]
    assert table.seqs.tolist() == [11, 12, 13, 14]
    assert table.borns.tolist() == [11, 5, 13, 14]
    assert table.extra == {"note": "kept"}
    types = {(column.key, column.type): column for column in table.columns.columns}
    assert sorted(types) == [
        ("draft", "bool"),
        ("lang", "str"),
        ("n", "int[]"),
        ("score", "float"),
        ("tags", "str[]"),
        ("x", "float[]"),
        ("year", "float"),
        ("year", "int"),
    ]
    at, values = types["lang", "str"].entries()
    assert dict(zip(at.tolist(), types["lang", "str"].decoded(values), strict=True)) == {0: "en", 1: "de", 3: "en"}
    assert types["year", "int"].entries()[1].tolist() == [1999, 2**53 + 1]
    assert list(table.columns.spilled.of("y")) == [(1, [True])]


def test_an_alive_bitmap_of_version_1_opens() -> None:
    assert Bitmap.open(read("alive"), "alive").positions().tolist() == [0, 2, 3]


def test_postings_of_version_1_open() -> None:
    postings = Postings.open(read("postings"), "postings")
    assert (postings.rows, sorted(postings.keys), postings.disordered()) == (4, ["other", "words"], [])
    words, other = postings.of("words"), postings.of("other")
    assert words is not None
    assert other is not None
    assert [words.holders.tolist(), other.holders.tolist(), other.at.tolist()] == [[0, 2], [0], []]
    assert words.terms.tolist() == [1, 2**32 - 1]
    assert words.offsets.tolist() == [0, 2, 3]
    assert words.at.tolist() == [0, 2, 0]
    assert words.weights.tolist() == [np.float32(0.1), 3.0, -2.0]


def test_the_files_are_named_as_stored_files_are() -> None:
    assert {parse(path.name) for path in DIRECTORY.iterdir() if path.name.startswith(KEY)} >= {
        StoredName("vectors", KEY),
        StoredName("columns", KEY),
        StoredName("postings", KEY),
        StoredName("alive", KEY),
    }


def write() -> None:
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    with (DIRECTORY / f"{KEY}.vectors").open("wb") as file:
        write_vectors(file, [VECTORS], 3)
    with (DIRECTORY / f"{KEY}.columns").open("wb") as file:
        columns = Columns.build(METADATAS, limit=8)
        RowTable(Ids.build(IDS), np.arange(11, 15), np.array([11, 5, 13, 14]), columns).write(file, {"note": "kept"})
    with (DIRECTORY / f"{KEY}.postings").open("wb") as file:
        Postings.build(SPARSE).write(file)
    with (DIRECTORY / f"{KEY}.alive").open("wb") as file:
        Bitmap.from_positions([0, 2, 3], 4).write(file)


if __name__ == "__main__":
    write()
