"""Our Schema beside chromadb's: the same JSON for the same steps, and a refusal where it refuses."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import chromadb
import pytest
from chromadb.api.types import CmekProvider as TheirProvider
from chromadb.api.types import Schema as TheirSchema
from chromadb.utils.embedding_functions import ChromaBm25EmbeddingFunction, HuggingFaceEmbeddingServer

from chroma_async.builders import index_config, schema
from chroma_async.builders.cmek import Cmek
from chroma_async.builders.index_config import (
    FtsIndexConfig,
    HnswIndexConfig,
    IntInvertedIndexConfig,
    SpannIndexConfig,
    SparseVectorIndexConfig,
    StringInvertedIndexConfig,
    VectorIndexConfig,
)
from chroma_async.builders.schema import Schema
from chroma_async.embedding.missing_function import MissingFunction
from chroma_async.embedding.services.huggingface import HuggingFaceEmbeddingServer as OurServer
from chroma_async.errors import ValidationError, ValidationTypeError
from chroma_async.schema.read import read_schema

URL = "http://localhost:8080/embed"
KEYS = [None, "a", "b", "note", "#document", "#embedding", "#id", ""]
PLAIN = ["FtsIndexConfig", "StringInvertedIndexConfig", "IntInvertedIndexConfig", "FloatInvertedIndexConfig", "BoolInvertedIndexConfig"]


class Both:
    """The same steps on chromadb's schema and on ours."""

    def __init__(self) -> None:
        self.theirs: Any = TheirSchema()
        self.ours: Any = Schema()

    def step(self, verb: str, make: Callable[[Any], Any], key: Any) -> bool:
        """Whether both took the step; that one takes it and the other does not is a failure.

        chromadb 1.5.9 refuses a second sparse index, which its newer code and ours allow: all go to one key.
        """
        if isinstance(make(chromadb), chromadb.SparseVectorIndexConfig) and key != "a":
            key = "a"
        outcomes = []
        for target, classes in ((self.theirs, chromadb), (self.ours, index_config)):
            try:
                assert getattr(target, verb)(make(classes), key) is target
            except ValueError:
                outcomes.append(False)
            else:
                outcomes.append(True)
        assert outcomes[0] == outcomes[1], (verb, key, outcomes)
        return outcomes[0]

    def check(self) -> None:
        assert self.ours.serialize_to_json() == self.theirs.serialize_to_json()


def random_config(rng: random.Random) -> Callable[[Any], Any]:
    """Makes the same configuration of chromadb's classes or of ours."""
    kind = rng.choice(["none", "vector", "vector", "sparse", "sparse", *PLAIN])
    if kind == "none":
        return lambda classes: None
    if kind == "vector":
        fields = maybe(rng, space=rng.choice(["l2", "cosine", "ip"]), source_key=rng.choice(["#document", "body"]))
        hnsw = maybe(rng, ef_search=rng.randrange(1, 500), max_neighbors=16, resize_factor=1.5, batch_size=7, sync_threshold=9)
        spann = maybe(rng, search_nprobe=rng.randrange(1, 64), merge_threshold=25, nreplica_count=8)
        function = rng.choice(["absent", "none", "server"])
        which = rng.choice(["", "", "hnsw", "spann"])

        def vector(classes: Any) -> Any:
            given: dict[str, Any] = dict(fields)
            if which == "hnsw":
                given["hnsw"] = classes.HnswIndexConfig(**hnsw)
            if which == "spann":
                given["spann"] = classes.SpannIndexConfig(**spann)
            if function == "none":
                given["embedding_function"] = None
            if function == "server":
                given["embedding_function"] = (HuggingFaceEmbeddingServer if classes is chromadb else OurServer)(URL)
            return classes.VectorIndexConfig(**given)

        return vector
    if kind == "sparse":
        given = maybe(rng, bm25=rng.random() < 0.5, source_key=rng.choice(["#document", "body"]))
        if rng.random() < 0.5:
            given["embedding_function"] = ChromaBm25EmbeddingFunction(k=rng.choice([1.2, 2.0]))
        return lambda classes: classes.SparseVectorIndexConfig(**given)
    return lambda classes: getattr(classes, kind)()


def maybe(rng: random.Random, **fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if rng.random() < 0.5}


def test_an_untouched_schema_is_chromadbs_and_what_the_store_takes_for_default() -> None:
    both = Both()
    both.check()
    read_schema(Schema().serialize_to_json())


@pytest.mark.parametrize("seed", range(60))
def test_random_compositions_serialise_as_chromadbs_do_and_are_refused_where_they_are(seed: int) -> None:
    rng, both = random.Random(seed), Both()
    for _ in range(rng.randrange(1, 9)):
        both.step(rng.choice(["create_index", "create_index", "delete_index"]), random_config(rng), rng.choice(KEYS))
        both.check()
    if rng.random() < 0.5:
        resource = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
        both.theirs.set_cmek(chromadb.Cmek.gcp(resource))
        assert both.ours.set_cmek(Cmek.gcp(resource)) is both.ours
    both.check()
    again = Schema.deserialize_from_json(both.theirs.serialize_to_json())
    assert again.serialize_to_json() == both.ours.serialize_to_json()
    assert TheirSchema.deserialize_from_json(both.ours.serialize_to_json()).serialize_to_json() == both.theirs.serialize_to_json()


@pytest.mark.parametrize(
    ("verb", "config", "key"),
    [
        ("create_index", VectorIndexConfig(), "a"),
        ("create_index", VectorIndexConfig(), "#embedding"),
        ("create_index", StringInvertedIndexConfig(), "#document"),
        ("create_index", IntInvertedIndexConfig(), "#anything"),
        ("create_index", FtsIndexConfig(), None),
        ("create_index", FtsIndexConfig(), "a"),
        ("create_index", SparseVectorIndexConfig(), None),
        ("create_index", SparseVectorIndexConfig(source_key="body"), "a"),
        ("create_index", None, None),
        ("create_index", None, "a"),
        ("delete_index", VectorIndexConfig(), None),
        ("delete_index", SparseVectorIndexConfig(), "a"),
        ("delete_index", FtsIndexConfig(), "a"),
        ("delete_index", None, "a"),
    ],
)
def test_what_makes_no_sense_is_a_value_error_and_changes_nothing(verb: str, config: Any, key: str | None) -> None:
    made = Schema()
    with pytest.raises(ValueError):
        getattr(made, verb)(config, key)
    assert made == Schema()


def test_several_keys_may_have_a_sparse_index() -> None:
    made = Schema().create_index(SparseVectorIndexConfig(), "first").create_index(SparseVectorIndexConfig(bm25=True), "second")
    keys = made.serialize_to_json()["keys"]
    assert [keys[key]["sparse_vector"]["sparse_vector_index"]["config"].get("bm25") for key in ("first", "second")] == [None, True]


def test_a_config_that_is_no_index_is_a_type_error() -> None:
    with pytest.raises(ValidationTypeError):
        Schema().create_index(HnswIndexConfig(), "a")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("HnswIndexConfig", {"ef": 3}),
        ("HnswIndexConfig", {"ef_search": 1.5}),
        ("HnswIndexConfig", {"ef_search": "many"}),
        ("FtsIndexConfig", {"anything": 1}),
        ("VectorIndexConfig", {"space": "manhattan"}),
        ("VectorIndexConfig", {"embedding_function": 3}),
        ("VectorIndexConfig", {"source_key": "#embedding"}),
        ("VectorIndexConfig", {"hnsw": 3}),
        ("SparseVectorIndexConfig", {"source_key": 3}),
        ("SparseVectorIndexConfig", {"bm26": True}),
    ],
)
def test_fields_that_nobody_knows_and_values_that_cannot_be_meant_are_value_errors_here_and_there(
    kind: str, fields: dict[str, Any]
) -> None:
    for classes in (chromadb, index_config):
        with pytest.raises(ValueError):
            getattr(classes, kind)(**fields)


def test_keys_may_be_key_objects_of_chromadb() -> None:
    made = (
        Schema().create_index(SparseVectorIndexConfig(), chromadb.K("words")).delete_index(StringInvertedIndexConfig(), chromadb.K("note"))
    )
    assert {"words", "note"} <= made.keys.keys()
    assert VectorIndexConfig(source_key=chromadb.K.DOCUMENT).source_key == "#document"


def test_a_vector_index_keeps_the_source_of_the_embeddings_and_stays_off_by_default() -> None:
    made = Schema().create_index(VectorIndexConfig(space="ip", source_key="body"))
    own, by_default = made.keys["#embedding"].float_list, made.defaults.float_list
    assert own is not None
    assert own.vector_index is not None
    assert by_default is not None
    assert by_default.vector_index is not None
    assert (own.vector_index.enabled, own.vector_index.config.source_key) == (True, "#document")
    assert (by_default.vector_index.enabled, by_default.vector_index.config.source_key) == (False, "body")


def test_functions_that_nobody_registered_survive_a_round_trip_and_fail_only_when_called() -> None:
    described = {"type": "known", "name": "of-another-team", "config": {"model": "m", "nested": {"a": [1]}}}
    data = Schema().create_index(SparseVectorIndexConfig(), "words").serialize_to_json()
    data["keys"]["#embedding"]["float_list"]["vector_index"]["config"]["embedding_function"] = described
    data["keys"]["words"]["sparse_vector"]["sparse_vector_index"]["config"]["embedding_function"] = described
    read = Schema.deserialize_from_json(data)
    assert read.serialize_to_json() == data
    assert read == Schema.deserialize_from_json(data)
    words = read.keys["words"].sparse_vector
    assert words is not None
    assert words.sparse_vector_index is not None
    function = words.sparse_vector_index.config.embedding_function
    assert isinstance(function, MissingFunction)
    with pytest.raises(ValidationError, match="of-another-team"):
        function(["text"])


def test_a_space_that_the_function_was_not_made_for_warns() -> None:
    class Narrow(OurServer):
        def supported_spaces(self) -> list[str]:
            return ["ip"]

    with pytest.warns(UserWarning, match="huggingface_server"):
        Schema().create_index(VectorIndexConfig(space="l2", embedding_function=Narrow(URL))).serialize_to_json()


def test_a_plain_callable_is_kept_as_legacy() -> None:
    made = Schema().create_index(VectorIndexConfig(embedding_function=lambda input: [[0.0] for _ in input]))
    config = made.serialize_to_json()["keys"]["#embedding"]["float_list"]["vector_index"]["config"]
    assert config == {"embedding_function": {"type": "legacy"}, "source_key": "#document"}


def test_blocks_take_the_fields_of_the_stores_own_and_drop_them() -> None:
    assert SpannIndexConfig(search_nprobe=3, quantize="none", initial_lambda=100).to_json() == {"search_nprobe": 3}
    assert HnswIndexConfig(ef_search=10.0).to_json() == {"ef_search": 10}  # type: ignore[arg-type]


def test_cmek_reads_and_writes_as_chromadbs() -> None:
    good = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
    for resource in (good, "projects/p", "", f"x{good}", f"{good}/more"):
        theirs, ours = chromadb.Cmek.gcp(resource), Cmek.gcp(resource)
        assert (ours.validate_pattern(), ours.to_dict()) == (theirs.validate_pattern(), theirs.to_dict())
        assert Cmek.from_dict(ours.to_dict()) == ours
    assert Cmek.gcp(good).provider.value == TheirProvider.GCP.value
    for bad in ({}, {"gcp": 3}, {"aws": good}):
        with pytest.raises(ValueError):
            Cmek.from_dict(bad)


def test_every_kind_of_index_has_one_place() -> None:
    data = Schema().serialize_to_json()["defaults"]
    assert sorted(name for indexes in data.values() for name in indexes) == sorted(place.index_name for place in schema._PLACES.values())
