"""Metadata as callers pass it: what a client takes, in plain values, and what it refuses."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
import pytest

from chroma_async.client.metadata import check_collection_metadata, check_metadata, check_metadatas
from chroma_async.errors import ValidationError


class Colour(StrEnum):
    RED = "red"


def test_metadata_values_become_plain() -> None:
    checked = check_metadata({"a": Colour.RED, "b": np.float64(1.5), "c": True, "d": 2**70, "e": None, "f": [1, 2], "g": 3})
    assert checked == {"a": "red", "b": 1.5, "c": True, "d": float(2**70), "e": None, "f": [1, 2], "g": 3}
    assert checked is not None
    assert [type(value) for value in checked.values()] == [str, float, bool, float, type(None), list, int]


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        "x",
        [],
        {"chroma:document": "x"},
        pytest.param({"a": object()}, id="an object"),
        {"a": {"b": 1}},
        {"a": []},
        {"a": [1, "x"]},
        {"a": [1, 1.5]},
        {"a": [None]},
        {"a": [[1]]},
        {"a": float("nan")},
        {"a": float("-inf")},
        {"a": [float("nan")]},
        {"a": 10**400},
        {"a": "\ud800"},
        {"\ud800": 1},
        {"a": np.int64(1)},
        {"a": (1, 2)},
    ],
    ids=lambda value: repr(value)[:40],
)
def test_metadata_that_cannot_be_stored_is_refused(metadata: Any) -> None:
    with pytest.raises(ValidationError, match="metadata"):
        check_metadata(metadata)


def test_metadata_keys_of_another_type_are_a_type_error() -> None:
    with pytest.raises(TypeError, match="key"):
        check_metadata({1: "x"})
    with pytest.raises(TypeError, match="key"):
        check_collection_metadata({1: "x"})


def test_metadatas_may_be_one_dict_or_hold_none() -> None:
    assert check_metadatas({"a": 1}) == [{"a": 1}]
    assert check_metadatas([None, {"a": 1}]) == [None, {"a": 1}]
    with pytest.raises(ValidationError):
        check_metadatas([])


def test_collection_metadata_holds_scalars_only() -> None:
    assert check_collection_metadata(None) is None
    assert check_collection_metadata({"a": "x", "b": 1, "c": 1.5, "d": False}) == {"a": "x", "b": 1, "c": 1.5, "d": False}
    assert check_collection_metadata({"a": None}, removing=True) == {"a": None}
    for bad in ({}, {"a": None}, {"a": [1]}, [], "x"):
        with pytest.raises(ValidationError):
            check_collection_metadata(bad)
