"""What every segment store promises. Its methods block; the tests are its worker thread."""

from __future__ import annotations

import mmap
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chroma_async.errors import ChromaError, ClosedError, CorruptionError, InternalError
from chroma_async.format.files import FileRef
from chroma_async.storage.base.segments import SegmentStore

NAME = "0123456789abcdef0123456789abcdef.vectors"
OTHER = "0123456789abcdef0123456789abcdef.documents"
CONTENT = bytes(range(256)) * 5000


def put(store: SegmentStore, name: str = NAME, content: bytes = CONTENT) -> FileRef:
    staged = store.create(name)
    staged.write(content)
    return staged.commit()


def put_database(store: SegmentStore, name: str = OTHER) -> FileRef:
    staged = store.create_database(name)
    staged.execute("CREATE TABLE rows (row INTEGER PRIMARY KEY, document TEXT)")
    staged.executemany("INSERT INTO rows VALUES (?, ?)", [(n, f"document {n}" * 50) for n in range(500)])
    return staged.commit()


def test_a_committed_file_is_read_back_whole(segments: SegmentStore) -> None:
    ref = put(segments)
    assert ref == FileRef(NAME, len(CONTENT), zlib.crc32(CONTENT))
    blob = segments.open(ref)
    assert blob.ref == ref
    assert blob.buffer() == CONTENT
    assert blob.buffer().readonly
    blob.verify()


def test_a_file_grows_by_pieces_of_any_kind(segments: SegmentStore) -> None:
    staged = segments.create(NAME)
    pieces: list[bytes | bytearray | memoryview] = [b"ab", bytearray(b"cd"), memoryview(b"efgh").cast("I"), b"", b"z" * 3_000_000]
    for piece in pieces:
        staged.write(piece)
    assert staged.tell() == 8 + 3_000_000
    ref = staged.commit()
    assert segments.open(ref).buffer() == b"abcdefgh" + b"z" * 3_000_000
    segments.open(ref).verify()


def test_an_empty_file_is_a_file(segments: SegmentStore) -> None:
    ref = put(segments, content=b"")
    assert ref.bytes == 0
    assert segments.open(ref).buffer() == b""
    segments.open(ref).verify()


def test_a_file_under_construction_is_neither_listed_nor_openable(segments: SegmentStore) -> None:
    staged, database = segments.create(NAME), segments.create_database(OTHER)
    staged.write(CONTENT)
    assert segments.list() == []
    with pytest.raises(CorruptionError, match="missing"):
        segments.open(FileRef(NAME, len(CONTENT), zlib.crc32(CONTENT)))
    staged.commit()
    database.commit()
    assert segments.list() == sorted([NAME, OTHER])


def test_a_discarded_file_never_was(segments: SegmentStore) -> None:
    staged, database = segments.create(NAME), segments.create_database(OTHER)
    staged.write(CONTENT)
    for each in (staged, database, staged, database):
        each.discard()
    assert segments.list() == []
    with pytest.raises(InternalError):
        staged.write(b"more")
    for each in (staged, database):
        with pytest.raises(InternalError):
            each.commit()
    put(segments)
    put_database(segments)


def test_discarding_after_commit_does_nothing(segments: SegmentStore) -> None:
    for name, create in ((NAME, segments.create), (OTHER, segments.create_database)):
        staged = create(name)
        ref = staged.commit()
        staged.discard()
        segments.open(ref).verify()


@pytest.mark.parametrize("finish", [True, False])
def test_a_name_is_used_once(segments: SegmentStore, finish: bool) -> None:
    staged = segments.create(NAME)
    if finish:
        staged.commit()
    for again in (segments.create, segments.create_database):
        with pytest.raises(InternalError, match="exists already"):
            again(NAME)
    staged.discard()


def test_a_missing_file_and_one_of_another_size_are_corruption_that_names_the_file(segments: SegmentStore) -> None:
    ref = put(segments)
    for wrong in (FileRef(OTHER, 1, 0), FileRef(NAME, ref.bytes + 1, ref.crc32), FileRef(NAME, ref.bytes - 1, ref.crc32)):
        with pytest.raises(CorruptionError) as caught:
            segments.open(wrong)
        assert caught.value.file == wrong.name
        assert wrong.name in caught.value.message()


def test_a_checksum_that_differs_is_found_by_verifying(segments: SegmentStore) -> None:
    ref = put(segments)
    with pytest.raises(CorruptionError) as caught:
        segments.open(FileRef(NAME, ref.bytes, ref.crc32 ^ 1)).verify()
    assert caught.value.file == NAME


def test_a_database_is_filled_committed_and_read_by_many_threads_at_once(segments: SegmentStore) -> None:
    blob = segments.open(put_database(segments))
    blob.verify()
    together = threading.Barrier(3, timeout=10)
    found: list[tuple[int]] = []

    def count() -> None:
        with blob.database() as database:
            together.wait()
            found.extend(database.execute("SELECT count(*) FROM rows WHERE document LIKE 'document%'"))

    workers = [threading.Thread(target=count) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [(500,)] * 3


def test_a_committed_database_cannot_be_written(segments: SegmentStore) -> None:
    blob = segments.open(put_database(segments))
    with pytest.raises(ChromaError, match="readonly"), blob.database() as database:
        database.execute("DELETE FROM rows")
    with blob.database() as database:
        assert database.execute("SELECT count(*) FROM rows").fetchone() == (500,)


def test_a_database_without_tables_is_a_database(segments: SegmentStore) -> None:
    ref = segments.create_database(OTHER).commit()
    with segments.open(ref).database() as database:
        assert database.execute("SELECT count(*) FROM sqlite_schema").fetchone() == (0,)


def test_what_is_written_to_a_database_is_one_transaction_that_its_commit_ends(segments: SegmentStore) -> None:
    staged = segments.create_database(OTHER)
    staged.execute("CREATE TABLE rows (row)")
    staged.executemany("INSERT INTO rows VALUES (?)", ((number,) for number in range(3)))
    with pytest.raises(ChromaError, match="within a transaction"):
        staged.execute("BEGIN")
    assert list(staged.execute("SELECT row FROM rows")) == [(0,), (1,), (2,)]
    ref = staged.commit()
    with segments.open(ref).database() as database:
        assert list(database.execute("SELECT row FROM rows")) == [(0,), (1,), (2,)]


def test_a_finished_database_is_not_written_any_more(segments: SegmentStore) -> None:
    for finish in ("discard", "commit"):
        staged = segments.create_database(OTHER)
        getattr(staged, finish)()
        with pytest.raises(InternalError):
            staged.execute("CREATE TABLE rows (row)")
        with pytest.raises(InternalError):
            staged.executemany("INSERT INTO rows VALUES (?)", [])


@pytest.mark.parametrize("make", [ValueError, KeyError])
def test_what_fails_while_a_database_is_filled_fails_its_filler(segments: SegmentStore, make: type[Exception]) -> None:
    def rows() -> Iterator[tuple[int, str]]:
        yield 1, "one"
        raise make("no more")

    staged = segments.create_database(OTHER)
    staged.execute("CREATE TABLE rows (row, document)")
    with pytest.raises(make, match="no more"):
        staged.executemany("INSERT INTO rows VALUES (?, ?)", rows())
    staged.discard()
    assert segments.list() == []


def test_a_file_that_is_no_database_is_corruption_when_it_is_asked(segments: SegmentStore) -> None:
    with pytest.raises(CorruptionError) as caught, segments.open(put(segments)).database():
        pass
    assert caught.value.file == NAME


def test_a_damaged_database_is_corruption_that_names_the_file_whatever_is_asked(segments: SegmentStore, tmp_path: Path) -> None:
    path = tmp_path / "database"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE rows (row INTEGER PRIMARY KEY, document TEXT)")
        connection.executemany("INSERT INTO rows VALUES (?, ?)", [(n, f"document {n}" * 50) for n in range(500)])
        connection.commit()
        (page,) = connection.execute("PRAGMA page_size").fetchone()
    whole = path.read_bytes()
    blob = segments.open(put(segments, OTHER, whole[:page] + b"\xff" * (len(whole) - page)))
    for sql in ("SELECT * FROM rows", "SELECT document FROM rows WHERE row = 400", "SELECT count(*) FROM rows"):
        with pytest.raises(CorruptionError) as caught, blob.database() as database:
            list(database.execute(sql))
        assert caught.value.file == OTHER


@pytest.mark.parametrize("name", ["", "notes.txt", ".hidden", "../" + NAME, NAME + ".1.tmp", NAME.upper(), NAME[1:]])
def test_only_names_of_ours_are_made(segments: SegmentStore, name: str) -> None:
    for create in (segments.create, segments.create_database):
        with pytest.raises(InternalError, match="no name for a stored file"):
            create(name)
    assert segments.list() == []


def test_deleting_forgets_names_and_ignores_unknown_ones(segments: SegmentStore) -> None:
    ref = put(segments)
    put(segments, OTHER, b"kept")
    segments.delete([NAME, "f" * 32 + ".alive"])
    assert segments.list() == [OTHER]
    with pytest.raises(CorruptionError):
        segments.open(ref)
    segments.delete([NAME])


def test_an_opened_file_outlives_its_deletion_in_every_way_of_reading_it(segments: SegmentStore) -> None:
    blob, database = segments.open(put(segments)), segments.open(put_database(segments))
    segments.delete([NAME, OTHER])
    assert segments.list() == []
    assert blob.buffer() == CONTENT
    blob.verify()
    with database.database() as opened:
        assert opened.execute("SELECT count(*) FROM rows").fetchone() == (500,)
    with pytest.raises(CorruptionError):
        segments.open(blob.ref)


def test_what_is_said_to_be_mapped_is_and_nothing_else(segments: SegmentStore) -> None:
    refs = [put(segments, f"{number:032x}.vectors", bytes(size)) for number, size in enumerate((1, 4096, 127 * 1024, 128 * 1024, 1 << 20))]
    for ref in refs:
        assert segments.is_mapped(ref) == isinstance(segments.open(ref).buffer().obj, mmap.mmap)


def test_threads_may_use_the_store_at_once(segments: SegmentStore) -> None:
    names = [f"{number:032x}.columns" for number in range(24)]
    refs: list[FileRef] = []

    def work(mine: list[str]) -> None:
        for name in mine:
            refs.append(put(segments, name, name.encode() * 100))
            segments.list()

    workers = [threading.Thread(target=work, args=(names[start::4],)) for start in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert segments.list() == names
    for ref in refs:
        assert segments.open(ref).buffer() == ref.name.encode() * 100


def test_a_closed_store_takes_back_what_was_staged_and_says_that_it_is_closed(segments: SegmentStore) -> None:
    ref = put(segments)
    segments.create("f" * 32 + ".alive").write(b"x" * 100)
    segments.create_database(OTHER).execute("CREATE TABLE rows (row)")
    segments.close()
    segments.close()
    assert segments.list() == [NAME]
    refused: list[Callable[[], object]] = [lambda: segments.open(ref), lambda: segments.create("e" * 32 + ".alive")]
    for call in refused:
        with pytest.raises(ClosedError):
            call()
    assert issubclass(ClosedError, ChromaError)
