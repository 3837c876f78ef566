"""Whether a schema lets a filter be asked: an index that was switched off refuses, it does not silently scan."""

from __future__ import annotations

from collections.abc import Mapping

from chroma_async.errors import InvalidArgumentError
from chroma_async.query_language.filter_ast import (
    ArrayHas,
    Compare,
    DocumentContains,
    DocumentMatches,
    Equals,
    Filter,
    Leaf,
    OneOf,
    TextLike,
    TextMatches,
    leaves,
)
from chroma_async.types import DOCUMENT_KEY, Json

#: Python type of a literal -> value type, its index, and what error messages call it.
_LITERALS: dict[type, tuple[str, str, str]] = {
    str: ("string", "string_inverted_index", "Str"),
    int: ("int", "int_inverted_index", "Int"),
    float: ("float", "float_inverted_index", "Float"),
    bool: ("bool", "bool_inverted_index", "Bool"),
}


def check_filter(schema: Mapping[str, Json], filter: Filter | None) -> None:
    """Check every clause against the key's own settings, or the defaults where it has none. Ids can always be asked for.

    The type of the literal decides, not what is stored: an integer key compared with 1.5 needs the float index.

    :raises InvalidArgumentError: the index that a clause needs is disabled.
    """
    for leaf in () if filter is None else leaves(filter):
        _check_leaf(schema, leaf)


def _check_leaf(schema: Mapping[str, Json], leaf: Leaf) -> None:
    match leaf:
        case Compare(key=key, value=value):
            _check_key(schema, key, type(value))
        case TextMatches(key=key) | TextLike(key=key):
            _check_key(schema, key, str)
        case Equals(key=key, kind=kind) | ArrayHas(key=key, kind=kind) | OneOf(key=key, kind=kind):
            _check_key(schema, key, kind)
        case DocumentContains() | DocumentMatches():
            if not _enabled(schema, DOCUMENT_KEY, "string", "fts_index"):
                raise InvalidArgumentError("Cannot filter by document: the full-text search (FTS) index is disabled")


def _check_key(schema: Mapping[str, Json], key: str, literal: type) -> None:
    kind, index, name = _LITERALS[literal]
    if not _enabled(schema, key, kind, index):
        raise InvalidArgumentError(f"Cannot filter using metadata key '{key}' with type '{name}': its index is disabled")


def _enabled(schema: Mapping[str, Json], key: str, kind: str, index: str) -> bool:
    own = schema["keys"].get(key, {}).get(kind, {}).get(index)
    found: dict[str, Json] = own if own is not None else schema["defaults"][kind][index]
    return bool(found["enabled"])


def full_text_enabled(schema: Mapping[str, Json]) -> bool:
    """Whether documents may be searched by text at all."""
    return _enabled(schema, DOCUMENT_KEY, "string", "fts_index")


def sparse_weighting(schema: Mapping[str, Json], key: str) -> bool:
    """Whether a search by sparse vector under ``key`` weights terms by their rarity (BM25).

    :raises InvalidArgumentError: the key has no sparse index, or a disabled one.
    """
    if not _enabled(schema, key, "sparse_vector", "sparse_vector_index"):
        raise InvalidArgumentError(f"Cannot filter using metadata key '{key}' with type 'SparseVector': its index is disabled")
    own = schema["keys"].get(key, {}).get("sparse_vector", {}).get("sparse_vector_index")
    return bool((own or schema["defaults"]["sparse_vector"]["sparse_vector_index"])["config"].get("bm25"))
