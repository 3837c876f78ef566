"""``schema``: how each kind of value, and each key, is indexed. This file reads one from JSON and refuses what may not be asked for.

::

    {"defaults": TYPES, "keys": {key: TYPES}, "cmek": {"gcp": resource}}
    TYPES = {"string": {"fts_index": INDEX, "string_inverted_index": INDEX}, "float_list": {"vector_index": INDEX},
             "sparse_vector": {"sparse_vector_index": INDEX}, "int": {"int_inverted_index": INDEX}, ...}, any subset
    INDEX = {"enabled": bool, "config": {...}}
"""

from __future__ import annotations

import re

from chroma_async.errors import InvalidArgumentError
from chroma_async.schema import hnsw, spann
from chroma_async.schema.embedding import read_embedding_function
from chroma_async.schema.json_shape import read_choice, read_fields, read_flag, read_object, read_string, refuse, resolve_aliases
from chroma_async.types import DOCUMENT_KEY, EMBEDDING_KEY, Json

#: Value types, and the indexes that each may have.
INDEXES: dict[str, tuple[str, ...]] = {
    "string": ("fts_index", "string_inverted_index"),
    "float_list": ("vector_index",),
    "sparse_vector": ("sparse_vector_index",),
    "int": ("int_inverted_index",),
    "float": ("float_inverted_index",),
    "bool": ("bool_inverted_index",),
}
#: Member of the schema of an output collection: the attached function that fills it.
SOURCE_FUNCTION = "source_attached_function_id"
_TYPE_ALIASES = {alias: name for name in INDEXES for alias in (name, f"#{name}")}
_INDEX_ALIASES = {kind: {alias: name for name in names for alias in (name, f"${name}")} for kind, names in INDEXES.items()}
_TOP_ALIASES = {
    "defaults": "defaults",
    "keys": "keys",
    "key_overrides": "keys",
    "cmek": "cmek",
    SOURCE_FUNCTION: SOURCE_FUNCTION,
}
_VECTOR_FIELDS = ("space", "embedding_function", "source_key", "hnsw", "spann")
_SPARSE_FIELDS = ("embedding_function", "source_key", "bm25", "algorithm")
_SPARSE_ALGORITHMS = ("wand", "max_score")
_CMEK = re.compile(r"projects/.+/locations/.+/keyRings/.+/cryptoKeys/.+")


def read_schema(value: Json, path: str = "schema") -> dict[str, Json]:
    """The schema of a create request under canonical names, without nulls and unknown members, and otherwise as sparse as it came.

    :raises UnprocessableError: the wrong shape.
    """
    given = resolve_aliases(read_object(value, path), path, _TOP_ALIASES)
    for name in ("defaults", "keys"):
        if name not in given:
            refuse(path, f"missing field '{name}'")
    keys = read_object(given["keys"], f"{path}.keys")
    schema: dict[str, Json] = {
        "defaults": _read_types(given["defaults"], f"{path}.defaults"),
        "keys": {key: _read_types(types, f"{path}.keys.{key}") for key, types in keys.items()},
    }
    if (cmek := given.get("cmek")) is not None:
        fields = read_fields(cmek, f"{path}.cmek", ("gcp",))
        if "gcp" not in fields:
            refuse(f"{path}.cmek", "missing field 'gcp'")
        schema["cmek"] = {"gcp": read_string(fields["gcp"], f"{path}.cmek.gcp")}
    if (function_id := given.get(SOURCE_FUNCTION)) is not None:
        schema[SOURCE_FUNCTION] = read_string(function_id, f"{path}.{SOURCE_FUNCTION}")
    return schema


def _read_types(value: Json, path: str) -> dict[str, Json]:
    given = resolve_aliases(read_object(value, path), path, _TYPE_ALIASES)
    return {kind: _read_indexes(kind, indexes, f"{path}.{kind}") for kind, indexes in given.items() if indexes is not None}


def _read_indexes(kind: str, value: Json, path: str) -> dict[str, Json]:
    given = resolve_aliases(read_object(value, path), path, _INDEX_ALIASES[kind])
    return {name: _read_index(name, index, f"{path}.{name}") for name, index in given.items() if index is not None}


def _read_index(name: str, value: Json, path: str) -> dict[str, Json]:
    fields = read_object(value, path)
    for member in ("enabled", "config"):
        if member not in fields:
            refuse(path, f"missing field '{member}'")
    return {
        "enabled": read_flag(fields["enabled"], f"{path}.enabled"),
        "config": _read_index_config(name, fields["config"], f"{path}.config"),
    }


def _read_index_config(name: str, value: Json, path: str) -> dict[str, Json]:
    match name:
        case "vector_index":
            return _read_vector_config(value, path)
        case "sparse_vector_index":
            return _read_sparse_config(value, path)
        case _:
            for field in read_object(value, path):
                refuse(f"{path}.{field}", "unknown field, there are none")
            return {}


def _read_vector_config(value: Json, path: str) -> dict[str, Json]:
    given = read_fields(value, path, _VECTOR_FIELDS)
    config: dict[str, Json] = {}
    if "space" in given:
        config["space"] = read_choice(given["space"], f"{path}.space", hnsw.SPACES)
    if "embedding_function" in given:
        config["embedding_function"] = read_embedding_function(given["embedding_function"], f"{path}.embedding_function")
    if "source_key" in given:
        config["source_key"] = read_string(given["source_key"], f"{path}.source_key")
    if "hnsw" in given:
        config["hnsw"] = hnsw.read_options(given["hnsw"], f"{path}.hnsw", hnsw.SCHEMA_FIELDS)
    if "spann" in given:
        config["spann"] = spann.read_options(given["spann"], f"{path}.spann", spann.SCHEMA_FIELDS)
    return config


def _read_sparse_config(value: Json, path: str) -> dict[str, Json]:
    given = read_fields(value, path, _SPARSE_FIELDS)
    config: dict[str, Json] = {}
    if "embedding_function" in given:
        config["embedding_function"] = read_embedding_function(given["embedding_function"], f"{path}.embedding_function")
    if "source_key" in given:
        config["source_key"] = read_string(given["source_key"], f"{path}.source_key")
    if "bm25" in given:
        config["bm25"] = read_flag(given["bm25"], f"{path}.bm25")
    if "algorithm" in given:
        algorithm = read_choice(given["algorithm"], f"{path}.algorithm", _SPARSE_ALGORITHMS)
        # The default is left out, as it is on the wire.
        if algorithm != _SPARSE_ALGORITHMS[0]:
            config["algorithm"] = algorithm
    return config


def check_schema(schema: dict[str, Json]) -> None:
    """Refuse what a well-formed schema (see :func:`read_schema`) may still not ask for.

    :raises InvalidArgumentError: the first rule it breaks.
    """
    if SOURCE_FUNCTION in schema:
        _reject(f"{SOURCE_FUNCTION} is set by the server only")
    _check_defaults(schema["defaults"])
    for key, types in schema["keys"].items():
        _check_key(key, types)
    if "cmek" in schema and not _CMEK.fullmatch(schema["cmek"]["gcp"]):
        _reject("cmek.gcp must have the form projects/../locations/../keyRings/../cryptoKeys/..")


def _check_defaults(defaults: dict[str, Json]) -> None:
    if _enabled(defaults, "float_list", "vector_index"):
        _reject(f"a vector index cannot be enabled by default, only on {EMBEDDING_KEY}")
    if _enabled(defaults, "string", "fts_index"):
        _reject(f"a full text index cannot be enabled by default, only on {DOCUMENT_KEY}")
    if _enabled(defaults, "sparse_vector", "sparse_vector_index"):
        _reject("a sparse vector index cannot be enabled by default, only on a key")
    config = defaults.get("float_list", {}).get("vector_index", {}).get("config", {})
    if "hnsw" in config and "spann" in config:
        _reject("a vector index has either an hnsw or a spann config, not both")


def _check_key(key: str, types: dict[str, Json]) -> None:
    if key == DOCUMENT_KEY:
        if types.keys() - {"string"}:
            _reject(f"{DOCUMENT_KEY} holds strings and has no other value type")
        if _enabled(types, "string", "string_inverted_index"):
            _reject(f"a string inverted index cannot be enabled on {DOCUMENT_KEY}")
    elif key == EMBEDDING_KEY:
        if types.keys() - {"float_list"}:
            _reject(f"{EMBEDDING_KEY} holds float lists and has no other value type")
    elif key.startswith("#"):
        _reject(f"keys that begin with '#' are reserved, got '{key}'")
    else:
        if _enabled(types, "float_list", "vector_index"):
            _reject(f"a vector index can be enabled on {EMBEDDING_KEY} only, not on '{key}'")
        if _enabled(types, "string", "fts_index"):
            _reject(f"a full text index can be enabled on {DOCUMENT_KEY} only, not on '{key}'")
    _check_sources(key, types)


def _check_sources(key: str, types: dict[str, Json]) -> None:
    source = types.get("float_list", {}).get("vector_index", {}).get("config", {}).get("source_key")
    if source not in (None, DOCUMENT_KEY):
        _reject(f"the source_key of a vector index can only be {DOCUMENT_KEY}, got '{source}'")
    index = types.get("sparse_vector", {}).get("sparse_vector_index")
    if index is None or (source := index["config"].get("source_key")) is None:
        return
    if source.startswith("#") and source != DOCUMENT_KEY:
        _reject(f"a source_key may not begin with '#', except for {DOCUMENT_KEY}; got '{source}'")
    if index["enabled"] and "embedding_function" not in index["config"]:
        _reject(f"the sparse index on '{key}' has a source_key and needs an embedding_function to go with it")


def _enabled(types: dict[str, Json], kind: str, index: str) -> bool:
    return bool(types.get(kind, {}).get(index, {}).get("enabled", False))


def _reject(problem: str) -> None:
    raise InvalidArgumentError(f"Validation error: schema: {problem}")
