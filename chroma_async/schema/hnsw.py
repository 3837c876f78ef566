"""The eight options of the vector index: defaults, the spellings they come in, and how to read them back from stored JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from chroma_async.errors import InvalidArgumentError
from chroma_async.schema.json_shape import read_choice, read_fields, read_number, read_unsigned
from chroma_async.types import Json, Scalar, Space

#: Defaults of everything but ``num_threads``, which is the host's CPU count.
DEFAULTS: dict[str, Json] = {
    "space": "l2",
    "ef_construction": 100,
    "max_neighbors": 16,
    "ef_search": 100,
    "batch_size": 100,
    "sync_threshold": 1000,
    "resize_factor": 1.2,
}
SPACES = tuple(space.value for space in Space)
#: What a client may send where a collection is created, where it is modified, and inside a schema.
CREATE_FIELDS = (
    "space",
    "ef_construction",
    "ef_search",
    "max_neighbors",
    "num_threads",
    "resize_factor",
    "sync_threshold",
    "batch_size",
)
UPDATE_FIELDS = ("ef_search", "max_neighbors", "num_threads", "resize_factor", "sync_threshold", "batch_size")
SCHEMA_FIELDS = ("ef_construction", "max_neighbors", "ef_search", "num_threads", "batch_size", "sync_threshold", "resize_factor")
#: What ``configuration_json.hnsw`` shows.
SHOWN_FIELDS = ("space", "ef_construction", "ef_search", "max_neighbors", "resize_factor", "sync_threshold")
#: Below this, ``batch_size`` and ``sync_threshold`` are refused in a schema and in legacy metadata (not in a configuration).
SMALLEST_BATCH = 2

_LEGACY_PREFIX = "hnsw:"
_LEGACY = {
    "hnsw:space": "space",
    "hnsw:construction_ef": "ef_construction",
    "hnsw:search_ef": "ef_search",
    "hnsw:M": "max_neighbors",
    "hnsw:num_threads": "num_threads",
    "hnsw:resize_factor": "resize_factor",
    "hnsw:batch_size": "batch_size",
    "hnsw:sync_threshold": "sync_threshold",
}


def legacy_option(key: str) -> str | None:
    """The option that a collection's metadata key stands for, if it stands for one."""
    return _LEGACY.get(key)


def default_options(num_threads: int) -> dict[str, Json]:
    """All eight options."""
    return {**DEFAULTS, "num_threads": num_threads}


def read_options(value: Json, path: str, known: tuple[str, ...]) -> dict[str, Json]:
    """The options given, of those in ``known``; null means not given.

    :raises UnprocessableError: an unknown field, or a value of the wrong type.
    """
    options = read_fields(value, path, known)
    return {name: _read_option(name, option, f"{path}.{name}") for name, option in options.items()}


def _read_option(name: str, value: Json, path: str) -> Json:
    if name == "space":
        return read_choice(value, path, SPACES)
    if name == "resize_factor":
        return read_number(value, path)
    return read_unsigned(value, path)


def read_legacy_metadata(metadata: Mapping[str, Scalar] | None) -> dict[str, Json]:
    """The options that old clients put into collection metadata as ``hnsw:*`` keys.

    :raises InvalidArgumentError: an unknown ``hnsw:*`` key, or a value that does not fit.
    """
    found: dict[str, Json] = {}
    for key, value in (metadata or {}).items():
        if not key.startswith(_LEGACY_PREFIX):
            continue
        name = _LEGACY.get(key)
        if name is None or not _fits(name, value):
            raise InvalidArgumentError(f"Metadata key '{key}' is not a usable hnsw parameter: {value!r}")
        found[name] = float(value) if name == "resize_factor" else value
    return found


def _fits(name: str, value: Scalar) -> bool:
    if name == "space":
        return value in SPACES
    if isinstance(value, bool):
        return False
    if name == "resize_factor":
        return isinstance(value, int | float)
    smallest = SMALLEST_BATCH if name in ("batch_size", "sync_threshold") else 0
    return isinstance(value, int) and value >= smallest


def differs_from_default(options: Mapping[str, Json], num_threads: int | None = None) -> bool:
    """Whether any option given is not the default. ``num_threads`` is compared only when the host's count is passed."""
    return any(
        (value != num_threads if num_threads is not None else False) if name == "num_threads" else value != DEFAULTS[name]
        for name, value in options.items()
    )


@dataclass(frozen=True, slots=True)
class HnswOptions:
    """What the schema of a collection says about its vector index.

    The numbers are as clients gave them: any unsigned 64-bit value, 0 included. Who uses one clamps it to what makes sense there.
    """

    space: Space
    ef_construction: int
    ef_search: int
    max_neighbors: int
    num_threads: int
    batch_size: int
    sync_threshold: int
    resize_factor: float

    @classmethod
    def from_schema(cls, schema: Mapping[str, Json]) -> HnswOptions:
        """Read a stored schema. Options it lacks have their defaults; ``num_threads`` is then 0, the reader's choice."""
        config = embedding_index(schema)["config"]
        given = {**default_options(0), **config.get("hnsw", {})}
        given["space"] = Space(config.get("space", DEFAULTS["space"]))
        return cls(**{field.name: given[field.name] for field in fields(cls)})

    @property
    def explicit(self) -> frozenset[str]:
        """Names of the options that a user must have set, since they differ from the default. ``num_threads`` is never among them."""
        return frozenset(name for name, default in DEFAULTS.items() if getattr(self, name) != default)


def embedding_index(schema: Mapping[str, Json]) -> dict[str, Json]:
    """``{"enabled", "config"}`` of the index over embeddings in a stored schema."""
    index: dict[str, Json] = schema["keys"]["#embedding"]["float_list"]["vector_index"]
    return index
