"""Key discovery. (Against recorded answers of the real server: test_collection_settings.)"""

from __future__ import annotations

import copy
from typing import Any

from chroma_async.schema.collection_settings import create_settings
from chroma_async.schema.keys import KnownKeys, discover

PLAIN = create_settings(None, None, None, num_threads=2).schema


def test_new_keys_are_reported_with_all_their_types_and_lists_by_element() -> None:
    metadatas: list[Any] = [{"a": 1, "b": "x"}, None, {"a": 1.5, "c": [True], "d": []}, {"b": None, "chroma:x": 1}]
    assert KnownKeys(PLAIN).new(metadatas) == {"a": ["float", "int"], "b": ["string"], "c": ["bool"]}


def test_a_sparse_vector_is_discovered_as_one_and_its_index_stays_off() -> None:
    metadatas: list[Any] = [{"s": {"#type": "sparse_vector", "indices": [1], "values": [1.0]}}, {"s": "text"}]
    found = KnownKeys(PLAIN).new(metadatas)
    assert found == {"s": ["sparse_vector", "string"]}
    schema = discover(PLAIN, found)
    assert schema["keys"]["s"]["sparse_vector"] == PLAIN["defaults"]["sparse_vector"]
    assert schema["keys"]["s"]["sparse_vector"]["sparse_vector_index"]["enabled"] is False
    assert KnownKeys(schema).new(metadatas) == {}


def test_a_bool_is_not_an_int() -> None:
    known = KnownKeys(discover(PLAIN, {"a": ["int"]}))
    assert known.new([{"a": True}]) == {"a": ["bool"]}


def test_asking_does_not_learn_and_learning_ends_the_news() -> None:
    known = KnownKeys(PLAIN)
    found = known.new([{"a": 1}])
    assert known.new([{"a": 1}]) == found == {"a": ["int"]}
    known.learn(found)
    assert known.new([{"a": 1}]) == {}
    assert known.new([{"a": "x"}]) == {"a": ["string"]}


def test_what_was_discovered_is_known_when_the_schema_is_read_again() -> None:
    metadatas: list[Any] = [{"a": 1, "b": ["x"], "c": 1.5}]
    schema = discover(PLAIN, KnownKeys(PLAIN).new(metadatas))
    assert KnownKeys(schema).new(metadatas) == {}


def test_discovering_nothing_new_returns_the_schema_itself() -> None:
    schema = discover(PLAIN, {"a": ["int"]})
    assert discover(schema, {"a": ["int"]}) is schema
    assert discover(schema, {}) is schema


def test_discovering_never_touches_the_schema_it_was_given() -> None:
    before = copy.deepcopy(PLAIN)
    discover(PLAIN, {"a": ["int", "string"]})
    assert before == PLAIN


def test_a_discovered_key_is_copied_from_the_defaults_and_never_overwritten() -> None:
    off = {"enabled": False, "config": {}}
    given = {"defaults": {"int": {"int_inverted_index": off}}, "keys": {"a": {"string": {"string_inverted_index": off}}}}
    schema = discover(create_settings(None, None, given, num_threads=2).schema, {"a": ["int", "string"], "b": ["int"]})
    assert schema["keys"]["a"] == {"string": {"string_inverted_index": off}, "int": {"int_inverted_index": off}}
    assert schema["keys"]["b"] == {"int": {"int_inverted_index": off}}
