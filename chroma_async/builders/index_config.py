"""What can be said of one index of a schema, in chromadb's classes and fields. ``None`` leaves a field to the store."""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeVar, dataclass_transform

from chroma_async.embedding.protocol import describe, function_name
from chroma_async.errors import ValidationError
from chroma_async.plain import plain_json, plain_scalar, shown
from chroma_async.refusing import guarded_class
from chroma_async.types import DOCUMENT_KEY, Json, Space

_T = TypeVar("_T", bound=type[Any])

_SPACES = tuple(space.value for space in Space)


@dataclass_transform(kw_only_default=True, field_specifiers=(field,))
def _config(cls: _T) -> _T:
    """A dataclass whose constructor takes fields by name, and refuses others with a ValidationError as it refuses bad values."""
    made: Any = dataclass(kw_only=True)(cls)  # changed in place: it is cls
    names = [item.name for item in fields(made)]
    generated = made.__init__

    @functools.wraps(generated)
    def init(self: Any, **given: Any) -> None:
        unknown = given.keys() - set(names) - cls.store_fields
        if unknown:
            named, known = ", ".join(map(repr, sorted(unknown))), ", ".join(names) or "none"
            raise ValidationError(f"{cls.__name__} has no field {named}, and no extra fields are permitted; it has {known}")
        generated(self, **{name: value for name, value in given.items() if name in names})
        self.check()

    made.__init__ = init
    guarded_class(cls)  # in place too
    return cls


class IndexConfig:
    """The configuration of one index."""

    #: Fields of the store's own that its schemas may show; they are read over.
    store_fields: ClassVar[frozenset[str]] = frozenset()

    def check(self) -> None:
        """:raises ValidationError: a field's value cannot be meant."""

    def to_json(self) -> dict[str, Json]:
        """The ``config`` member of the index in a schema's JSON."""
        return {}


@_config
class FtsIndexConfig(IndexConfig):
    """Full-text search over documents."""


@_config
class StringInvertedIndexConfig(IndexConfig):
    """Filters on strings."""


@_config
class IntInvertedIndexConfig(IndexConfig):
    """Filters on integers."""


@_config
class FloatInvertedIndexConfig(IndexConfig):
    """Filters on floats."""


@_config
class BoolInvertedIndexConfig(IndexConfig):
    """Filters on booleans."""


class _Numbers:
    """A block of numbers: all integers, but for those in ``floats``."""

    store_fields: ClassVar[frozenset[str]] = frozenset()
    floats: ClassVar[frozenset[str]] = frozenset()

    def check(self) -> None:
        """:raises ValidationError: a field is no number of its kind."""
        for item in fields(self):  # type: ignore[arg-type]
            value = getattr(self, item.name)
            if value is None:
                continue
            number = plain_json(value, f"{type(self).__name__}.{item.name}")
            if isinstance(number, bool) or not isinstance(number, int | float):
                raise ValidationError(f"{type(self).__name__}.{item.name}: expected a number, got {shown(value)}")
            if item.name not in self.floats:
                if number != int(number):
                    raise ValidationError(f"{type(self).__name__}.{item.name}: expected a whole number, got {shown(value)}")
                number = int(number)
            setattr(self, item.name, number)

    def to_json(self) -> dict[str, Json]:
        """The fields that are set."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}  # type: ignore[arg-type]
        return {name: value for name, value in values.items() if value is not None}


@_config
class HnswIndexConfig(_Numbers):
    """How a graph is built and searched."""

    floats: ClassVar[frozenset[str]] = frozenset({"resize_factor"})

    ef_construction: int | None = None
    max_neighbors: int | None = None
    ef_search: int | None = None
    num_threads: int | None = None
    batch_size: int | None = None
    sync_threshold: int | None = None
    resize_factor: float | None = None


@_config
class SpannIndexConfig(_Numbers):
    """How Chroma's distributed index is built and searched. Accepted everywhere; a single node makes a graph of it."""

    store_fields: ClassVar[frozenset[str]] = frozenset({
        "search_rng_factor", "search_rng_epsilon", "nreplica_count", "write_rng_factor", "write_rng_epsilon", "num_samples_kmeans",
        "initial_lambda", "num_centers_to_merge_to", "center_drift_threshold", "quantize",
    })  # fmt: skip

    search_nprobe: int | None = None
    write_nprobe: int | None = None
    ef_construction: int | None = None
    ef_search: int | None = None
    max_neighbors: int | None = None
    reassign_neighbor_count: int | None = None
    split_threshold: int | None = None
    merge_threshold: int | None = None


def _default_function() -> Any:
    from chroma_async.embedding.default import DefaultEmbeddingFunction

    return DefaultEmbeddingFunction()


@_config
class VectorIndexConfig(IndexConfig):
    """The index of the collection's vectors.

    :param embedding_function: what embeds documents and queries; chromadb's default function when it is not given.
    :param source_key: what is embedded when a write brings no vectors. The store knows ``#document`` only.
    """

    space: str | None = None
    embedding_function: Any = field(default_factory=_default_function)
    source_key: str | None = None
    hnsw: HnswIndexConfig | None = None
    spann: SpannIndexConfig | None = None

    def check(self) -> None:
        space = None if self.space is None else str(plain_scalar(self.space))
        if space is not None and space not in _SPACES:
            raise ValidationError(f"space: expected one of {', '.join(_SPACES)}, got {shown(self.space)}")
        self.space = space
        self.source_key = _source_key(self.source_key)
        _check_callable(self.embedding_function)
        self.hnsw = _block(self.hnsw, HnswIndexConfig)
        self.spann = _block(self.spann, SpannIndexConfig)

    def to_json(self) -> dict[str, Json]:
        described = {"type": "legacy"} if self.embedding_function is None else describe(self.embedding_function)
        plain = {"space": self._space(), "source_key": self.source_key, "embedding_function": described}
        blocks = {name: block.to_json() for name, block in (("hnsw", self.hnsw), ("spann", self.spann)) if block is not None}
        return {name: value for name, value in plain.items() if value is not None} | blocks

    def _space(self) -> str | None:
        """The one that is set, else the one that a named function prefers."""
        if self.embedding_function is None or function_name(self.embedding_function) is None:
            return self.space
        function = self.embedding_function
        if self.space is None:
            return str(plain_scalar(function.default_space())) if callable(getattr(function, "default_space", None)) else None
        told = function.supported_spaces() if hasattr(function, "supported_spaces") else _SPACES
        supported = [str(plain_scalar(space)) for space in told]
        if self.space not in supported:
            name = function_name(function)
            warnings.warn(f"the vectors of {name!r} are made for {', '.join(supported)}, not for {self.space}", UserWarning, stacklevel=4)
        return self.space


@_config
class SparseVectorIndexConfig(IndexConfig):
    """The index of sparse vectors under one metadata key.

    :param embedding_function: what makes them from texts; without one, writes and queries bring them.
    :param source_key: the text: ``#document``, or a metadata key. :param bm25: whether values are weighted as BM25 does.
    """

    store_fields: ClassVar[frozenset[str]] = frozenset({"algorithm"})

    embedding_function: Any = None
    source_key: str | None = None
    bm25: bool | None = None

    def check(self) -> None:
        self.source_key = _source_key(self.source_key)
        _check_callable(self.embedding_function)
        if self.bm25 is not None and not isinstance(self.bm25, bool):
            raise ValidationError(f"bm25: expected true or false, got {shown(self.bm25)}")

    def to_json(self) -> dict[str, Json]:
        described = {"type": "unknown"} if self.embedding_function is None else describe(self.embedding_function)
        plain = {"source_key": self.source_key, "bm25": self.bm25}
        return {"embedding_function": described} | {name: value for name, value in plain.items() if value is not None}


def key_name(key: Any, what: str = "key") -> str | None:
    """``key`` as text: a string, or the name of a ``Key`` (chromadb's too). :raises ValidationError: neither."""
    if key is None:
        return None
    name = plain_scalar(key if isinstance(key, str) else getattr(key, "name", None))
    if type(name) is not str:
        raise ValidationError(f"{what} must be str or Key, got {shown(key)} of type {type(key).__name__}")
    return name


def _source_key(value: Any) -> str | None:
    name = key_name(value, "source_key")
    if name is not None and name.startswith("#") and name != DOCUMENT_KEY:
        raise ValidationError(f"source_key cannot begin with '#', unless it is {DOCUMENT_KEY!r}; got {name!r}")
    return name


def _check_callable(function: Any) -> None:
    if function is not None and not callable(function):
        raise ValidationError(f"embedding_function must be callable or None, got {shown(function)}")


def _block(value: Any, kind: type[Any]) -> Any:
    """``value`` as a block of numbers: one already, or a dict of its fields. :raises ValidationError: neither."""
    if value is None or isinstance(value, kind):
        return value
    if isinstance(value, dict):
        return kind(**value)
    raise ValidationError(f"expected {kind.__name__}, got {shown(value)}")
