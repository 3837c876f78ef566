"""Ids and strings in columns of bytes: what goes in comes out, and is found."""

from __future__ import annotations

import io
from hashlib import blake2b

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_async.errors import CorruptionError
from chroma_async.format import ids as ids_module
from chroma_async.format import strings as strings_module
from chroma_async.format.frame import Frame, FrameWriter
from chroma_async.format.ids import Ids, hash_ids
from chroma_async.format.strings import Strings

exactly = settings(deadline=None, derandomize=True, max_examples=150)
texts = st.text(st.characters(codec="utf-8"), max_size=12)
tied_texts = st.builds(lambda prefix, rest: prefix + rest, st.sampled_from(["", "x" * 7, "x" * 8, "https://example.org/" * 8]), texts)


@exactly
@given(st.lists(texts), st.data())
def test_strings_come_back_in_any_order(strings: list[str], data: st.DataObject) -> None:
    stored = Strings.build(strings)
    assert stored.to_list() == strings
    assert len(stored) == len(strings)
    rows = data.draw(st.lists(st.integers(0, len(strings) - 1))) if strings else []
    assert stored.take(rows) == [strings[row] for row in rows]
    assert stored.select(rows).to_list() == [strings[row] for row in rows]
    assert [stored[row] for row in rows] == [strings[row] for row in rows]


@exactly
@given(st.lists(st.lists(texts), max_size=4))
def test_strings_of_several_parts_join(parts: list[list[str]]) -> None:
    joined = Strings.concat([Strings.build(part) for part in parts])
    assert joined.to_list() == [string for part in parts for string in part]


@exactly
@given(st.lists(tied_texts))
def test_ranks_order_strings_as_sorting_does(strings: list[str]) -> None:
    distinct = sorted(set(strings))
    assert Strings.build(strings).ranks().tolist() == [distinct.index(string) for string in strings]


@pytest.mark.parametrize("strings", [["a\0", "a", "a\0\0", "a", ""], ["a" * 8, "a" * 8 + "\0", "a" * 7], ["é", "e", "ﬀ", "😀", "\uffff"]])
def test_ranks_tell_a_string_from_one_that_goes_on_with_nul(strings: list[str]) -> None:
    distinct = sorted(set(strings))
    assert Strings.build(strings).ranks().tolist() == [distinct.index(string) for string in strings]


@exactly
@given(st.sets(tied_texts), tied_texts)
def test_a_string_is_found_among_sorted_ones_by_bisection(strings: set[str], probe: str) -> None:
    ordered = sorted(strings)
    stored = Strings.build(ordered)
    for string in [*ordered, probe]:
        assert stored.find_sorted(string) == (ordered.index(string) if string in strings else -1)


def test_selecting_moves_more_bytes_than_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strings_module, "_BLOCK_BYTES", 10)
    strings = ["", "a" * 25, "bc", "d" * 9, "", "e" * 11, ""]
    rows = [6, 5, 1, 1, 0, 3, 2, 4]
    assert Strings.build(strings).select(rows).to_list() == [strings[row] for row in rows]


def test_lone_surrogates_are_refused() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        Strings.build(["\ud800"])
    with pytest.raises(ValueError, match="surrogates"):
        Ids.build(["\ud800"])


def test_the_hash_is_the_documented_one() -> None:
    assert hash_ids(["naïve"]).tolist() == [int.from_bytes(blake2b("naïve".encode(), digest_size=8).digest(), "little")]


@exactly
@given(st.lists(st.tuples(st.sampled_from("abcdefg"), st.booleans()), max_size=30), st.lists(st.sampled_from("abcdefghij")))
def test_an_id_is_found_at_its_newest_living_row(rows: list[tuple[str, bool]], asked: list[str]) -> None:
    ids = Ids.build([id for id, _ in rows])
    alive = np.array([living for _, living in rows], np.bool_)
    newest = {id: row for row, (id, living) in enumerate(rows) if living}
    assert ids.find(asked, alive).tolist() == [newest.get(id, -1) for id in asked]
    newest = {id: row for row, (id, _) in enumerate(rows)}
    assert ids.find(asked, None).tolist() == [newest.get(id, -1) for id in asked]
    assert ids.find(asked, hashes=hash_ids(asked)).tolist() == [newest.get(id, -1) for id in asked]


def test_equal_hashes_do_not_make_equal_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    def collide(ids: list[str]) -> ids_module.Hashes:
        return np.array([len(id) for id in ids], np.uint64)

    monkeypatch.setattr(ids_module, "hash_ids", collide)
    ids = Ids.build(["aa", "bb", "c", "aa", "dd"])
    assert ids.find(["bb", "aa", "ee", "c", "ccc"], None).tolist() == [1, 3, -1, 2, -1]
    assert ids.find(["aa"], np.array([True, True, True, False, True])).tolist() == [0]


@exactly
@given(st.lists(st.lists(texts, max_size=8), max_size=4), st.data())
def test_ids_of_several_parts_join_and_reorder(parts: list[list[str]], data: st.DataObject) -> None:
    joined = Ids.concat([Ids.build(part) for part in parts])
    flat = [id for part in parts for id in part]
    assert joined.take(np.arange(len(flat))) == flat
    assert np.array_equal(joined.find(flat), Ids.build(flat).find(flat))
    rows = data.draw(st.lists(st.integers(0, len(flat) - 1))) if flat else []
    selected = joined.select(rows)
    picked = [flat[row] for row in rows]
    assert [selected[row] for row in range(len(selected))] == picked
    assert np.array_equal(selected.find(picked), Ids.build(picked).find(picked))


def stored(ids: Ids) -> bytes:
    sink = io.BytesIO()
    writer = FrameWriter(sink, "ids")
    for name, array in ids.sections("ids.").items():
        writer.section(name, array)
    writer.finish()
    return sink.getvalue()


@pytest.mark.parametrize("ids", [[], [""], ["b", "a", "ü", "b"]])
def test_ids_open_from_a_frame(ids: list[str]) -> None:
    opened = Ids.open(Frame.open(memoryview(stored(Ids.build(ids))), "ids", "f"), "ids.")
    assert opened.take(np.arange(len(ids))) == ids
    assert opened.find([*ids, "absent"]).tolist() == [*Ids.build(ids).find(ids).tolist(), -1]


def test_sections_that_do_not_fit_each_other_are_corruption() -> None:
    short, long = Ids.build(["a"]), Ids.build(["a", "b"])
    for mixed in (
        Ids(short.strings, long.hashes, long.rows),
        Ids(Strings(long.strings.blob, short.strings.offsets), short.hashes, short.rows),
    ):
        with pytest.raises(CorruptionError):
            Ids.open(Frame.open(memoryview(stored(mixed)), "ids", "f"), "ids.")


def test_a_long_tuple_of_ids_is_found_like_a_list() -> None:
    ids = [f"id {number}" for number in range(3000)]
    held = Ids.build(ids[:2000])
    expected = [*range(2000), *[-1] * 1000]
    assert held.find(tuple(ids)).tolist() == expected
    assert held.find(tuple(ids)).tolist() == held.find(ids).tolist()
