"""Metadata of records and collections: what is stored, what is refused and with which status. Statuses are the real server's."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_async.errors import ChromaError, InvalidArgumentError, UnprocessableError
from chroma_async.schema import record
from chroma_async.schema.metadata import check_collection_metadata, replace_collection_metadata
from chroma_async.schema.record import check_metadata
from chroma_async.schema.text import check_text, check_texts
from chroma_async.types import WriteKind

ADD, UPDATE, UPSERT = WriteKind.ADD, WriteKind.UPDATE, WriteKind.UPSERT


def sparse(**members: Any) -> dict[str, Any]:
    return {"#type": "sparse_vector", "indices": [1, 2], "values": [1.0, 2.0], **members}


def status(metadata: Any, kind: WriteKind) -> int:
    try:
        check_metadata(metadata, 0, kind)
    except ChromaError as error:
        return error.code()
    return 200


STORED = [
    ({"a": "x", "b": 1, "c": 1.5, "d": True}, {"a": "x", "b": 1, "c": 1.5, "d": True}),
    ({"a": ["x", "é"], "b": [1, 2]}, {"a": ["x", "é"], "b": [1, 2]}),
    ({"c": [0.5, 0.0], "d": [True, False]}, {"c": [0.5, 0.0], "d": [True, False]}),
    ({"a": [1.5, 2]}, {"a": [1.5, 2.0]}),
    ({"a": [1, 2.5]}, {"a": [1.0, 2.5]}),
    ({"a": 2**63 - 1, "b": -(2**63)}, {"a": 2**63 - 1, "b": -(2**63)}),
    ({"a": 2**63, "b": -(2**63) - 1}, {"a": 2.0**63, "b": -(2.0**63)}),
    ({"a": [1, 2**63]}, {"a": [1.0, 2.0**63]}),
    ({"a": 1e308}, {"a": 1e308}),
    ({" ": 1, "a#": 2, "é": 3, "a\x00b": 4, "chroma:x": 5}, {" ": 1, "a#": 2, "é": 3, "a\x00b": 4, "chroma:x": 5}),
    ({"k": sparse(), "n": 1}, {"k": sparse(), "n": 1}),
    ({"k": {"indices": [0, 2**32 - 1], "values": [1, -2]}}, {"k": sparse(indices=[0, 2**32 - 1], values=[1.0, -2.0])}),
    ({"k": sparse(tokens=["a", "b"])}, {"k": sparse(tokens=["a", "b"])}),
    ({"k": sparse(tokens=None, extra=1)}, {"k": sparse()}),
    ({"k": sparse(indices=[], values=[])}, {"k": sparse(indices=[], values=[])}),
    ({"k": sparse(values=[0.1, 1 / 3])}, {"k": sparse(values=[0.1, 0.33333334])}),
    ({}, None),
    (None, None),
]  # fmt: skip


@pytest.mark.parametrize("kind", list(WriteKind))
@pytest.mark.parametrize(("metadata", "expected"), STORED)
def test_the_metadata_is_stored_like_this(metadata: Any, expected: Any, kind: WriteKind) -> None:
    found = check_metadata(metadata, 0, kind)
    assert found == expected
    if expected:
        assert {key: _types(value) for key, value in (found or {}).items()} == {key: _types(value) for key, value in expected.items()}


def _types(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _types(member) for name, member in value.items()}
    return [type(element) for element in value] if isinstance(value, list) else type(value)


@pytest.mark.parametrize("value", [-0.0, [-0.0], sparse(indices=[1], values=[-0.0])])
def test_negative_zero_loses_its_sign(value: Any) -> None:
    found = check_metadata({"a": value}, 0, ADD)
    assert found is not None
    stored = found["a"]
    if isinstance(stored, dict):
        stored = stored["values"]
    number = stored[0] if isinstance(stored, list) else stored
    assert isinstance(number, float)
    assert math.copysign(1.0, number) == 1.0


def test_an_empty_list_is_dropped_by_add_and_removes_the_key_elsewhere() -> None:
    assert check_metadata({"a": [], "b": 1}, 0, ADD) == {"b": 1}
    assert check_metadata({"a": []}, 0, ADD) is None
    for kind in (UPDATE, UPSERT):
        assert check_metadata({"a": [], "b": 1}, 0, kind) == {"a": None, "b": 1}


def test_null_removes_a_key_of_an_existing_record_and_has_the_wrong_shape_for_a_new_one() -> None:
    assert status({"a": None}, ADD) == 422
    assert check_metadata({"a": None}, 0, UPDATE) == {"a": None}
    assert check_metadata({"a": None}, 0, UPSERT) == {"a": None}


REFUSED = [
    ({"k": {}}, 422), ({"k": {"b": 1}}, 422), ({"k": [1, "x"]}, 422), ({"k": [1, True]}, 422), ({"k": [1.5, True]}, 422),
    ({"k": [[1]]}, 422), ({"k": [None]}, 422), ({"k": [1, None]}, 422), ({"k": ["x", None]}, 422), ({"k": [{}]}, 422),
    (5, 422), ("x", 422), ([], 422), ({"": [None]}, 422),
    ({"": 1}, 400), ({"#a": 1}, 400), ({"$a": 1}, 400), ({"#document": 1}, 400), ({"chroma:document": "x"}, 400),
    ({"k": math.nan}, 400), ({"k": math.inf}, 400), ({"k": [1.0, -math.inf]}, 400), ({"k": 10**400}, 400),
    ({"k": "\ud800"}, 400), ({"k": ["a", "\udfff"]}, 400), ({"\ud800": 1}, 400), ({1: 1}, 400),
    ({"k": sparse(indices=[2, 1])}, 400), ({"k": sparse(indices=[1, 1])}, 400), ({"k": sparse(values=[])}, 400),
    ({"k": sparse(tokens=["a"])}, 400), ({"k": sparse(tokens=["a", "\ud800"])}, 400),
    ({"k": sparse(values=[1.0, 1e39])}, 400), ({"k": sparse(values=[1.0, math.nan])}, 400), ({"k": sparse(values=[1, 10**400])}, 400),
    ({"k": sparse(tokens=["a", 1])}, 422), ({"k": sparse(indices=[True, 2])}, 422), ({"k": sparse(values=[True, 1.0])}, 422),
    ({"k": [sparse()]}, 422),
    ({"k": sparse(indices=[-1, 1])}, 422), ({"k": sparse(indices=[1.5, 2])}, 422), ({"k": sparse(indices=[1, 2**32])}, 422),
    ({"k": sparse(values=["x", 1])}, 422), ({"k": {"#type": "sparse_vector"}}, 422), ({"k": sparse(**{"#type": "x"})}, 422),
]  # fmt: skip


@pytest.mark.parametrize("kind", list(WriteKind))
@pytest.mark.parametrize(("metadata", "expected"), REFUSED)
def test_the_metadata_is_refused_with_this_status(metadata: Any, expected: int, kind: WriteKind) -> None:
    assert status(metadata, kind) == expected


def test_errors_name_the_record_and_the_key() -> None:
    with pytest.raises(UnprocessableError, match=r"metadatas\[7\]\.year"):
        check_metadata({"year": {}}, 7, ADD)
    with pytest.raises(InvalidArgumentError, match="index 7"):
        check_metadata({"#year": 1}, 7, ADD)
    with pytest.raises(InvalidArgumentError, match=r"index 7.*'year'.*ascending"):
        check_metadata({"year": sparse(indices=[2, 1])}, 7, ADD)


def test_plain_metadata_is_not_copied() -> None:
    metadata = {"a": "é", "b": 0.0, "c": 1, "d": True, "e": ["x"]}
    assert check_metadata(metadata, 0, ADD) is metadata


def test_the_key_sets_that_are_remembered_stay_bounded() -> None:
    record._is_plain_key_set.cache_clear()
    for number in range(3 * record.KEY_SETS_MOST):
        check_metadata({f"key {number}": 1}, 0, ADD)
    check_metadata({f"key {number}": 1 for number in range(record.KEY_SET_MOST + 1)}, 0, ADD)
    remembered = record._is_plain_key_set.cache_info()
    assert remembered.currsize <= record.KEY_SETS_MOST
    assert remembered.misses == 3 * record.KEY_SETS_MOST


scalars = st.one_of(st.text(), st.integers(-(2**70), 2**70), st.floats(), st.booleans())
values = st.one_of(scalars, st.none(), st.lists(scalars, max_size=3), st.dictionaries(st.text(max_size=2), scalars, max_size=2))
texts = st.text(st.characters(codec=None), max_size=3)  # lone surrogates included


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.dictionaries(texts, st.one_of(values, texts), max_size=4), st.sampled_from(list(WriteKind)))
def test_the_short_way_and_the_long_way_agree(metadata: dict[str, Any], kind: WriteKind) -> None:
    def run(check: Any) -> Any:
        try:
            return repr(check(metadata, 0, kind))
        except ChromaError as error:
            return type(error)

    assert run(check_metadata) == run(record._normalised)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.dictionaries(texts, values, max_size=4), st.sampled_from(list(WriteKind)))
def test_what_passed_once_passes_again_unchanged(metadata: dict[str, Any], kind: WriteKind) -> None:
    try:
        once = check_metadata(metadata, 0, kind)
    except ChromaError:
        return
    assert repr(check_metadata(once, 0, kind)) == repr(once)


def test_text_with_a_lone_surrogate_is_refused_and_named() -> None:
    check_text("héllo \U0001f600", "id")
    check_texts(["a", None, "é"], "document")
    with pytest.raises(InvalidArgumentError, match="id"):
        check_text("a\ud800", "id")
    with pytest.raises(InvalidArgumentError, match="document at index 2"):
        check_texts(["a", None, "\ud800"], "document")


@pytest.mark.parametrize("metadata", [{"a": "x", "b": 1, "c": 1.5, "d": True}, {"chroma:document": "x"}, {"a b": 1}])
def test_scalars_are_kept_in_collection_metadata(metadata: dict[str, Any]) -> None:
    assert check_collection_metadata(metadata, "metadata") == metadata


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        (5, 422), ([], 422), ({"a": None}, 422), ({"a": {}}, 422), ({"a": [1, "x"]}, 422), ({"a": [None]}, 422), ({"": 1, "a": None}, 422),
        ({}, 400), ({"": 1}, 400), ({"#a": 1}, 400), ({"$a": 1}, 400), ({"a": [1]}, 400), ({"a": []}, 400), ({"a": sparse()}, 400),
        ({"a": math.nan}, 400), ({"a": "\ud800"}, 400),
    ],
)  # fmt: skip
def test_collection_metadata_is_refused_with_this_status(metadata: Any, expected: int) -> None:
    with pytest.raises(ChromaError) as refusal:
        check_collection_metadata(metadata, "metadata")
    assert refusal.value.code() == expected


def test_new_metadata_replaces_the_whole_map_and_drops_nulls() -> None:
    assert replace_collection_metadata({"x": 1}, None) == {"x": 1}
    assert replace_collection_metadata({"x": 1}, {"a": 1, "b": None}) == {"a": 1}
    assert replace_collection_metadata({"x": 1}, {"a": None}) is None
    assert replace_collection_metadata({"x": 1}, {"hnsw:foo": "any"}) == {"hnsw:foo": "any"}
    for refused in ({}, {"": None}, {"#a": 1}, {"a": [1]}):
        with pytest.raises(InvalidArgumentError, match="new_metadata"):
            replace_collection_metadata({"x": 1}, refused)
