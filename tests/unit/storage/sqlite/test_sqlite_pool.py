"""The pool of read-only connections: bounded, and nothing of a file that is gone stays open."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from chroma_async.errors import CorruptionError
from chroma_async.storage.memory.segments import MemorySegmentStore
from chroma_async.storage.sqlite.sqlite_pool import SqlitePool


@pytest.fixture
def pool() -> Iterator[SqlitePool]:
    pool = SqlitePool(2)
    yield pool
    pool.close()


def connect() -> sqlite3.Connection:
    return sqlite3.connect(":memory:", check_same_thread=False)


def used(pool: SqlitePool, file: str) -> sqlite3.Connection:
    with pool.use(file, connect) as connection:
        return connection


def is_closed(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except sqlite3.ProgrammingError:
        return True
    return False


def test_connections_are_bounded_and_the_oldest_go_first(pool: SqlitePool) -> None:
    seen = [used(pool, str(number)) for number in range(4)]
    assert [is_closed(connection) for connection in seen] == [True, True, False, False]
    assert used(pool, "3") is seen[3]
    assert used(pool, "0") is not seen[0]
    pool.forget("3")
    assert used(pool, "3") is not seen[3]


def test_a_connection_that_is_given_back_to_a_closed_pool_is_closed(pool: SqlitePool) -> None:
    idle = used(pool, "a")
    pool.close()
    assert is_closed(idle)
    assert is_closed(used(pool, "a"))


def test_two_users_of_a_file_have_a_connection_each(pool: SqlitePool) -> None:
    with pool.use("a", connect) as first, pool.use("a", connect) as second:
        assert first is not second
    assert used(pool, "a") in (first, second)


def test_a_file_may_be_forgotten_while_the_pool_is_locked(pool: SqlitePool) -> None:
    """As the garbage collector does, from within the pool's own critical section."""
    first = used(pool, "a")
    with pool._lock:
        pool.forget("a")
    # It was idle when it was forgotten and is closed when the pool is used next; a later reader opens another.
    assert used(pool, "a") is first
    pool.forget("a")
    assert used(pool, "a") is not first


def test_a_connection_in_use_when_something_went_wrong_is_not_used_again(pool: SqlitePool) -> None:
    with pytest.raises(ZeroDivisionError), pool.use("a", connect) as connection:
        raise ZeroDivisionError
    assert is_closed(connection)
    assert used(pool, "a") is not connection


def test_what_sqlite_finds_damaged_is_corruption_that_names_the_file(pool: SqlitePool, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"no database, but long enough to be asked for one" * 100)
    with pytest.raises(CorruptionError) as caught, pool.use("a", lambda: sqlite3.connect(tmp_path / "file")) as connection:
        connection.execute("SELECT 1 FROM rows")
    assert caught.value.file == "a"


def test_the_connections_to_a_file_are_closed_when_its_last_reader_is_gone(pool: SqlitePool) -> None:
    store = MemorySegmentStore(pool)
    blob = store.open(store.create_database("0" * 32 + ".documents").commit())
    with blob.database() as database:
        pass
    assert isinstance(database, sqlite3.Connection)
    assert not is_closed(database)
    del blob
    gc.collect()
    assert is_closed(database)
