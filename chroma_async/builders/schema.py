"""Schema: which indexes a collection has, by value type and by metadata key, built step by step as with chromadb's class.

::

    schema = Schema()
    schema.create_index(VectorIndexConfig(space="cosine")).delete_index(StringInvertedIndexConfig(), key="note")

``defaults`` hold for every metadata key without an entry in ``keys``. Of each value type, an index that is absent is left to the store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, Self, TypeVar

from chroma_async.builders.cmek import Cmek
from chroma_async.builders.index_config import (
    BoolInvertedIndexConfig,
    FloatInvertedIndexConfig,
    FtsIndexConfig,
    IndexConfig,
    IntInvertedIndexConfig,
    SparseVectorIndexConfig,
    StringInvertedIndexConfig,
    VectorIndexConfig,
    key_name,
)
from chroma_async.embedding.missing_function import build_dense, build_sparse
from chroma_async.embedding.protocol import described_name
from chroma_async.errors import ValidationError, ValidationTypeError
from chroma_async.refusing import guarded_class
from chroma_async.types import DOCUMENT_KEY, EMBEDDING_KEY, Json

C = TypeVar("C", bound=IndexConfig)
#: Makes a function from its stored description.
Build = Callable[[Mapping[str, Json]], Any]


@dataclass
class Index(Generic[C]):
    """One index: whether it is kept, and how."""

    enabled: bool
    config: C


@dataclass
class StringIndexes:
    """What strings may be looked up by."""

    fts_index: Index[FtsIndexConfig] | None = None
    string_inverted_index: Index[StringInvertedIndexConfig] | None = None


@dataclass
class FloatListIndexes:
    """What vectors may be looked up by."""

    vector_index: Index[VectorIndexConfig] | None = None


@dataclass
class SparseVectorIndexes:
    """What sparse vectors may be looked up by."""

    sparse_vector_index: Index[SparseVectorIndexConfig] | None = None


@dataclass
class IntIndexes:
    """What integers may be looked up by."""

    int_inverted_index: Index[IntInvertedIndexConfig] | None = None


@dataclass
class FloatIndexes:
    """What floats may be looked up by."""

    float_inverted_index: Index[FloatInvertedIndexConfig] | None = None


@dataclass
class BoolIndexes:
    """What booleans may be looked up by."""

    bool_inverted_index: Index[BoolInvertedIndexConfig] | None = None


@dataclass
class ValueTypes:
    """The indexes of one metadata key, by the type of its values."""

    string: StringIndexes | None = None
    float_list: FloatListIndexes | None = None
    sparse_vector: SparseVectorIndexes | None = None
    int_value: IntIndexes | None = None
    float_value: FloatIndexes | None = None
    boolean: BoolIndexes | None = None


class _Place(NamedTuple):
    """Where an index stands: attribute of ValueTypes, its class, the name in JSON, and the index's name in both."""

    attribute: str
    holder: type[Any]
    value_type: str
    index_name: str


_PLACES: dict[type[IndexConfig], _Place] = {
    FtsIndexConfig: _Place("string", StringIndexes, "string", "fts_index"),
    StringInvertedIndexConfig: _Place("string", StringIndexes, "string", "string_inverted_index"),
    VectorIndexConfig: _Place("float_list", FloatListIndexes, "float_list", "vector_index"),
    SparseVectorIndexConfig: _Place("sparse_vector", SparseVectorIndexes, "sparse_vector", "sparse_vector_index"),
    IntInvertedIndexConfig: _Place("int_value", IntIndexes, "int", "int_inverted_index"),
    FloatInvertedIndexConfig: _Place("float_value", FloatIndexes, "float", "float_inverted_index"),
    BoolInvertedIndexConfig: _Place("boolean", BoolIndexes, "bool", "bool_inverted_index"),
}


def _put(types: ValueTypes, config: IndexConfig, enabled: bool) -> None:
    place = _PLACES[type(config)]
    if getattr(types, place.attribute) is None:
        setattr(types, place.attribute, place.holder())
    setattr(getattr(types, place.attribute), place.index_name, Index(enabled, config))


@guarded_class
@dataclass(init=False)
class Schema:
    """Starts as the store's own defaults. Every method that changes it returns it.

    The refusals are :class:`~chroma_async.errors.ValidationError`, a ValueError.
    """

    defaults: ValueTypes = field()
    keys: dict[str, ValueTypes] = field()
    cmek: Cmek | None = field()

    def __init__(self) -> None:
        self.defaults = ValueTypes()
        for config in _PLACES:
            _put(self.defaults, config(), config not in (FtsIndexConfig, VectorIndexConfig, SparseVectorIndexConfig))
        self.keys = {DOCUMENT_KEY: ValueTypes(), EMBEDDING_KEY: ValueTypes()}
        _put(self.keys[DOCUMENT_KEY], FtsIndexConfig(), True)
        _put(self.keys[DOCUMENT_KEY], StringInvertedIndexConfig(), False)
        _put(self.keys[EMBEDDING_KEY], VectorIndexConfig(source_key=DOCUMENT_KEY), True)
        self.cmek = None

    def create_index(self, config: IndexConfig | None = None, key: Any = None) -> Self:
        """Keep an index: for ``key`` (a str or Key), or wherever no key says otherwise.

        A vector index is given without a key, full text with the key ``#document``, a sparse index (there can be one) with its own key.

        :raises ValidationError: anything else. :raises ValidationTypeError: ``config`` is no index configuration.
        """
        name = self._checked(config, key, "create")
        assert config is not None
        if isinstance(config, VectorIndexConfig):
            self._set_vector_index(config, name)
        elif isinstance(config, FtsIndexConfig) and name != DOCUMENT_KEY:
            raise ValidationError(f"FTS index can only be enabled on {DOCUMENT_KEY} key, got {name!r}")
        elif isinstance(config, SparseVectorIndexConfig):
            self._set_sparse_index(config, name)
        else:
            self._set(config, name, True)
        return self

    def delete_index(self, config: IndexConfig | None = None, key: Any = None) -> Self:
        """Keep no such index: for ``key``, or wherever no key says otherwise.

        :raises ValidationError: vector and sparse indexes cannot be dropped, full text on ``#document`` only.
        :raises ValidationTypeError: ``config`` is no index configuration.
        """
        name = self._checked(config, key, "delete")
        assert config is not None
        if isinstance(config, VectorIndexConfig | SparseVectorIndexConfig):
            noun = "vector" if isinstance(config, VectorIndexConfig) else "sparse vector"
            raise ValidationError(f"Deleting {noun} index is not currently supported")
        if isinstance(config, FtsIndexConfig) and name != DOCUMENT_KEY:
            raise ValidationError(f"Deleting FTS index is only supported on {DOCUMENT_KEY} key, got {name!r}")
        self._set(config, name, False)
        return self

    def set_cmek(self, cmek: Cmek | None) -> Self:
        """Encrypt with this key; ``None`` with none of the customer's."""
        self.cmek = cmek
        return self

    @staticmethod
    def _checked(config: IndexConfig | None, key: Any, verb: str) -> str | None:
        """The key's name, when both arguments can be meant."""
        name = key_name(key)
        if config is None:
            able = "enable" if verb == "create" else "disable"
            globally = "all index types globally" if verb == "create" else "all indexes"
            what = f"all index types for key {name!r}" if name is not None else globally
            raise ValidationError(f"Cannot {able} {what}: give the config that is meant")
        if type(config) not in _PLACES:
            raise ValidationTypeError(f"config: expected an index configuration, got {config!r} of type {type(config).__name__}")
        if name is not None and name.startswith("#"):
            if name == EMBEDDING_KEY:
                cannot = "Cannot create index on special key '#embedding'" if verb == "create" else "Cannot modify #embedding"
                raise ValidationError(f"{cannot}, which is the store's own; give VectorIndexConfig without a key instead")
            if name != DOCUMENT_KEY:
                raise ValidationError(f"key cannot begin with '#': {name!r}")
            if not isinstance(config, FtsIndexConfig):
                raise ValidationError(f"Cannot {verb} index on special key {DOCUMENT_KEY!r}, which can have no index but FtsIndexConfig's")
        return name

    def _set(self, config: IndexConfig, name: str | None, enabled: bool) -> None:
        _put(self.defaults if name is None else self.keys.setdefault(name, ValueTypes()), config, enabled)

    def _set_vector_index(self, config: VectorIndexConfig, name: str | None) -> None:
        """Both in the defaults and for ``#embedding``, where it is enabled and keeps its source."""
        if name is not None:
            raise ValidationError(f"Vector index cannot be enabled on specific keys, got {name!r}; leave the key out")
        own = _index(self.keys.setdefault(EMBEDDING_KEY, ValueTypes()), VectorIndexConfig)
        by_default = _index(self.defaults, VectorIndexConfig)
        _put(self.defaults, config, by_default is not None and by_default.enabled)
        copied = VectorIndexConfig(
            space=config.space,
            embedding_function=config.embedding_function,
            source_key=DOCUMENT_KEY if own is None else own.config.source_key,
            hnsw=config.hnsw,
            spann=config.spann,
        )
        _put(self.keys[EMBEDDING_KEY], copied, own is None or own.enabled)

    def _set_sparse_index(self, config: SparseVectorIndexConfig, name: str | None) -> None:
        if name is None:
            raise ValidationError("Sparse vector index must be created on a specific key; give the key that it is for")
        if config.source_key is not None and config.embedding_function is None:
            raise ValidationError("source_key says what to embed, so embedding_function must say how")
        self._set(config, name, True)

    def serialize_to_json(self) -> dict[str, Json]:
        """The schema as it travels: ``{"defaults", "keys"}``, and ``"cmek"`` when there is one."""
        keys = {key: _types_to_json(types) for key, types in self.keys.items()}
        cmek = {} if self.cmek is None else {"cmek": self.cmek.to_dict()}
        return {"defaults": _types_to_json(self.defaults), "keys": keys, **cmek}

    @classmethod
    def deserialize_from_json(cls, json_data: Mapping[str, Json]) -> Self:
        """The schema that a store returned. Functions that it names and nobody registered are kept, and fail when they are called.

        :raises ValidationError: a configuration with a field that none has.
        """
        return cls.read(json_data, build_dense, build_sparse)

    @classmethod
    def read(cls, json_data: Mapping[str, Json], dense: Build, sparse: Build) -> Self:
        """As :meth:`deserialize_from_json`, with the functions that ``dense`` and ``sparse`` make of their descriptions."""
        made = cls.__new__(cls)
        made.defaults = _types_from_json(json_data.get("defaults") or {}, dense, sparse)
        made.keys = {key: _types_from_json(types or {}, dense, sparse) for key, types in (json_data.get("keys") or {}).items()}
        cmek = json_data.get("cmek")
        made.cmek = None if cmek is None else Cmek.from_dict(cmek)
        return made


def _index(types: ValueTypes, kind: type[C]) -> Index[C] | None:
    place = _PLACES[kind]
    holder = getattr(types, place.attribute)
    return None if holder is None else getattr(holder, place.index_name)


def _types_to_json(types: ValueTypes) -> dict[str, Json]:
    result: dict[str, Json] = {}
    for kind, place in _PLACES.items():
        if getattr(types, place.attribute) is None:
            continue
        indexes = result.setdefault(place.value_type, {})
        index = _index(types, kind)
        if index is not None:
            indexes[place.index_name] = {"enabled": index.enabled, "config": index.config.to_json()}
    return result


def _types_from_json(data: Mapping[str, Json], dense: Build, sparse: Build) -> ValueTypes:
    types = ValueTypes()
    for kind, place in _PLACES.items():
        if data.get(place.value_type) is None:
            continue
        if getattr(types, place.attribute) is None:
            setattr(types, place.attribute, place.holder())
        index = data[place.value_type].get(place.index_name)
        if index is not None:
            given = dict(index.get("config") or {})
            if "embedding_function" in given:
                build = sparse if kind is SparseVectorIndexConfig else dense
                described = given["embedding_function"]
                given["embedding_function"] = build(described) if described_name(described) is not None else None
            _put(types, kind(**given), bool(index.get("enabled", True)))
    return types
