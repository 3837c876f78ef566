"""The keys of a collection's configuration, as callers write them: a key in the wrong place would be taken and do nothing.

Chroma's server ignores what it does not know beside ``hnsw``, ``spann`` and ``embedding_function``, so ``{"space": "cosine"}`` makes a
collection that ranks by l2. Our clients refuse it and name the right place. And ``get_or_create`` gives back a collection as it is: where
that differs from what was asked, they warn.
"""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from chroma_async.errors import IgnoredArgumentWarning, ValidationError
from chroma_async.plain import shown
from chroma_async.schema import hnsw, spann
from chroma_async.types import CollectionInfo, Json

_PLACES = ("hnsw", "spann", "embedding_function")
#: What people call options elsewhere: in hnswlib, in FAISS, in Chroma's metadata.
_OTHER_NAMES = {
    "M": "max_neighbors",
    "m": "max_neighbors",
    "construction_ef": "ef_construction",
    "efConstruction": "ef_construction",
    "search_ef": "ef_search",
    "efSearch": "ef_search",
    "ef": "ef_search",
    "distance": "space",
    "metric": "space",
}


def check_keys(configuration: Mapping[str, Any], *, updating: bool = False) -> None:
    """:param updating: it changes a collection that exists, which takes fewer options.
    :raises ValidationError: a key is unknown or in the wrong place; says what to write."""
    for key, value in configuration.items():
        if key not in _PLACES:
            raise ValidationError(f"configuration: {shown(key)} is no key of it and would have no effect; {_advice(key, value)}")
    for kind, fields, changing in (
        ("hnsw", hnsw.CREATE_FIELDS, hnsw.UPDATE_FIELDS),
        ("spann", spann.CREATE_FIELDS, spann.UPDATE_FIELDS),
    ):
        options = configuration.get(kind)
        for key in options if isinstance(options, Mapping) else ():
            if updating and key in fields and key not in changing:
                raise ValidationError(f"configuration.{kind}: {key} cannot be changed once the collection exists")
            if key not in fields:
                raise ValidationError(f"configuration.{kind}: {shown(key)} is no option of it; {_advice_inside(kind, key, fields)}")


def _advice(key: Any, value: Any) -> str:
    name = key.removeprefix("hnsw:") if isinstance(key, str) else ""
    option = _OTHER_NAMES.get(name, name)
    if option in hnsw.CREATE_FIELDS:
        return f'write {{"hnsw": {{"{option}": {shown(value)}}}}}'
    if option in spann.CREATE_FIELDS:
        return f'write {{"spann": {{"{option}": {shown(value)}}}}}'
    if near := difflib.get_close_matches(name.lower(), _PLACES, 1):
        return f'write "{near[0]}"'
    return f"expected {', '.join(_PLACES)}"


def _advice_inside(kind: str, key: Any, fields: tuple[str, ...]) -> str:
    if key == "embedding_function":
        return f'write {{"{kind}": {{...}}, "embedding_function": ...}}'
    name = key.removeprefix("hnsw:") if isinstance(key, str) else ""
    option = _OTHER_NAMES.get(name, name)
    near = [option] if option in fields else difflib.get_close_matches(name.lower(), fields, 1)
    return f'write "{near[0]}"' if near else f"expected one of {', '.join(fields)}"


def warn_of_differences(
    info: CollectionInfo, configuration: Mapping[str, Any], metadata: Mapping[str, Any] | None, schema: Mapping[str, Json] | None
) -> None:
    """Warn (:class:`~chroma_async.errors.IgnoredArgumentWarning`) of each index option that was asked for and that ``info``, the collection
    that ``get_or_create`` found, has another value of."""
    stored = (info.configuration or {}).get("hnsw") or {}
    for option, value in dict(_asked(configuration, metadata, schema)).items():
        if value is not None and option in stored and stored[option] != value:
            warnings.warn(
                f"collection {info.name!r} exists already with {option}={stored[option]!r}; "
                f"{option}={value!r} was asked for and is ignored",
                IgnoredArgumentWarning,
                stacklevel=4,
            )


def _asked(
    configuration: Mapping[str, Any], metadata: Mapping[str, Any] | None, schema: Mapping[str, Json] | None
) -> Iterator[tuple[str, Any]]:
    """The index options that arguments ask for, the weaker places first."""
    for key, value in (metadata or {}).items():
        if isinstance(key, str) and (option := hnsw.legacy_option(key)) is not None:
            yield option, value
    if schema is not None:
        config: Any = schema
        for step in ("keys", "#embedding", "float_list", "vector_index", "config"):
            config = config.get(step) if isinstance(config, Mapping) else None
        if isinstance(config, Mapping):
            yield "space", config.get("space")
    for kind in ("spann", "hnsw"):
        options = configuration.get(kind)
        if isinstance(options, Mapping):
            yield from ((option, value) for option, value in options.items() if kind == "hnsw" or option == "space")
