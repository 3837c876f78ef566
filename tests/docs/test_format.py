"""FORMAT.md describes what is on the disk: its tables are read here, and a store that is made now is read by them."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import sqlite3
import struct
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chroma_async.format import frame, logbatch
from chroma_async.format.column import VALUE_TYPES
from chroma_async.format.columns import MAX_COLUMNS, Columns
from chroma_async.format.ids import Ids
from chroma_async.format.manifest import MANIFEST_FORMAT
from chroma_async.format.names import KINDS, StoredName, parse, parse_temp, temp_name
from chroma_async.format.rowtable import RowTable
from chroma_async.storage.local import lock
from chroma_async.storage.open import CATALOG_FILE, LOG_FILE, SEGMENTS_DIRECTORY
from chroma_async.storage.sqlite.log_file import LOG_VERSION
from chroma_async.storage.sqlite.migrations import MIGRATIONS
from tests.data import store_v1
from tests.docs.markdown import code, section, table

FORMAT = (Path(frame.__file__).parent / "FORMAT.md").read_text("utf-8")
NUMBER_TYPES = {"u8": "B", "u32": "I", "u64": "Q"}
SECTION_TYPES = {"u8": "|u1", "u32": "<u4", "u64": "<u8", "i32": "<i4", "i64": "<i8", "f32": "<f4", "f64": "<f8", "one byte": "|b1"}
SQLITE = b"SQLite format 3\0"


TRAILER_ROWS = table(FORMAT, "trailer at")


@dataclass(frozen=True)
class Stored:
    """A file in the container of FORMAT.md, read by its tables and by nothing else."""

    kind: str
    data: bytes

    @cached_property
    def trailer(self) -> dict[int, Any]:
        """Each field of the trailer by its offset."""
        trailer = self.data[-32:]
        fields = {}
        for offset, size, type, _ in TRAILER_ROWS:
            piece = trailer[int(offset) : int(offset) + int(size)]
            fields[int(offset)] = struct.unpack(f"<{NUMBER_TYPES[type]}", piece)[0] if type else piece
        return fields

    @cached_property
    def contents(self) -> dict[str, Any]:
        """The table of contents."""
        offset, length = self.trailer[0], self.trailer[8]
        return dict(json.loads(self.data[offset : offset + length]))

    def section(self, name: str) -> bytes:
        """The bytes of one section."""
        (entry,) = (each for each in self.contents["sections"] if each["name"] == name)
        return self.data[entry["offset"] : entry["offset"] + entry["bytes"]]


@dataclass(frozen=True)
class Made:
    """A directory that was made just now, while it is closed."""

    directory: Path

    def files(self, kind: str) -> list[bytes]:
        return [path.read_bytes() for path in sorted((self.directory / SEGMENTS_DIRECTORY).iterdir()) if path.suffix == f".{kind}"]

    def rows(self, file: str, sql: str) -> list[tuple[Any, ...]]:
        """Of a statement on one of the databases."""
        with closing(sqlite3.connect(self.directory / file)) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    directory = tmp_path_factory.mktemp("format") / "store"
    asyncio.run(store_v1.build(directory))
    return Made(directory)


@pytest.fixture(scope="module")
def frames(made: Made) -> list[Stored]:
    """Every file of the container, and one whose metadata found no columns."""
    found = [Stored(kind, data) for kind in KINDS for data in made.files(kind) if not data.startswith(SQLITE)]
    metadatas = [{"a": 1, "b": "x", "c": [0.5, 1.5], "d": True}, {"a": 2, "b": "y", "terms": {"indices": [1], "values": [2.0]}}]
    spilled = BytesIO()
    RowTable(Ids.build(["one", "two"]), np.arange(1, 3), np.arange(1, 3), Columns.build(metadatas, limit=2)).write(spilled)
    return [*found, Stored("columns", spilled.getvalue())]


# ------------------------------------------------------------------------------------------------------------------- directory and names


def test_the_first_table_names_what_a_data_directory_holds(made: Made) -> None:
    named = {name for row in table(FORMAT, "in the data directory") for name in code(row[0])}
    assert named == {lock.LOCK, lock.FORMAT, CATALOG_FILE, LOG_FILE, f"{SEGMENTS_DIRECTORY}/"}
    there = {path.name + "/" * path.is_dir() for path in made.directory.iterdir()}
    assert there == named - {lock.LOCK}, "the generator takes LOCK away: it names the machine"


def test_the_mark_of_a_directory_has_the_lines_of_its_table(made: Made) -> None:
    lines = [code(row[0])[0] for row in table(FORMAT, "line of `FORMAT`")]
    pattern = "".join(re.escape(line).replace("<n>", r"\d+") + "\n" for line in lines)
    assert re.fullmatch(pattern, (made.directory / lock.FORMAT).read_text("ascii"))
    assert f"format {lock.FORMAT_VERSION}" in lines


def test_the_table_of_files_has_every_kind_in_its_container(made: Made) -> None:
    rows = {code(name)[0].removeprefix("<key>."): container for name, _, container, _ in table(FORMAT, "file", "written by")}
    assert list(rows) == list(KINDS)
    for kind, container in rows.items():
        files = made.files(kind)
        assert files, kind
        assert all(data.startswith(SQLITE) for data in files) if container == "SQLite" else container.startswith("frame")
        assert all(data.endswith(frame.MAGIC) for data in files) or container == "SQLite"


def test_names_are_built_as_the_section_says() -> None:
    text = section(FORMAT, "Names")
    assert "32 lower-case hexadecimal digits" in text
    assert f"one of the {['five', 'six', 'seven', 'eight'][len(KINDS) - 5]} above" in text
    name = StoredName("graph", "0123456789abcdef" * 2)
    assert (str(name), parse(str(name))) == (f"{name.key}.graph", name)
    assert parse(str(name).upper()) is None
    assert temp_name(name, 12) == f"{name.key}.graph.12.tmp"
    assert "`<key>.<kind>.<epoch>.tmp`" in text
    assert parse_temp(f"{name}.012.tmp") is None, "no leading zeros"


# --------------------------------------------------------------------------------------------------------------------------------- frame


def test_the_trailer_is_where_its_table_says_and_covers_what_it_says(frames: list[Stored]) -> None:
    ends = [int(offset) + int(size) for offset, size, _, _ in TRAILER_ROWS]
    assert [0, *ends] == [*(int(row[0]) for row in TRAILER_ROWS), 32], "the fields follow each other and fill the trailer"
    ((magic,),) = [code(row[3])[:1] for row in TRAILER_ROWS if not row[2]]
    assert bytes.fromhex(magic) == frame.MAGIC
    for stored in frames:
        fields, size = stored.trailer, len(stored.data)
        assert fields[0] + fields[8] + 32 == size
        body, trailer = stored.data[fields[0] : fields[0] + fields[8]], stored.data[-32:]
        assert fields[16] == zlib.crc32(trailer[:16] + trailer[20:24], zlib.crc32(body))
        assert fields[20] == frame.CONTAINER_VERSION
        assert fields[24] == frame.MAGIC


def test_the_contents_have_the_members_of_their_table(frames: list[Stored]) -> None:
    rows = table(section(FORMAT, "Frame"), "member")
    members = [code(row[0])[0] for row in rows]
    (entry,) = (re.search(r"\{(.*?)\}", row[1]) for row in rows if code(row[0]) == ["sections"])
    assert entry is not None
    for stored in frames:
        contents = stored.contents
        assert list(contents) == members
        assert contents["kind"] == stored.kind
        assert all(list(each) == re.findall(r'"(\w+)"', entry[1]) for each in contents["sections"])


def test_sections_begin_where_the_table_of_parts_says(frames: list[Stored]) -> None:
    (alignment,) = re.findall(r"multiple of (\d+), after zeros", section(FORMAT, "Frame"))
    assert int(alignment) == frame.ALIGNMENT
    for stored in frames:
        end = 0
        for each in stored.contents["sections"]:
            start = -(-end // frame.ALIGNMENT) * frame.ALIGNMENT
            assert (each["offset"], stored.data[end:start].strip(b"\0")) == (start, b"")
            end = start + each["bytes"]
            assert zlib.crc32(stored.data[start:end]) == each["crc32"]
        assert stored.trailer[0] == end


# ------------------------------------------------------------------------------------------------------------------------------ sections


@dataclass(frozen=True)
class Described:
    """One row of a table of sections: a pattern of names, the types, and the shape if it is said."""

    name: str
    types: frozenset[str]
    shape: str


def described(kind: str) -> list[Described]:
    """What FORMAT.md says of the sections of a kind. Lists of strings stand for their two sections."""
    if kind == "alive":
        assert "the one section, `bits`, u8" in section(FORMAT, "Bitmap")
        return [Described("bits", frozenset({"|u1"}), "")]
    title = {"vectors": "Vectors", "columns": "Columns", "postings": "Postings", "graph": "Graph"}[kind]
    text = section(FORMAT, title)
    if kind != "columns":
        heads = [head for head in ("section", "section of `<i>.`") if f"| {head} |" in text]
        return [each for head in heads for row in table(text, head) for each in rows_of("<i>." if "<i>" in head else "", row)]
    found = [each for row in table(text.partition("### ")[0], "section") for each in rows_of("", row)]
    for row in table(text, "section of `column.<i>.`"):
        found += rows_of("column.<i>.", row[:2])
    for row in table(text, "section of `column.overflow.`"):
        found += rows_of("column.overflow.", row[:2])
    return [each for each in found if "*" not in each.name]


def rows_of(prefix: str, row: list[str]) -> Iterator[Described]:
    types = frozenset(SECTION_TYPES[name] for name in re.findall(r"u8|u32|u64|i32|i64|f32|f64|one byte", row[1]))
    for name in code(row[0]):
        strings = name.endswith((".blob", ".offsets"))
        of_list = frozenset({"|u1" if name.endswith("blob") else "<i8"})
        yield Described(prefix + name, of_list if strings else types, row[2] if len(row) > 2 else "")


def matching(name: str, rows: list[Described]) -> Described:
    """The row that describes a section. :raises ValueError: none does, or several do."""
    (row,) = (each for each in rows if re.fullmatch(re.escape(each.name).replace("<i>", r"\d+"), name))
    return row


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("documents", "trigrams")])
def test_every_section_has_its_row_and_every_row_its_section(frames: list[Stored], kind: str) -> None:
    rows = described(kind)
    found = [each for stored in frames if stored.kind == kind for each in stored.contents["sections"]]
    met = set()
    for each in found:
        row = matching(each["name"], rows)
        assert each["dtype"] in row.types, (each, row)
        met.add(row.name)
    assert met == {row.name for row in rows}


@pytest.mark.parametrize("kind", ["vectors", "columns", "postings", "graph"])
def test_sections_have_the_shapes_of_their_tables(frames: list[Stored], kind: str) -> None:
    rows = described(kind)
    for stored in (each for each in frames if each.kind == kind):
        letters: dict[str, dict[str, int]] = {}
        for each in stored.contents["sections"]:
            row = matching(each["name"], rows)
            group = each["name"].rpartition(".")[0] if kind == "postings" else ""
            if row.shape:
                assert fits(row.shape, each["shape"], letters.setdefault(group, {})), (each, row)


def fits(described: str, shape: list[int], letters: dict[str, int]) -> bool:
    """Whether a shape is as described; a letter that is met for the first time takes the value that it has here."""
    for alternative in described.split(", or "):
        extents = [part.strip() for part in alternative.strip("() ").split(",") if part.strip()]
        if len(extents) == len(shape) and all(_extent(one, other, letters) for one, other in zip(extents, shape, strict=True)):
            return True
    return False


def _extent(text: str, value: int, letters: dict[str, int]) -> bool:
    if text.isdigit():
        return int(text) == value
    letter, _, added = text.partition(" + ")
    return letters.setdefault(letter, value - int(added or 0)) + int(added or 0) == value


def test_a_chunk_counts_its_rows_alike_in_all_of_its_files(made: Made) -> None:
    for path in (made.directory / SEGMENTS_DIRECTORY).glob("*.vectors"):
        columns = Stored("columns", path.with_suffix(".columns").read_bytes()).contents
        vectors = Stored("vectors", path.read_bytes()).contents["sections"][0]
        assert columns["extra"]["columns"]["rows"] == vectors["shape"][0] > 0
        assert path.with_suffix(".documents").exists()


def test_ids_are_hashed_as_the_table_says(frames: list[Stored]) -> None:
    assert "BLAKE2b with an 8-byte digest over the UTF-8 form, read little-endian" in section(FORMAT, "Columns")
    for stored in (each for each in frames if each.kind == "columns"):
        blob, offsets = stored.section("ids.blob"), np.frombuffer(stored.section("ids.offsets"), "<i8").tolist()
        ids = [blob[start:stop] for start, stop in itertools.pairwise(offsets)]
        hashed = sorted((int.from_bytes(blake2b(id, digest_size=8).digest(), "little"), row) for row, id in enumerate(ids))
        assert [hash for hash, _ in hashed] == np.frombuffer(stored.section("ids.hashes"), "<u8").tolist()
        assert [row for _, row in hashed] == np.frombuffer(stored.section("ids.rows"), "<i4").tolist()


def test_metadata_columns_have_the_types_and_the_limit_that_are_said(frames: list[Stored]) -> None:
    text = section(FORMAT, "Metadata columns")
    (sentence,) = re.findall(r"among its values: (.*?) \(\[column", text, re.S)
    assert code(sentence) == list(VALUE_TYPES)
    assert f"At most {MAX_COLUMNS:,} columns" in text
    (values,) = (row[1] for row in table(text, "section of `column.<i>.`") if code(row[0]) == ["values"])
    said = {name: SECTION_TYPES[type] for part in values.split(", ") for type in _types_in(part) for name in code(part)}
    met = set()
    for stored in (each for each in frames if each.kind == "columns"):
        contents = stored.contents
        types = {each["name"]: each["dtype"] for each in contents["sections"]}
        for number, about in enumerate(contents["extra"]["columns"]["columns"]):
            assert types[f"column.{number}.values"] == said[about["type"].removesuffix("[]")]
            assert list(about) == ["key", "type"]
            met.add(about["type"])
    assert met == set(VALUE_TYPES)


def _types_in(text: str) -> list[str]:
    return re.findall(r"\b(i32|i64|f64|one byte)\b", text)


def test_the_extra_of_a_graph_has_the_members_of_its_table(frames: list[Stored]) -> None:
    rows = table(section(FORMAT, "Graph"), "`extra`")
    members = [name for row in rows for name in code(row[0])]
    (encoding,) = (row[1] for row in rows if code(row[0]) == ["encoding"])
    for stored in (each for each in frames if each.kind == "graph"):
        extra = stored.contents["extra"]
        assert sorted(extra) == sorted(members)
        assert list(extra["encoding"]) == code(encoding)


def test_the_extra_of_the_other_kinds_is_what_is_said(frames: list[Stored]) -> None:
    expected = {"vectors": [], "columns": ["columns", "extra"], "postings": ["rows", "keys"], "alive": ["size"]}
    assert "`extra` empty" in section(FORMAT, "Vectors")
    assert '`{"columns": description, "extra": object}`' in section(FORMAT, "Columns").replace("\n", " ")
    assert '`{"rows": n, "keys": [key, ...]}`' in section(FORMAT, "Postings").replace("\n", " ")
    for stored in frames:
        if stored.kind in expected:
            assert list(stored.contents["extra"]) == expected[stored.kind]
    for stored in (each for each in frames if each.kind == "alive"):
        assert len(stored.section("bits")) == -(-stored.contents["extra"]["size"] // 8)


# ------------------------------------------------------------------------------------------------------------------------ log and catalog


def test_a_log_batch_is_laid_out_as_its_table_says(made: Made) -> None:
    bodies = [body for (body,) in made.rows(LOG_FILE, "SELECT body FROM entries")]
    assert len(bodies) > 5
    fixed = [(int(at), size, text) for at, size, text in table(section(FORMAT, "Log batch"), "at", "bytes") if at]
    for body in bodies:
        values = {at: _log_field(body, at, size, text) for at, size, text in fixed if size.isdigit()}
        assert values[0] == b"CALOGBAT"
        assert values[12] == zlib.crc32(body[16:])
        assert values[16] == len(body)
        rows, dimension, deletions = values[32], values[36], values[40]
        texts = struct.unpack_from("<6Q", body, 48)
        vectors = 4 * rows * dimension
        assert 96 + vectors + -vectors % 8 + 8 * rows + 8 * rows + 8 * deletions + sum(texts) == len(body)
        decoded = logbatch.decode(body, "a test")
        assert (decoded.first, len(decoded.ids), len(decoded.deleted_ids)) == (values[24], rows, deletions)
        assert decoded.embeddings.tobytes() == body[96 : 96 + vectors]
    assert [(at, size) for at, size, _ in fixed] == [
        (0, "8"), (8, "4"), (12, "4"), (16, "8"), (24, "8"), (32, "4"), (36, "4"), (40, "4"), (44, "4"), (48, "6 x 8"), (96, "4nd"),
    ]  # fmt: skip


def _log_field(body: bytes, at: int, size: str, text: str) -> Any:
    piece = body[at : at + int(size)]
    type = re.match(r"u\d+", text)
    return struct.unpack(f"<{NUMBER_TYPES[type[0]]}", piece)[0] if type else piece


@pytest.mark.parametrize(("title", "kind"), [("Documents", "documents"), ("Trigrams", "trigrams")])
def test_the_databases_among_the_files_have_the_tables_that_are_printed(made: Made, title: str, kind: str) -> None:
    (printed,) = re.findall(r"```sql\n(.*?)```", section(FORMAT, title), re.S)
    for path in (made.directory / SEGMENTS_DIRECTORY).glob(f"*.{kind}"):
        with closing(sqlite3.connect(path)) as connection:
            ((made_by,),) = connection.execute("SELECT sql FROM sqlite_schema WHERE name IN ('rows', 'trigrams') AND type = 'table'")
        assert made_by.split() == printed.split()


def test_the_log_and_the_catalog_have_the_tables_of_their_sections(made: Made) -> None:
    columns = [name for row in table(FORMAT, "column of `entries`") for name in code(row[0])]
    assert sorted(columns) == sorted(row[1] for row in made.rows(LOG_FILE, "PRAGMA table_info(entries)"))
    assert made.rows(LOG_FILE, "SELECT name FROM sqlite_schema WHERE type = 'table'") == [("entries",)]
    assert made.rows(LOG_FILE, "PRAGMA user_version") == [(LOG_VERSION,)]
    tables = [code(row[0])[0] for row in table(section(FORMAT, "Catalog"), "table")]
    assert sorted(tables) == sorted(row[0] for row in made.rows(CATALOG_FILE, "SELECT name FROM sqlite_schema WHERE type = 'table'"))
    assert made.rows(CATALOG_FILE, "SELECT version FROM schema_version") == [(len(MIGRATIONS),)]


def test_the_row_checksums_of_the_log_are_made_as_is_said(made: Made) -> None:
    for collection, first, last, body, body_crc32 in made.rows(LOG_FILE, "SELECT collection, first, last, body, body_crc32 FROM entries"):
        assert body_crc32 == zlib.crc32(body, zlib.crc32(json.dumps([collection.hex(), first, last]).encode()))


def test_a_manifest_has_the_members_of_its_tables(made: Made) -> None:
    text = section(FORMAT, "Manifest")
    members = [code(row[0])[0] for row in table(text, "member")]
    of_segment = [code(row[0])[0] for row in table(text, "member of a segment")]
    manifests = [json.loads(body) for (body,) in made.rows(CATALOG_FILE, "SELECT body FROM manifests")]
    assert any(manifest["tails"] for manifest in manifests)
    for manifest in manifests:
        assert list(manifest) == members
        assert manifest["format"] == MANIFEST_FORMAT
        for stored in manifest["segments"]:
            assert list(stored) == of_segment
            for rows, *files in stored["chunks"]:
                assert len(files) in (3, 4)
                for name, size, crc32 in files:
                    data = (made.directory / SEGMENTS_DIRECTORY / name).read_bytes()
                    assert (len(data), zlib.crc32(data)) == (size, crc32)
                assert rows > 0


def test_the_last_row_of_versions_is_what_is_written_today(made: Made, frames: list[Stored]) -> None:
    last = table(FORMAT, "version", "release")[-1][0]
    said = {name: int(number) for name, number in (part.rsplit(" ", 1) for part in last.split(", "))}
    written = {stored.kind: stored.contents["version"] for stored in frames}
    (batch,) = {struct.unpack_from("<I", body, 8)[0] for (body,) in made.rows(LOG_FILE, "SELECT body FROM entries")}
    own = {"directory": lock.FORMAT_VERSION, "catalog": len(MIGRATIONS), "log": LOG_VERSION, "log batch": batch}
    assert said == own | {"manifest": MANIFEST_FORMAT, "container": frame.CONTAINER_VERSION} | written
    for kind, version in written.items():
        assert f"Kind `{kind}`, layout version {version}" in FORMAT
