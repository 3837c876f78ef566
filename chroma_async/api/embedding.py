"""Embedding functions: what a collection's configuration says of them, and how they are called.

A function is any callable that takes a list and gives one vector per item: plain or ``async def``, or an object of chromadb's
``EmbeddingFunction`` protocol (``name``, ``get_config``, ``default_space``, ``embed_query``, ``build_from_config``). Plain ones run in a
thread.

The configuration that a server hands out is data and stays data: a function is rebuilt from it only when the application has registered a
class under that name with :func:`register_embedding_function`. Nothing is registered from the start, so nothing is ever imported or
downloaded because of what a collection says. chromadb's ``default`` function is no exception: pass one, or pass embeddings.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

from chroma_async.api.offload import Offload
from chroma_async.api.validate import check_embeddings, embedding_values
from chroma_async.errors import ValidationError, ValidationTypeError
from chroma_async.types import CollectionInfo, Floats, Json

#: Takes texts (or images), gives vectors, or an awaitable of vectors.
EmbeddingFunction: TypeAlias = Callable[..., Any]
#: Takes uris, gives what they stand for, one each, or an awaitable of that.
DataLoader: TypeAlias = Callable[[list[str | None]], Any]

LEGACY: dict[str, Json] = {"type": "legacy"}


class Buildable(Protocol):
    """A class of embedding functions that can be made again from the configuration it gave."""

    @staticmethod
    def name() -> str:
        """What the configuration calls it."""

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> Any:
        """A function like the one whose ``get_config`` gave ``config``."""


_B = TypeVar("_B", bound=type[Any])
_registered: dict[str, Any] = {}


def register_embedding_function(cls: _B) -> _B:
    """Class decorator: let collections whose configuration names this class use it without being given one.

    :raises ValidationTypeError: it has no ``name`` or no ``build_from_config``.
    """
    if not callable(getattr(cls, "name", None)) or not callable(getattr(cls, "build_from_config", None)):
        raise ValidationTypeError(f"{cls.__name__} needs static methods name() and build_from_config(config) to be registered")
    _registered[cls.name()] = cls
    return cls


def function_name(function: EmbeddingFunction) -> str | None:
    """The name under which it can be found again; ``None`` for a plain callable and what chromadb calls legacy."""
    name, config, legacy = (getattr(function, attribute, None) for attribute in ("name", "get_config", "is_legacy"))
    if not callable(name) or not callable(config) or (callable(legacy) and legacy()):
        return None
    found = name()
    return found if isinstance(found, str) else None


def describe(function: EmbeddingFunction) -> dict[str, Json]:
    """What the configuration keeps of it: name and configuration, or only that there is one."""
    name = function_name(function)
    if name is None:
        return dict(LEGACY)
    return {"type": "known", "name": name, "config": function.get_config()}  # type: ignore[attr-defined]


def persisted(info: CollectionInfo) -> dict[str, Json] | None:
    """The description in a collection's configuration, else the one in its schema."""
    description = info.configuration.get("embedding_function")
    if description is None:
        place: Any = info.schema
        for step in ("keys", "#embedding", "float_list", "vector_index", "config", "embedding_function"):
            place = place.get(step) if isinstance(place, Mapping) else None
        description = place
    return description if isinstance(description, dict) else None


def check_function(function: Any) -> EmbeddingFunction | None:
    """:raises ValidationTypeError: it cannot be called."""
    if function is not None and not callable(function):
        raise ValidationTypeError(f"embedding_function: expected a callable, got {function!r} of type {type(function).__name__}")
    return function  # type: ignore[no-any-return]


def check_conflict(info: CollectionInfo, function: EmbeddingFunction | None) -> None:
    """:raises ValidationError: ``function`` has a name, and it is not the one that the collection was made with."""
    name = function_name(function) if function is not None else None
    description = persisted(info)
    if name is not None and description is not None and description.get("type") == "known" and description.get("name") != name:
        raise ValidationError(
            f"An embedding function already exists in the configuration of collection {info.name!r}: {description.get('name')!r}, "
            f"and {name!r} was given; embed with it yourself and pass embeddings if that is what you want"
        )


def configuration_to_create(
    configuration: Any, metadata: Mapping[str, Any] | None, function: EmbeddingFunction | None
) -> tuple[dict[str, Json] | None, EmbeddingFunction | None]:
    """The configuration to send, and the function to use: the argument, or the object inside ``configuration``.

    A named function also chooses the space, unless the configuration or the legacy metadata key does.

    :raises ValidationError: two functions of different names. :raises ValidationTypeError: no dict.
    """
    if configuration is None and function is None:
        return None, None
    given = _as_dict(configuration)
    inside = given.get("embedding_function")
    if inside is not None and not isinstance(inside, Mapping):
        check_function(inside)
        if function is None or function_name(function) == "default":
            function = inside
        elif function_name(function) != function_name(inside):
            raise ValidationError(
                f"Multiple embedding functions provided: {function_name(function)!r} as argument and "
                f"{function_name(inside)!r} in the configuration; pass one"
            )
    result = {**given, "hnsw": given.get("hnsw"), "spann": given.get("spann"), "embedding_function": inside}
    if function is not None:
        result["embedding_function"] = describe(function)
        _choose_space(result, metadata, function)
    return result, function


def _choose_space(configuration: dict[str, Json], metadata: Mapping[str, Any] | None, function: EmbeddingFunction) -> None:
    default_space = getattr(function, "default_space", None)
    if function_name(function) is None or not callable(default_space) or "hnsw:space" in (metadata or {}):
        return
    kind = "spann" if configuration["spann"] else "hnsw"
    chosen = configuration[kind] or {}
    if isinstance(chosen, Mapping) and not chosen.get("space"):
        configuration[kind] = {**chosen, "space": str(default_space())}


def configuration_to_update(info: CollectionInfo, configuration: Any) -> tuple[dict[str, Json] | None, EmbeddingFunction | None]:
    """The new configuration to send, and the function object inside it, if any.

    :raises ValidationError: the function's name differs from the one that the collection was made with.
    :raises ValidationTypeError: no dict.
    """
    if configuration is None:
        return None, None
    given = _as_dict(configuration)
    function = given.get("embedding_function")
    if function is None or isinstance(function, Mapping):
        return given, None
    check_function(function)
    check_conflict(info, function)
    return {**given, "embedding_function": describe(function)}, function


def _as_dict(configuration: Any) -> dict[str, Any]:
    if configuration is None:
        return {}
    if not isinstance(configuration, Mapping):
        raise ValidationTypeError(f"configuration: expected a dict, got {configuration!r} of type {type(configuration).__name__}")
    return dict(configuration)


class Embedder:
    """The function of one collection: the one that was given, else the registered one that its configuration names."""

    def __init__(self, info: CollectionInfo, function: EmbeddingFunction | None, offload: Offload) -> None:
        self._info = info
        self._offload = offload
        self.function = function

    def resolve(self) -> EmbeddingFunction:
        """:raises ValidationError: none was given, and the configuration names none that the application has registered."""
        if self.function is None:
            self.function = self._build()
        return self.function

    def _build(self) -> EmbeddingFunction:
        description = persisted(self._info)
        name = description.get("name") if description is not None and description.get("type") == "known" else None
        if name in _registered and description is not None:
            built: EmbeddingFunction = _registered[name].build_from_config(description.get("config") or {})
            return built
        which = f"its configuration names {name!r}, which this application has not registered" if name else "it has none configured"
        raise ValidationError(
            f"collection {self._info.name!r} cannot embed: {which}. Pass embeddings, open the collection with "
            "embedding_function=<a callable that takes a list of texts and gives vectors>, or decorate its class with "
            "@chroma_async.register_embedding_function"
        )

    async def documents(self, values: Sequence[Any]) -> Floats:
        """One vector for each value, as ``(len(values), dimension)`` float32.

        :raises ValidationError: there is no function, or it gave something else than that. What the function raises goes through.
        """
        return await self._embed(self.resolve(), values)

    async def queries(self, values: Sequence[Any]) -> Floats:
        """As :meth:`documents`, by the function's ``embed_query`` where it has one."""
        function = self.resolve()
        embed_query = getattr(function, "embed_query", None)
        return await self._embed(embed_query if callable(embed_query) else function, values)

    async def _embed(self, function: EmbeddingFunction, values: Sequence[Any]) -> Floats:
        result = await call(function, list(values), self._offload)
        field = "the embedding function's result"
        vectors = await self._offload.by_size(embedding_values(result), check_embeddings, result, field)
        if len(vectors) != len(values):
            raise ValidationError(f"{field}: expected {len(values)} vectors, got {len(vectors)}")
        return vectors


async def call(function: Callable[[list[Any]], Any], values: list[Any], offload: Offload) -> Any:
    """``function(values)``: awaited when it is a coroutine function, in a thread when it is not."""
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004
        return await function(values)
    result = await offload.run(function, values)
    return await result if inspect.isawaitable(result) else result
