"""What the engine reads out of stored settings, and legacy metadata. (The wire's side is in test_collection_settings.)"""

from __future__ import annotations

from typing import Any

import pytest

from chroma_async.errors import InvalidArgumentError
from chroma_async.schema.collection_settings import create_settings, update_settings
from chroma_async.schema.configuration import configuration_json
from chroma_async.schema.hnsw import HnswOptions
from chroma_async.types import Space


def stored(configuration: Any = None, metadata: Any = None, schema: Any = None) -> dict[str, Any]:
    return create_settings(metadata, configuration, schema, num_threads=3).schema


def test_options_are_read_back_from_the_stored_schema() -> None:
    assert HnswOptions.from_schema(stored()) == HnswOptions(
        space=Space.L2,
        ef_construction=100,
        ef_search=100,
        max_neighbors=16,
        num_threads=3,
        batch_size=100,
        sync_threshold=1000,
        resize_factor=1.2,
    )


def test_options_come_from_the_embedding_key_not_from_the_defaults() -> None:
    def vector(enabled: bool, space: str) -> dict[str, Any]:
        return {"float_list": {"vector_index": {"enabled": enabled, "config": {"space": space}}}}

    schema = stored(schema={"defaults": vector(False, "ip"), "keys": {"#embedding": vector(True, "cosine")}})
    assert HnswOptions.from_schema(schema).space is Space.COSINE


@pytest.mark.parametrize(
    ("configuration", "explicit"),
    [
        (None, set()),
        ({"hnsw": {"ef_search": 100, "max_neighbors": 16}}, set()),
        ({"hnsw": {"ef_search": 101}}, {"ef_search"}),
        ({"hnsw": {"max_neighbors": 40, "space": "ip"}}, {"max_neighbors", "space"}),
        ({"hnsw": {"num_threads": 77}}, set()),
    ],
)
def test_an_option_is_explicit_when_it_differs_from_the_default(configuration: Any, explicit: set[str]) -> None:
    assert HnswOptions.from_schema(stored(configuration)).explicit == explicit


def test_a_modification_makes_an_option_explicit() -> None:
    _, schema = update_settings(stored(), {"hnsw": {"ef_search": 250}})
    options = HnswOptions.from_schema(schema)
    assert (options.ef_search, options.explicit) == (250, {"ef_search"})


def test_legacy_metadata_sets_the_options() -> None:
    metadata = {"hnsw:space": "cosine", "hnsw:M": 5, "hnsw:search_ef": 6, "hnsw:construction_ef": 7, "hnsw:resize_factor": 2}
    options = HnswOptions.from_schema(stored(metadata=metadata))
    assert (options.space, options.max_neighbors, options.ef_search, options.ef_construction) == (Space.COSINE, 5, 6, 7)
    assert options.resize_factor == 2.0


def test_legacy_metadata_loses_against_a_configuration_that_says_something() -> None:
    options = HnswOptions.from_schema(stored({"hnsw": {"ef_search": 7}}, {"hnsw:M": 5}))
    assert (options.ef_search, options.max_neighbors) == (7, 16)


@pytest.mark.parametrize(
    "metadata",
    [{"hnsw:foo": 1}, {"hnsw:M": "x"}, {"hnsw:M": True}, {"hnsw:M": -1}, {"hnsw:batch_size": 1}, {"hnsw:space": "L2"}],
)
def test_unusable_legacy_metadata_is_refused_even_when_it_would_lose(metadata: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError):
        stored(metadata=metadata)
    with pytest.raises(InvalidArgumentError):
        stored({"hnsw": {"ef_search": 7}}, metadata)


def test_the_configuration_shows_six_options_and_always_the_three_members() -> None:
    shown = configuration_json(stored({"hnsw": {"batch_size": 5}}))
    assert list(shown) == ["hnsw", "spann", "embedding_function"]
    assert set(shown["hnsw"]) == {"space", "ef_construction", "ef_search", "max_neighbors", "resize_factor", "sync_threshold"}
