"""A data directory of format version 1 is opened by today's code, and answers every question as it did."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chroma_async.config.settings import Settings
from chroma_async.format.names import KINDS
from tests.data import store_v1
from tests.data.store_v1 import ANSWERS, DIRECTORY, SETTINGS, answers, build, opened_copy, questions

RECORDED = json.loads(ANSWERS.read_text("utf-8"))
DERIVED = ("graph", "trigrams")
#: Arithmetic in float32 may round the last digit differently on another processor.
TOLERANCE = 1e-5


def differences(found: Any, recorded: Any, at: str = "") -> Iterator[str]:
    """Where two answers differ, numbers with a decimal point aside that are nearly equal."""
    if isinstance(found, dict) and isinstance(recorded, dict) and found.keys() == recorded.keys():
        for name, value in found.items():
            yield from differences(value, recorded[name], f"{at}.{name}")
    elif isinstance(found, list) and isinstance(recorded, list) and len(found) == len(recorded):
        for index, (one, other) in enumerate(zip(found, recorded, strict=True)):
            yield from differences(one, other, f"{at}[{index}]")
    elif isinstance(found, float) and isinstance(recorded, float):
        if abs(found - recorded) > TOLERANCE * max(1.0, abs(recorded)):
            yield f"{at}: {found!r} was {recorded!r}"
    elif found != recorded or type(found) is not type(recorded):
        yield f"{at}: {found!r:.200} was {recorded!r:.200}"


def assert_recorded(found: list[Any]) -> None:
    assert len(found) == len(RECORDED) == len(questions())
    wrong = [
        f"{method} {path} {json.dumps(body):.200}: {difference}"
        for (method, path, body), answer, recorded in zip(questions(), found, RECORDED, strict=True)
        for difference in differences(answer, recorded)
    ]
    assert not wrong, "\n".join(wrong[:10])


@pytest.mark.parametrize("settings", [Settings(query_threads=2), SETTINGS], ids=["default settings", "small settings"])
async def test_a_directory_of_version_1_answers_as_it_did(tmp_path: Path, settings: Settings) -> None:
    async with opened_copy(tmp_path / "store", settings) as store:
        assert_recorded(await answers(store))


async def test_it_answers_as_it_did_without_its_graphs_and_trigram_indexes(tmp_path: Path) -> None:
    without = [path.name for path in (DIRECTORY / "segments").iterdir() if path.suffix[1:] not in DERIVED]
    async with opened_copy(tmp_path / "store", only=without) as store:
        assert_recorded(await answers(store))


async def test_it_answers_as_it_did_once_today_s_code_has_rewritten_it(tmp_path: Path) -> None:
    async with opened_copy(tmp_path / "store") as store:
        await store.compact()
        assert_recorded(await answers(store))
        assert [finding async for finding in store.api.check() if finding.level != "ok"] == []


async def test_no_damage_is_found_in_it(tmp_path: Path) -> None:
    async with opened_copy(tmp_path / "store", automatic=False) as store:
        assert [finding async for finding in store.api.check() if finding.level != "ok"] == []


async def test_a_store_that_is_made_today_as_it_was_made_answers_the_same(tmp_path: Path) -> None:
    await build(tmp_path / "made")
    async with store_v1.Store.open(tmp_path / "made") as store:
        assert_recorded(await answers(store))


def test_it_holds_every_kind_of_file_and_every_state_that_a_crash_can_meet() -> None:
    files = [path for path in DIRECTORY.rglob("*") if path.is_file()]
    assert {path.suffix[1:] for path in files if path.parent.name == "segments"} == set(KINDS)
    assert (DIRECTORY / "FORMAT").read_text("ascii").startswith("chroma_async\nformat 1\n")
    with closing(sqlite3.connect(f"file:{DIRECTORY / 'catalog.sqlite'}?mode=ro&immutable=1", uri=True)) as catalog:
        for table in ("tenants", "databases", "collections", "manifests", "files", "aliases", "tails", "attached_functions"):
            assert catalog.execute(f"SELECT count(*) FROM {table}").fetchone()[0] > 0, table
    with closing(sqlite3.connect(f"file:{DIRECTORY / 'log.sqlite'}?mode=ro&immutable=1", uri=True)) as log:
        assert log.execute("SELECT count(*), count(facts) FROM entries").fetchone() > (5, 1)


def test_it_says_what_was_deleted_what_has_ended_and_what_was_never_flushed() -> None:
    asked = {(method, path, json.dumps(body)): answer for (method, path, body), answer in zip(questions(), RECORDED, strict=True)}
    (articles,) = (answer for (_, path, body), answer in asked.items() if path == "/collections/{articles}/get" and '"embeddings"' in body)
    assert {"a5", "a150", "a41", "a301", "ended"}.isdisjoint(articles["ids"])
    assert {"ending", "a400", "a7", "a319"} <= set(articles["ids"])
    assert articles["ids"].index("a7") > articles["ids"].index("a401"), "deleted and added again: the last one"
    assert articles["ids"].index("a40") < articles["ids"].index("a42"), "an upsert keeps its place"


def test_the_stored_answers_and_files_are_small() -> None:
    assert sum(path.stat().st_size for path in DIRECTORY.parent.rglob("*") if path.is_file()) < 1_000_000


def test_a_wrong_answer_would_be_seen() -> None:
    assert list(differences({"ids": ["a"], "d": [1.0]}, {"ids": ["a"], "d": [1.0000001]})) == []
    assert list(differences({"ids": ["a"]}, {"ids": ["b"]})) == [".ids[0]: 'a' was 'b'"]
    assert list(differences([1], [1.0]))
    assert list(differences([1.0], [1.1]))
    assert list(differences([], [1]))
