"""Keys of configurations: what has an effect is sent, what would have none is refused by its right name, what differs is warned of."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import pytest

import chroma_async
from chroma_async.client.configuration_keys import check_keys
from chroma_async.errors import IgnoredArgumentWarning, ValidationError


@pytest.mark.parametrize(
    "configuration",
    [
        {},
        {"hnsw": None, "spann": None, "embedding_function": None},
        {"hnsw": {"space": "cosine", "ef_construction": 1, "ef_search": 2, "max_neighbors": 3, "num_threads": 4}},
        {"hnsw": {"resize_factor": 1.2, "sync_threshold": 5, "batch_size": 6}},
        {"spann": {"space": "ip", "search_nprobe": 3}},
        {"hnsw": 5},
    ],
)
def test_what_has_an_effect_or_is_judged_by_the_store_goes_through(configuration: dict[str, Any]) -> None:
    check_keys(configuration)


@pytest.mark.parametrize(
    ("configuration", "advice"),
    [
        ({"space": "cosine"}, r'write {"hnsw": {"space": \'cosine\'}}'),
        ({"hnsw:space": "cosine"}, r'write {"hnsw": {"space": \'cosine\'}}'),
        ({"M": 5}, 'write {"hnsw": {"max_neighbors": 5}}'),
        ({"metric": "ip"}, r'write {"hnsw": {"space": \'ip\'}}'),
        ({"search_nprobe": 5}, 'write {"spann": {"search_nprobe": 5}}'),
        ({"HNSW": {"space": "cosine"}}, 'write "hnsw"'),
        ({"hnws": {}}, 'write "hnsw"'),
        ({"embedding_functions": None}, 'write "embedding_function"'),
        ({"shards": 3}, "expected hnsw, spann, embedding_function"),
        ({5: 3}, "expected hnsw, spann, embedding_function"),
        ({"hnsw": {"M": 5}}, 'write "max_neighbors"'),
        ({"hnsw": {"spce": "l2"}}, 'write "space"'),
        ({"hnsw": {"hnsw:search_ef": 5}}, 'write "ef_search"'),
        ({"hnsw": {"embedding_function": None}}, '"embedding_function": ...'),
        ({"hnsw": {"colour": 1}}, "expected one of space, ef_construction"),
    ],
    ids=str,
)
def test_a_key_that_would_have_no_effect_is_refused_and_its_right_place_named(configuration: dict[Any, Any], advice: str) -> None:
    with pytest.raises(ValidationError) as refused:
        check_keys(configuration)
    assert advice.replace("\\", "") in str(refused.value)


def test_what_cannot_change_later_is_refused_by_name() -> None:
    check_keys({"hnsw": {"ef_search": 5}}, updating=True)
    with pytest.raises(ValidationError, match=r"configuration\.hnsw: space cannot be changed once the collection exists"):
        check_keys({"hnsw": {"space": "ip"}}, updating=True)


async def test_every_verb_that_takes_a_configuration_refuses_such_keys_and_makes_nothing() -> None:
    async with chroma_async.AsyncEphemeralClient() as client:
        for create in (client.create_collection, client.get_or_create_collection):
            with pytest.raises(ValidationError, match=r'write \{"hnsw"'):
                await create("docs", configuration={"space": "cosine"})
        assert await client.count_collections() == 0
        collection = await client.create_collection("docs")
        with pytest.raises(ValidationError, match="cannot be changed"):
            await collection.modify(configuration={"hnsw": {"space": "cosine"}})
        with pytest.raises(ValidationError, match="would have no effect"):
            await collection.modify(configuration={"ef_search": 5})


@pytest.mark.parametrize(
    "arguments",
    [
        {"configuration": {"hnsw": {"space": "cosine"}}},
        {"configuration": {"spann": {"space": "cosine"}}},
        {"metadata": {"hnsw:space": "cosine"}},
    ],
    ids=str,
)
async def test_get_or_create_warns_of_an_option_that_the_collection_has_otherwise(arguments: Mapping[str, Any]) -> None:
    async with chroma_async.AsyncEphemeralClient() as client:
        await client.create_collection("docs", configuration={"hnsw": {"space": "ip"}})
        with pytest.warns(IgnoredArgumentWarning, match=r"'docs' exists already with space='ip'; space='cosine' was asked for") as caught:
            collection = await client.get_or_create_collection("docs", **arguments)
        assert caught[0].filename == __file__
    assert collection.configuration["hnsw"]["space"] == "ip"


async def test_get_or_create_says_nothing_when_all_is_as_asked_or_new() -> None:
    async with chroma_async.AsyncEphemeralClient() as client:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for _ in range(2):
                await client.get_or_create_collection("docs", configuration={"hnsw": {"space": "cosine", "ef_search": 50}})
            await client.get_or_create_collection("docs")
