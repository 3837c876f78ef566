"""``configuration``: the older of the two ways to set up a collection's index. It is folded into the schema and derived from it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chroma_async.errors import InvalidArgumentError
from chroma_async.schema import hnsw, spann
from chroma_async.schema.embedding import is_default_function, read_embedding_function
from chroma_async.schema.json_shape import read_object
from chroma_async.types import Json, Scalar


@dataclass(frozen=True, slots=True)
class Configuration:
    """What a request's ``configuration`` (or ``new_configuration``) gave; ``None`` where it gave nothing.

    ``hnsw`` and ``spann`` hold only the options that were given.
    """

    hnsw: dict[str, Json] | None = None
    spann: dict[str, Json] | None = None
    embedding_function: dict[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """A complete set of index options, as a configuration and legacy metadata make them together."""

    options: dict[str, Json]
    embedding_function: dict[str, Json] | None
    #: Whether this is what a collection gets that was created without saying anything.
    is_default: bool


def read_configuration(value: Json, path: str = "configuration") -> Configuration:
    """The ``configuration`` of a create request; null is an empty one.

    :raises UnprocessableError: the wrong shape.
    :raises InvalidArgumentError: both index kinds.
    """
    return _read(value, path, hnsw.CREATE_FIELDS, spann.CREATE_FIELDS)


def read_new_configuration(value: Json, path: str = "new_configuration") -> Configuration:
    """The ``new_configuration`` of a modify request: fewer options, and never the space. Errors as :func:`read_configuration`."""
    return _read(value, path, hnsw.UPDATE_FIELDS, spann.UPDATE_FIELDS)


def _read(value: Json, path: str, hnsw_fields: tuple[str, ...], spann_fields: tuple[str, ...]) -> Configuration:
    if value is None:
        return Configuration()
    given = read_object(value, path)
    graph, clusters, function = given.get("hnsw"), given.get("spann"), given.get("embedding_function")
    read = Configuration(
        None if graph is None else hnsw.read_options(graph, f"{path}.hnsw", hnsw_fields),
        None if clusters is None else spann.read_options(clusters, f"{path}.spann", spann_fields),
        None if function is None else read_embedding_function(function, f"{path}.embedding_function"),
    )
    if read.hnsw is not None and read.spann is not None:
        raise InvalidArgumentError(f"{path}: Multiple vector index configurations provided: hnsw and spann cannot both be provided")
    return read


def settle(configuration: Configuration, metadata: Mapping[str, Scalar] | None, num_threads: int) -> IndexSettings:
    """Fill in what a configuration leaves open.

    ``spann`` turns into the default HNSW options with its space, and legacy metadata is then not looked at. Otherwise ``hnsw:*``
    keys of the metadata are read, and count when the configuration says nothing that differs from the defaults.

    :raises InvalidArgumentError: an ``hnsw:*`` key is unknown or has a value that does not fit.
    """
    if configuration.spann is not None:
        given = {name: space for name, space in configuration.spann.items() if name == "space"}
    else:
        legacy = hnsw.read_legacy_metadata(metadata)
        given = configuration.hnsw or {}
        if not hnsw.differs_from_default(given, num_threads):
            given = legacy
    return IndexSettings(
        {**hnsw.default_options(num_threads), **given},
        configuration.embedding_function,
        not hnsw.differs_from_default(given, num_threads) and is_default_function(configuration.embedding_function),
    )


def configuration_json(schema: Mapping[str, Json]) -> dict[str, Json]:
    """``configuration_json`` of a collection, which says again what its schema says about the embeddings."""
    config = hnsw.embedding_index(schema)["config"]
    options = {**hnsw.DEFAULTS, **config.get("hnsw", {}), "space": config.get("space", hnsw.DEFAULTS["space"])}
    return {
        "hnsw": {name: options[name] for name in hnsw.SHOWN_FIELDS},
        "spann": None,
        "embedding_function": config.get("embedding_function"),
    }
