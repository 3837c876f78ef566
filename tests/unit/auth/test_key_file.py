from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from chroma_async.auth.caller import Caller
from chroma_async.auth.key_file import INITIAL_TOKEN, KEYS, make_initial_key, read_keys, write_keys
from chroma_async.auth.keys import INITIAL, Keys, make_key


def test_keys_are_read_as_they_were_written(tmp_path: Path) -> None:
    keys = [make_key(Caller("ann", "reader", "acme", ("a", "b")), 1.5, expires_s=9.0)[0], make_key(Caller("bob"), 2.0)[0]]
    write_keys(tmp_path, keys)
    assert read_keys(tmp_path) == tuple(keys)


@pytest.mark.parametrize("place", ["", "missing", "file/below"])
def test_a_directory_without_keys_has_none(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    assert read_keys(tmp_path / place) == ()


def test_both_files_are_open_to_their_owner_alone_and_hold_no_secret_but_the_one_for_people(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_initial_key(tmp_path, 5.0)
    finally:
        os.umask(before)
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()} == {KEYS: 0o600, INITIAL_TOKEN: 0o600}
    token = (tmp_path / INITIAL_TOKEN).read_text().strip()
    assert token not in (tmp_path / KEYS).read_text()
    assert Keys(read_keys(tmp_path), lambda: 6.0).caller(token) == Caller(INITIAL)


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"format": 1}', '{"format": 1, "keys": [{}]}', '{"format": 1, "keys": 5}', '{"format": 2, "keys": []}', "\xff"],
)
def test_a_file_that_cannot_be_read_is_not_taken_for_one_without_keys(tmp_path: Path, content: str) -> None:
    (tmp_path / KEYS).write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match=r"keys\.json"):
        read_keys(tmp_path)


def test_keys_that_cannot_be_written_stay_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_keys(tmp_path, [make_key(Caller("ann"), 1.0)[0]])
    before = (tmp_path / KEYS).read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_keys(tmp_path, [])
    assert (tmp_path / KEYS).read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [KEYS]


def test_what_a_crash_left_half_done_is_begun_anew_by_the_next_start(tmp_path: Path) -> None:
    (tmp_path / INITIAL_TOKEN).write_text("chroma_initial_of-no-key\n")
    (tmp_path / f"{KEYS}.new").write_text("{")
    make_initial_key(tmp_path, 1.0)
    token = (tmp_path / INITIAL_TOKEN).read_text().strip()
    assert Keys(read_keys(tmp_path), lambda: 2.0).caller(token) is not None
    assert json.loads((tmp_path / KEYS).read_text())["format"] == 1
