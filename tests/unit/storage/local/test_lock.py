"""The lock on a data directory."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chroma_async.errors import FencedError, ForeignDirectoryError, LockedError, StoreError
from chroma_async.storage.filesystem import FileSystem
from chroma_async.storage.local.lock import FORMAT, FORMAT_TEMPORARY, LOCK, LocalLease
from chroma_async.threads import Threads

#: Takes the directory in argv, says so, and holds it until its input ends.
HOLDER = """
import asyncio, os, signal, sys
from pathlib import Path
from chroma_async.storage.filesystem import FileSystem
from chroma_async.storage.local.lock import LocalLease
from chroma_async.threads import Threads

async def main():
    threads = Threads(1)
    lease = LocalLease(Path(sys.argv[1]), threads, FileSystem(), lambda: 5)
    await lease.acquire()
    if "fork" in sys.argv and os.fork():
        signal.pause()
    print("held", flush=True)
    sys.stdin.read()
    os._exit(0)

asyncio.run(main())
"""


@pytest.fixture
async def threads() -> AsyncIterator[Threads]:
    threads = Threads(1)
    yield threads
    await threads.aclose()


def lease(directory: Path, threads: Threads, files: FileSystem | None = None) -> LocalLease:
    return LocalLease(directory, threads, files or FileSystem(), lambda: 1_000)


def look(directory: Path) -> tuple[int, list[str]]:
    """When the directory last changed, and what it holds."""
    return directory.stat().st_mtime_ns, sorted(os.listdir(directory))


def reap(child: int) -> None:
    """Wait for a forked child."""
    os.waitpid(child, 0)


def held_by_child(directory: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLDER, str(directory), *options]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    return child


async def test_another_processs_lock_is_an_error_that_names_it_and_the_way_out(tmp_path: Path, threads: Threads) -> None:
    with held_by_child(tmp_path / "store") as child:
        with pytest.raises(LockedError) as caught:
            await lease(tmp_path / "store", threads).acquire()
        child.kill()
    assert caught.value.pid == child.pid
    for part in (str(child.pid), str(tmp_path / "store"), "run the server", "AsyncHttpClient"):
        assert part in caught.value.message()


async def test_a_killed_owner_leaves_the_directory_free(tmp_path: Path, threads: Threads) -> None:
    with held_by_child(tmp_path / "store") as child:
        child.kill()
        child.wait()
    successor = lease(tmp_path / "store", threads)
    await successor.acquire()
    successor.check()
    assert successor.epoch == 2
    await successor.release()


async def test_the_same_process_cannot_take_a_directory_twice_also_by_another_path(tmp_path: Path, threads: Threads) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "store")
    first = lease(tmp_path / "store", threads)
    await first.acquire()
    for path in (tmp_path / "store", tmp_path / "link"):
        with pytest.raises(LockedError, match="this process") as caught:
            await lease(path, threads).acquire()
        assert caught.value.pid == os.getpid()
    first.check()
    await first.release()
    second = lease(tmp_path / "link", threads)
    await second.acquire()
    await second.release()


async def test_each_opening_has_a_higher_epoch(tmp_path: Path, threads: Threads) -> None:
    epochs = []
    for _ in range(3):
        each = lease(tmp_path / "store", threads)
        await each.acquire()
        epochs.append(each.epoch)
        await each.release()
    assert epochs == [1, 2, 3]
    assert (tmp_path / "store" / FORMAT).read_text() == "chroma_async\nformat 1\nepoch 3\n"
    owner = json.loads((tmp_path / "store" / LOCK).read_text())
    assert owner["pid"] == os.getpid()
    assert owner["started_ns"] == 1_000


@pytest.mark.parametrize("name", ["chroma.sqlite3", "photo.jpg", ".hidden"])
async def test_a_directory_of_another_program_is_refused_and_not_touched(tmp_path: Path, threads: Threads, name: str) -> None:
    (tmp_path / name).write_text("theirs")
    before = look(tmp_path)
    refused = lease(tmp_path, threads)
    with pytest.raises(ForeignDirectoryError, match="nothing in it was touched") as caught:
        await refused.acquire()
    assert look(tmp_path) == before
    assert "--path" in caught.value.message()
    with pytest.raises(FencedError):
        refused.check()
    await refused.release()


async def test_a_directory_of_chroma_itself_is_recognised_and_the_way_over_is_told(tmp_path: Path, threads: Threads) -> None:
    (tmp_path / "chroma.sqlite3").touch()
    with pytest.raises(ForeignDirectoryError, match=r"Chroma itself.*copy the collections over with a client"):
        await lease(tmp_path, threads).acquire()


async def test_a_file_in_place_of_the_directory_is_refused(tmp_path: Path, threads: Threads) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ForeignDirectoryError, match="not a directory"):
        await lease(tmp_path / "file", threads).acquire()


@pytest.mark.parametrize("text", ["", "something else\n", "chroma_async\nformat x\nepoch 1\n", "chroma_async\nformat 1\n", "\xff"])
async def test_a_marker_that_is_not_ours_is_refused_and_kept(tmp_path: Path, threads: Threads, text: str) -> None:
    (tmp_path / FORMAT).write_text(text, "latin-1")
    with pytest.raises(ForeignDirectoryError, match="not a marker"):
        await lease(tmp_path, threads).acquire()
    assert os.listdir(tmp_path) == [FORMAT]


async def test_a_newer_format_is_refused_with_both_versions_whatever_else_it_says(tmp_path: Path, threads: Threads) -> None:
    (tmp_path / FORMAT).write_text("chroma_async\nformat 7\nepoch 3\nshape new\n")
    with pytest.raises(StoreError, match=r"format 7.*up to 1"):
        await lease(tmp_path, threads).acquire()
    assert os.listdir(tmp_path) == [FORMAT]


async def test_a_first_opening_that_was_cut_short_can_be_repeated(tmp_path: Path, threads: Threads) -> None:
    for name in (LOCK, FORMAT_TEMPORARY):
        (tmp_path / name).touch()
    (tmp_path / "lost+found").mkdir()
    each = lease(tmp_path, threads)
    await each.acquire()
    assert each.epoch == 1
    await each.release()


@pytest.mark.parametrize("name", [LOCK, FORMAT_TEMPORARY])
@pytest.mark.parametrize("content", [b"theirs", b'{"pid": 7, "name": "a browser"}'[:3] + b"x", b"\0\0x"])
async def test_a_file_of_our_name_that_somebody_else_made_is_refused_and_not_touched(
    tmp_path: Path, threads: Threads, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    before = look(tmp_path)
    with pytest.raises(ForeignDirectoryError, match="nothing was touched"):
        await lease(tmp_path, threads).acquire()
    assert look(tmp_path) == before


@pytest.mark.parametrize("name", [LOCK, FORMAT, FORMAT_TEMPORARY])
@pytest.mark.parametrize("ours", [False, True], ids=["in a new directory", "in one of ours"])
async def test_a_link_or_a_directory_in_the_place_of_a_file_of_ours_is_refused_and_followed_nowhere(
    tmp_path: Path, threads: Threads, name: str, ours: bool
) -> None:
    directory, precious = tmp_path / "data", tmp_path / "precious"
    directory.mkdir()
    if ours:
        each = lease(directory, threads)
        await each.acquire()
        await each.release()
        (directory / name).unlink(missing_ok=True)
    precious.write_text("precious")
    for make in (lambda: (directory / name).symlink_to(precious), lambda: (directory / name).mkdir()):
        make()
        with pytest.raises(ForeignDirectoryError, match="no file that chroma_async made"):
            await lease(directory, threads).acquire()
        assert precious.read_text() == "precious"
        assert (directory / name).is_symlink() or (directory / name).is_dir()
        if (directory / name).is_symlink():
            (directory / name).unlink()


@pytest.mark.parametrize("content", [b"", b'{"pid"', b'{"pid": 77, "host": "h", "started_ns": 1}\n', b"\0" * 40])
async def test_what_a_cut_opening_left_in_the_lock_file_is_written_over(tmp_path: Path, threads: Threads, content: bytes) -> None:
    (tmp_path / LOCK).write_bytes(content)
    each = lease(tmp_path, threads)
    await each.acquire()
    await each.release()


async def test_an_owner_whose_descriptors_were_closed_under_it_is_fenced_and_lets_go(tmp_path: Path, threads: Threads) -> None:
    each = lease(tmp_path, threads)
    await each.acquire()
    assert each._descriptor is not None
    os.close(each._descriptor)
    with pytest.raises(FencedError, match="closed by this program"):
        each.check()
    await each.release()
    again = lease(tmp_path, threads)
    await again.acquire()
    await again.release()


async def test_a_directory_that_cannot_be_marked_is_let_go(tmp_path: Path, threads: Threads) -> None:
    class NoRename(FileSystem):
        def rename(self, source: Path, target: Path) -> None:
            raise OSError(30, "Read-only file system")

    with pytest.raises(StoreError, match="Read-only file system"):
        await lease(tmp_path, threads, NoRename()).acquire()
    each = lease(tmp_path, threads)
    await each.acquire()
    await each.release()


async def test_removing_the_lock_file_fences_its_owner(tmp_path: Path, threads: Threads) -> None:
    each = lease(tmp_path, threads)
    await each.acquire()
    (tmp_path / LOCK).unlink()
    with pytest.raises(FencedError):
        each.check()
    await each.release()


async def test_a_cancelled_acquire_leaves_the_directory_free(tmp_path: Path, threads: Threads) -> None:
    for turns in range(4):
        cancelled = lease(tmp_path, threads)
        task = asyncio.ensure_future(cancelled.acquire())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await cancelled.release()
        each = lease(tmp_path, threads)
        await each.acquire()
        await each.release()


async def test_a_released_directory_is_free_although_a_child_lives_on(tmp_path: Path, threads: Threads) -> None:
    first = lease(tmp_path, threads)
    await first.acquire()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(reading, 1)
        os._exit(0)
    try:
        await first.release()
        second = lease(tmp_path, threads)
        await second.acquire()
        await second.release()
    finally:
        os.write(writing, b"x")
        reap(child)
        os.close(reading)
        os.close(writing)


async def test_a_killed_owners_directory_is_free_although_its_child_lives_on(tmp_path: Path, threads: Threads) -> None:
    with held_by_child(tmp_path, "fork") as owner:
        owner.kill()
        owner.wait()
        each = lease(tmp_path, threads)
        await each.acquire()
        await each.release()


async def test_a_childs_release_leaves_the_parents_lock_alone(tmp_path: Path, threads: Threads) -> None:
    first = lease(tmp_path, threads)
    await first.acquire()
    child = os.fork()
    if child == 0:
        # Without a loop: in a child, release does nothing and so never waits.
        try:
            first.release().send(None)
        finally:
            os._exit(0)
    reap(child)
    with pytest.raises(LockedError):
        await lease(tmp_path, threads).acquire()
    await first.release()
