"""What a collection is set to: modifications, and schemas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.compat.table.probe import LOOK, SELF, Probe, call, get, post
from tests.compat.table.refusals import ERROR, IAE, MISSING, UNKNOWN_ID


def modifications() -> Iterator[Probe]:
    """docs/CONTRACT.md#changing-a-collection, docs/CONTRACT.md#configuration."""
    again = (SELF, LOOK)
    bodies: dict[str, dict[str, Any]] = {
        "nothing": {},
        "nulls": {"new_name": None, "new_metadata": None, "new_configuration": None},
        "a name": {"new_name": "renamed-<name>"},
        "its own name": {"new_name": "<name>"},
        "metadata": {"new_metadata": {"a": 1, "b": 2.5, "c": "x", "d": False}},
        "metadata with null": {"new_metadata": {"a": 1, "subject": None}},
        "metadata all null": {"new_metadata": {"subject": None}},
        "metadata with hnsw keys": {"new_metadata": {"hnsw:space": "cosine", "hnsw:nonsense": 5}},
        "hnsw": {
            "new_configuration": {
                "hnsw": {"ef_search": 9, "max_neighbors": 8, "num_threads": 7, "resize_factor": 3, "sync_threshold": 6, "batch_size": 5}
            }
        },
        "one field of hnsw": {"new_configuration": {"hnsw": {"ef_search": 9}}},
        "empty hnsw": {"new_configuration": {"hnsw": {}}},
        "zeros": {"new_configuration": {"hnsw": {"ef_search": 0, "batch_size": 0, "sync_threshold": 1}}},
        "an empty configuration": {"new_configuration": {}},
        "spann": {"new_configuration": {"spann": {"search_nprobe": 9, "ef_search": 9}}},
        "an embedding function": {"new_configuration": {"embedding_function": {"type": "known", "name": "y", "config": {"z": 1}}}},
        "everything": {"new_name": "other-<name>", "new_metadata": {"q": "r"}, "new_configuration": {"hnsw": {"ef_search": 3}}},
        "unknown fields": {"name": "x", "metadata": {}, "configuration": {"unknown": 1}},
        "unknown members of the configuration": {"new_configuration": {"unknown": 1}},
    }
    yield from [Probe(f"modify: {label}", call("PUT", "C", body), 200, after=again) for label, body in bodies.items()]
    refused: dict[str, tuple[dict[str, Any], int]] = {
        "empty metadata": ({"new_metadata": {}}, 400),
        "a metadata key with #": ({"new_metadata": {"#a": 1}}, 400),
        "a metadata key with $": ({"new_metadata": {"$a": 1}}, 400),
        "an empty metadata key": ({"new_metadata": {"": 1}}, 400),
        "an empty metadata key with null": ({"new_metadata": {"": None}}, 400),
        "metadata with a list": ({"new_metadata": {"a": [1]}}, 400),
        "metadata with an empty list": ({"new_metadata": {"a": []}}, 400),
        "metadata with an object": ({"new_metadata": {"a": {}}}, 422),
        "metadata a list": ({"new_metadata": []}, 422),
        "a name that is a number": ({"new_name": 1}, 422),
        "hnsw and spann": ({"new_configuration": {"hnsw": {}, "spann": {}}}, 400),
        "space": ({"new_configuration": {"hnsw": {"space": "ip"}}}, 422),
        "ef_construction": ({"new_configuration": {"hnsw": {"ef_construction": 5}}}, 422),
        "spann with write_nprobe": ({"new_configuration": {"spann": {"write_nprobe": 5}}}, 422),
        "a negative ef_search": ({"new_configuration": {"hnsw": {"ef_search": -5}}}, 422),
        "hnsw a string": ({"new_configuration": {"hnsw": "x"}}, 422),
        "an embedding function without name": ({"new_configuration": {"embedding_function": {"type": "known"}}}, 422),
        "all or nothing": ({"new_name": "good-<name>", "new_metadata": {}}, 400),
    }
    for label, (body, status) in refused.items():
        yield Probe(f"modify: {label}", call("PUT", "C", body), status, IAE if status == 400 else ERROR, after=(SELF,))
    yield from [
        Probe(
            "modify: a name that is taken",
            call("PUT", "C", {"new_name": "taken-<name>"}),
            409,
            ERROR,
            before=(post("~/collections", {"name": "taken-<name>"}),),
            after=(SELF,),
        ),
        Probe(
            "modify: the old name is free again",
            post("~/collections", {"name": "<name>"}),
            200,
            before=(call("PUT", "C", {"new_name": "moved-<name>"}),),
            after=(get("~/collections/moved-<name>"),),
        ),
        Probe("modify: an unknown collection", call("PUT", f"~/collections/{UNKNOWN_ID}", {}), 404, MISSING, stage="none"),
        Probe("modify: an id that is none", call("PUT", "~/collections/x", {}), 400, IAE, stage="none"),
        Probe("modify: a name twice", call("PUT", "C", b'{"new_name": "abc", "new_name": "abd"}'), 422, ERROR),
    ]


def schemas() -> Iterator[Probe]:
    """docs/CONTRACT.md#schema."""

    def off(kind: str, index: str) -> dict[str, Any]:
        return {kind: {index: {"enabled": False, "config": {}}}}

    def on(kind: str, index: str) -> dict[str, Any]:
        return {kind: {index: {"enabled": True, "config": {}}}}

    invalid: dict[str, dict[str, Any]] = {
        "a vector index by default": {"defaults": on("float_list", "vector_index"), "keys": {}},
        "full text by default": {"defaults": on("string", "fts_index"), "keys": {}},
        "a sparse index by default": {"defaults": on("sparse_vector", "sparse_vector_index"), "keys": {}},
        "a reserved key": {"defaults": {}, "keys": {"#other": on("int", "int_inverted_index")}},
        "#document of integers": {"defaults": {}, "keys": {"#document": on("int", "int_inverted_index")}},
        "#embedding of strings": {"defaults": {}, "keys": {"#embedding": on("string", "string_inverted_index")}},
        "a vector index on a key": {"defaults": {}, "keys": {"k": on("float_list", "vector_index")}},
        "full text on a key": {"defaults": {}, "keys": {"k": on("string", "fts_index")}},
        "a string index on #document": {"defaults": {}, "keys": {"#document": on("string", "string_inverted_index")}},
        "a wrong cmek": {"defaults": {}, "keys": {}, "cmek": {"gcp": "x"}},
        "a source function": {"defaults": {}, "keys": {}, "source_attached_function_id": UNKNOWN_ID},
    }
    for label, schema in invalid.items():
        yield Probe(f"schema: {label}", post("~/collections", {"name": "n-<name>", "schema": schema}), 400, IAE, stage="none")
    yield (
        Probe(
            "schema: beside a configuration",
            post(
                "~/collections",
                {
                    "name": "n-<name>",
                    "configuration": {"hnsw": {"space": "ip"}},
                    "schema": {"defaults": off("int", "int_inverted_index"), "keys": {}},
                },
            ),
            400,
            IAE,
            stage="none",
        )
    )
    for label, schema in {
        "an index member is missing": {"defaults": {"int": {"int_inverted_index": {"enabled": True}}}, "keys": {}},
        "enabled is a number": {"defaults": {"int": {"int_inverted_index": {"enabled": 1, "config": {}}}}, "keys": {}},
        "keys is a list": {"defaults": {}, "keys": []},
    }.items():
        yield Probe(f"schema: {label}", post("~/collections", {"name": "n-<name>", "schema": schema}), 422, ERROR, stage="none")
    valid: dict[str, dict[str, Any]] = {
        "a sparse index": {"defaults": {}, "keys": {"k": on("sparse_vector", "sparse_vector_index")}},
        "aliases": {"defaults": {"#int": {"$int_inverted_index": {"enabled": False, "config": {}}}}, "key_overrides": {}},
        "a space": {
            "defaults": {},
            "keys": {
                "#embedding": {"float_list": {"vector_index": {"enabled": True, "config": {"space": "cosine", "hnsw": {"ef_search": 7}}}}}
            },
        },
        "spann": {
            "defaults": {},
            "keys": {
                "#embedding": {"float_list": {"vector_index": {"enabled": True, "config": {"space": "ip", "spann": {"search_nprobe": 7}}}}}
            },
        },
        "a key": {"defaults": {}, "keys": {"k": off("string", "string_inverted_index")}},
        "cmek": {"defaults": {}, "keys": {}, "cmek": {"gcp": "projects/p/locations/l/keyRings/r/cryptoKeys/c"}},
    }
    for label, schema in valid.items():
        yield (
            Probe(
                f"schema: {label}",
                post("~/collections", {"name": "n-<name>", "schema": schema}),
                200,
                stage="none",
                after=(get("~/collections/n-<name>"),),
            )
        )
    yield (
        Probe(
            "schema: keys are discovered",
            post(
                "C/upsert",
                {
                    "ids": ["ant", "x"],
                    "embeddings": [[1, 2], [3, 4]],
                    "metadatas": [
                        {"legs": 6.5, "new": "s", "list": [1.5], "gone": None, "empty": []},
                        {"legs": "six", "flags": 1, "chroma:hidden": 1},
                    ],
                },
            ),
            200,
            after=(SELF, LOOK),
        )
    )
    yield (
        Probe(
            "schema: a dropped value discovers nothing",
            post("C/update", {"ids": ["ant", "nobody"], "metadatas": [{"kind": None}, {"never": 1}]}),
            200,
            after=(SELF,),
        )
    )


def probes() -> list[Probe]:
    """All of them."""
    return [*modifications(), *schemas()]
