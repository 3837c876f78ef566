"""Settings of collections against answers that the real server gave (``tests/data/reference/settings.json``).

Each answer is kept as its difference from the answer to an empty request: path -> value, and ``-path`` for what is missing.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chroma_async.errors import ChromaError, InvalidArgumentError, UnprocessableError
from chroma_async.schema.collection_settings import CollectionSettings, create_settings, update_settings
from chroma_async.schema.keys import KnownKeys, discover
from chroma_async.schema.metadata import replace_collection_metadata
from chroma_async.schema.record import check_metadata
from chroma_async.types import WriteKind

REFERENCE = json.loads((Path(__file__).parents[2] / "data/reference/settings.json").read_text())
THREADS = REFERENCE["num_threads"]

#: Where the real server takes a value of the wrong shape for a syntax error (400), drops the connection, or reads a list as an
#: object, this one says what it says to every other wrong shape.
WRONG_SHAPES = [
    {"configuration": {"hnsw": {"space": value}}} for value in (1, {}, [], True)
] + [
    {"schema": {"defaults": {}, "keys": {}, "cmek": value}}
    for value in ({}, 5, {"gcp": "projects/p/locations/l/keyRings/k/cryptoKeys/c", "x": 1})
] + [
    {"configuration": [None, None, None]},
    {"configuration": {"embedding_function": ["legacy"]}},
    {"schema": {"defaults": {}, "keys": {"a": {"string": {"fts_index": [False, {}]}}}}},
]  # fmt: skip
#: A null where the real server insists on a choice: here null is "not given" everywhere.
TOLERATED_NULLS = [
    {"schema": {"defaults": {}, "keys": {"a": {kind: {index: {"enabled": False, "config": config}}}}}}
    for kind, index, config in (
        ("float_list", "vector_index", {"spann": {"quantize": None}}),
        ("sparse_vector", "sparse_vector_index", {"algorithm": None}),
    )
]

#: Sparse indexes that the real server would enable, if only it were not on a single node: here they are served.
_SPARSE_SERVED = [
    {
        "schema": {
            "defaults": {},
            "keys": {key: {"sparse_vector": {"sparse_vector_index": {"enabled": True, "config": config}}} for key in keys},
        }
    }
    for keys, config in (
        ("a", {}),
        ("ab", {}),
        ("a", {"source_key": "#document", "embedding_function": {"type": "known", "name": "x", "config": {}}}),
        ("a", {"source_key": "#document", "embedding_function": {"type": "unknown"}}),
    )
]


def paths(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from paths(inner, f"{path}/{key}")
    else:
        yield path, value


PLAIN = dict(paths(REFERENCE["plain"]))


def differences(settings: CollectionSettings) -> dict[str, Any]:
    found = dict(paths({"configuration_json": settings.configuration, "schema": settings.schema, "metadata": settings.metadata}))
    changed = {path: value for path, value in found.items() if path not in PLAIN or PLAIN[path] != value}
    return {**changed, **{f"-{path}": 0 for path in PLAIN if path not in found}}


def create(request: dict[str, Any]) -> CollectionSettings:
    members = copy.deepcopy(request)
    return create_settings(members.get("metadata"), members.get("configuration"), members.get("schema"), num_threads=THREADS)


def expected_status(case: dict[str, Any]) -> int:
    if case["create"] in WRONG_SHAPES or {"schema": case["create"].get("schema")} in WRONG_SHAPES:
        return 422
    if case["create"] in TOLERATED_NULLS or case["create"] in _SPARSE_SERVED:
        return 200
    return 400 if case["status"] == "dropped" else int(case["status"])


def check_creation(case: dict[str, Any]) -> str | None:
    """What is wrong with our answer to a recorded request."""
    wanted = expected_status(case)
    try:
        settings = create(case["create"])
    except (InvalidArgumentError, UnprocessableError) as error:
        return None if error.status == wanted else f"{error.status} instead of {wanted}: {error}"
    if wanted != 200:
        return f"200 instead of {wanted}"
    if "differs" not in case or (got := differences(settings)) == case["differs"]:
        return None
    return f"{got} instead of {case['differs']}"


def test_every_recorded_creation_is_answered_as_the_real_server_answers_it() -> None:
    wrong = {json.dumps(case["create"]): problem for case in REFERENCE["creations"] if (problem := check_creation(case))}
    assert wrong == {}
    assert len(REFERENCE["creations"]) > 700


def test_every_recorded_modification_ends_in_the_settings_of_the_real_server() -> None:
    for case in REFERENCE["modifications"]:
        settings = create(case["create"])
        metadata, configuration, schema = settings.metadata, settings.configuration, settings.schema
        for body, status in zip(case["modify"], case["status"], strict=True):
            answered = 200
            try:
                new_metadata = replace_collection_metadata(metadata, body.get("new_metadata"))
                configuration, schema = update_settings(schema, body.get("new_configuration"))
                metadata = new_metadata
            except ChromaError as error:
                answered = error.code()
            assert answered == (400 if status == "dropped" else status), body
        assert differences(CollectionSettings(metadata, configuration, schema)) == case["differs"], case


def test_every_recorded_write_discovers_the_keys_that_the_real_server_discovers() -> None:
    for case in REFERENCE["discoveries"]:
        settings = create(case["create"])
        schema = settings.schema
        for batch in case["add"]:
            checked = [check_metadata(metadata, index, WriteKind.ADD) for index, metadata in enumerate(batch)]
            schema = discover(schema, KnownKeys(schema).new(checked))
        # The real server enters an empty list, which it does not store, as a key of booleans.
        empty = {key for batch in case["add"] for metadata in batch for key, value in metadata.items() if value == []}
        wanted = {
            path: value for path, value in case["differs"].items() if not any(path.startswith(f"/schema/keys/{key}/") for key in empty)
        }
        assert differences(CollectionSettings(settings.metadata, settings.configuration, schema)) == wanted, case


def test_a_new_collection_shows_the_defaults_of_the_real_server() -> None:
    settings = create({})
    assert settings.schema == REFERENCE["plain"]["schema"]
    assert settings.configuration == REFERENCE["plain"]["configuration_json"]
    assert settings.metadata is None


def test_the_default_number_of_threads_is_the_one_passed_in() -> None:
    schema = create_settings(None, {"hnsw": {"ef_search": 7}}, None, num_threads=64).schema
    assert schema["keys"]["#embedding"]["float_list"]["vector_index"]["config"]["hnsw"]["num_threads"] == 64


def test_sparse_indexes_are_enabled_key_by_key_and_shown_as_given() -> None:
    for request in _SPARSE_SERVED:
        keys = create(request).schema["keys"]
        assert {key: keys[key] for key in request["schema"]["keys"]} == request["schema"]["keys"]
        assert keys["#document"] == REFERENCE["plain"]["schema"]["keys"]["#document"]


@pytest.mark.parametrize(
    ("key", "config", "problem"),
    [
        ("a", {"source_key": "#document"}, "needs an embedding_function"),
        ("a", {"source_key": "#x", "embedding_function": {"type": "unknown"}}, "may not begin with '#'"),
        ("#document", {}, "no other value type"),
        ("#x", {}, "reserved"),
    ],
)
def test_a_sparse_index_is_refused_where_its_source_or_its_key_cannot_be_meant(key: str, config: Any, problem: str) -> None:
    index = {"enabled": True, "config": config}
    with pytest.raises(InvalidArgumentError, match=problem):
        create({"schema": {"defaults": {}, "keys": {key: {"sparse_vector": {"sparse_vector_index": index}}}}})


def test_a_refusal_of_shape_names_the_json_path() -> None:
    with pytest.raises(UnprocessableError, match=r"configuration\.hnsw\.ef_search"):
        create({"configuration": {"hnsw": {"ef_search": "x"}}})
    with pytest.raises(UnprocessableError, match=r"schema\.keys\.a\.string\.fts_index: missing field 'config'"):
        create({"schema": {"defaults": {}, "keys": {"a": {"string": {"fts_index": {"enabled": True}}}}}})


def test_updating_leaves_the_schema_it_was_given_untouched() -> None:
    settings = create({})
    before = copy.deepcopy(settings.schema)
    configuration, schema = update_settings(settings.schema, {"hnsw": {"ef_search": 7}})
    assert settings.schema == before
    assert configuration["hnsw"]["ef_search"] == 7
    assert schema["keys"]["#document"] == before["keys"]["#document"]


def test_updating_keeps_discovered_keys() -> None:
    schema = discover(create({}).schema, {"a": ["int"]})
    assert update_settings(schema, {"hnsw": {"ef_search": 7}})[1]["keys"]["a"] == schema["keys"]["a"]


def test_the_config_of_an_embedding_function_is_kept_as_it_is() -> None:
    function = {"type": "known", "name": "x", "config": {"a": [1, None, {"b": 1.5}]}}
    assert create({"configuration": {"embedding_function": function}}).configuration["embedding_function"] == function
