"""The schema of a collection for which none was given, and how a partial one is completed from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chroma_async.schema import hnsw, spann
from chroma_async.schema.embedding import UNKNOWN, is_default_function
from chroma_async.schema.read import INDEXES
from chroma_async.types import DOCUMENT_KEY, EMBEDDING_KEY, Json


def default_schema(options: Mapping[str, Json], embedding_function: dict[str, Json] | None = None) -> dict[str, Json]:
    """:param options: all eight, see :func:`chroma_async.schema.hnsw.default_options`."""
    return {
        "defaults": {
            "string": {"fts_index": _index(False), "string_inverted_index": _index(True)},
            "float_list": {"vector_index": _index(False, **_vector_config(options, embedding_function, None))},
            "sparse_vector": {"sparse_vector_index": _index(False, embedding_function=dict(UNKNOWN), bm25=False)},
            "int": {"int_inverted_index": _index(True)},
            "float": {"float_inverted_index": _index(True)},
            "bool": {"bool_inverted_index": _index(True)},
        },
        "keys": {
            DOCUMENT_KEY: {"string": {"fts_index": _index(True), "string_inverted_index": _index(False)}},
            EMBEDDING_KEY: {"float_list": {"vector_index": _index(True, **_vector_config(options, embedding_function, DOCUMENT_KEY))}},
        },
    }


def _index(enabled: bool, **config: Json) -> dict[str, Json]:
    return {"enabled": enabled, "config": config}


def _vector_config(options: Mapping[str, Json], function: dict[str, Json] | None, source_key: str | None) -> dict[str, Json]:
    config: dict[str, Json] = {"space": options["space"]}
    if function is not None:
        config["embedding_function"] = function
    if source_key is not None:
        config["source_key"] = source_key
    config["hnsw"] = {name: options[name] for name in hnsw.SCHEMA_FIELDS}
    return config


def is_default(schema: Mapping[str, Json]) -> bool:
    """Whether a schema, as read or completed, says nothing but defaults.

    What is absent counts as default, with one exception that clients can see: an index given for ``#embedding`` must name its
    source. ``num_threads`` and a sparse index's algorithm are not compared.
    """
    plain = default_schema(hnsw.default_options(0))
    if "cmek" in schema or schema["keys"].keys() - plain["keys"].keys():
        return False
    return _types_default(schema["defaults"], plain["defaults"]) and all(
        _types_default(types, plain["keys"][key]) for key, types in schema["keys"].items()
    )


def _types_default(types: Mapping[str, Json], plain: Mapping[str, Json]) -> bool:
    return all(
        index["enabled"] == plain[kind][name]["enabled"] and _config_default(name, index["config"], plain[kind][name]["config"])
        for kind, indexes in types.items()
        for name, index in indexes.items()
    )


def _config_default(name: str, config: Mapping[str, Json], plain: Mapping[str, Json]) -> bool:
    if name not in ("vector_index", "sparse_vector_index"):
        return True
    return (
        config.get("space", plain.get("space")) == plain.get("space")
        and is_default_function(config.get("embedding_function"))
        and config.get("source_key") == plain.get("source_key")
        and not config.get("bm25", False)
        and not hnsw.differs_from_default(config.get("hnsw", {}))
        and not spann.differs_from_default(config.get("spann", {}))
    )


def complete(schema: Mapping[str, Json], num_threads: int) -> dict[str, Json]:
    """Fill a schema up from the defaults: ``defaults`` itself, ``#document`` and ``#embedding``. Other keys stay as they were given.

    :param schema: as :func:`chroma_async.schema.read.read_schema` returns it.
    """
    plain = default_schema(hnsw.default_options(num_threads))
    keys = {key: _complete_types(schema["keys"].get(key, {}), types) for key, types in plain["keys"].items()}
    completed: dict[str, Json] = {
        "defaults": _complete_types(schema["defaults"], plain["defaults"]),
        "keys": {**schema["keys"], **keys},
    }
    if "cmek" in schema:
        completed["cmek"] = schema["cmek"]
    return completed


def _complete_types(given: Mapping[str, Json], plain: Mapping[str, Json]) -> dict[str, Json]:
    return {
        kind: {name: _complete_index(given.get(kind, {}).get(name), plain[kind][name]) for name in INDEXES[kind] if name in plain[kind]}
        for kind in plain
    }


def _complete_index(given: dict[str, Any] | None, plain: dict[str, Any]) -> dict[str, Json]:
    if given is None:
        return plain
    config = {**plain["config"], **given["config"]}
    # One node has no SPANN index; only the space beside it counts.
    config.pop("spann", None)
    if "hnsw" in plain["config"]:
        config["hnsw"] = {**plain["config"]["hnsw"], **given["config"].get("hnsw", {})}
    return {"enabled": given["enabled"], "config": config}
