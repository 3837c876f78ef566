"""The embedding functions of collections: what a collection's configuration says of its own, and how it is called.

A function is any callable that takes a list and gives one vector per item: plain or ``async def``, or an object of the protocol in
:mod:`chroma_async.embedding.protocol`, which is chromadb's. Plain ones run in a thread.

The configuration that a server hands out is data and stays data: it chooses among the classes that are built in or that the application
registered, and :mod:`chroma_async.embedding.secrets` says what a function made from it may reach. Nothing is downloaded because of it.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from chroma_async.client.configuration_keys import check_keys
from chroma_async.client.validate import check_embeddings, converting_us
from chroma_async.costs import by_cost
from chroma_async.embedding.missing_function import MissingFunction
from chroma_async.embedding.pool import FunctionPool
from chroma_async.embedding.protocol import describe, described_name, function_name
from chroma_async.errors import EmbeddingError, ValidationError, ValidationTypeError
from chroma_async.plain import fields_of, plain_json, plain_scalar, shown
from chroma_async.refusing import calling, guarded
from chroma_async.threads import Lane, is_signal
from chroma_async.types import CollectionInfo, Floats, Json

#: Takes texts (or images), gives vectors, or an awaitable of vectors.
AnyFunction: TypeAlias = Callable[..., Any]
#: Takes uris, gives what they stand for, one each, or an awaitable of that.
DataLoader: TypeAlias = Callable[[list[str | None]], Any]

#: Where schemas keep the collection's vector index, the first place first.
_VECTOR_INDEX = (("keys", "#embedding", "float_list", "vector_index"), ("defaults", "float_list", "vector_index"))
DEFAULT_NAME = "default"


def persisted(info: CollectionInfo) -> dict[str, Json] | None:
    """The description in a collection's configuration, else the one in its schema."""
    places = [info.configuration, *(_inside(info.schema, (*path, "config")) for path in _VECTOR_INDEX)]
    found = (place.get("embedding_function") for place in places if isinstance(place, Mapping))
    return next((description for description in found if isinstance(description, dict)), None)


def _inside(value: Any, path: Sequence[str]) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def check_function(function: Any) -> AnyFunction | None:
    """:raises ValidationTypeError: it cannot be called."""
    if function is not None and not callable(function):
        raise ValidationTypeError(f"embedding_function: expected a callable, got {shown(function)} of type {type(function).__name__}")
    return function  # type: ignore[no-any-return]


def check_conflict(info: CollectionInfo, function: AnyFunction | None) -> None:
    """:raises ValidationError: ``function`` has a name, and it is not the one that the collection was made with.

    The name ``default`` is no choice: with chromadb's clients it stands for no argument.
    """
    name, stored = function_name(function), described_name(persisted(info))
    if stored is not None and name not in (None, DEFAULT_NAME, stored):
        raise ValidationError(
            f"An embedding function already exists in the configuration of collection {info.name!r}. "
            f"Embedding function conflict: new: {name} vs persisted: {stored}. "
            "Embed with the new one yourself and pass embeddings if that is what you want"
        )


def settings_to_create(
    schema: Any, configuration: Any, metadata: Mapping[str, Any] | None, function: AnyFunction | None
) -> tuple[dict[str, Json] | None, dict[str, Json] | None, AnyFunction | None]:
    """The configuration and the schema to send, and the function to use: the argument, else the one in ``configuration`` or ``schema``.

    A named function also chooses the space, unless something given does. A store takes a schema or a configuration; with a schema the
    function is described there.

    :raises ValidationError: two functions of different names, or a key that has no effect. :raises ValidationTypeError: no dict, no schema.
    """
    given = as_dict(configuration)
    check_keys(given)
    function = _one_function(function, given.get("embedding_function"))
    sent = _schema_json(schema)
    if sent is not None and "key_overrides" not in sent:
        function, described = _with_schema(schema, sent, function)
        plain = {name: value for name, value in given.items() if name != "embedding_function" or isinstance(value, Mapping)}
        return plain or None, described, function
    if configuration is None and function is None:
        return None, sent, None
    inside = given.get("embedding_function")
    result = {**given, "hnsw": given.get("hnsw"), "spann": given.get("spann"), "embedding_function": inside}
    if function is not None:
        result["embedding_function"] = _described(function)
        _choose_space(result, metadata, function)
    return result, sent, function


def _one_function(function: AnyFunction | None, inside: Any) -> AnyFunction | None:
    """The function that is meant by an argument and by the ``embedding_function`` of a configuration, if that is an object."""
    if inside is None or isinstance(inside, Mapping):
        return function
    check_function(inside)
    if function is None or function_name(function) == DEFAULT_NAME:
        return inside  # type: ignore[no-any-return]
    if function_name(function) != function_name(inside):
        raise _several(function_name(function), function_name(inside), "configuration")
    return function


def _several(first: str | None, second: str | None, place: str) -> ValidationError:
    return ValidationError(
        f"Multiple embedding functions provided. Embedding function conflict: {first} as argument vs {second} in the {place}; pass one"
    )


def _schema_json(schema: Any) -> dict[str, Json] | None:
    """:raises ValidationTypeError: neither a dict nor an object with ``serialize_to_json``."""
    serialize = getattr(schema, "serialize_to_json", None)
    form = serialize() if callable(serialize) else schema
    if form is not None and not isinstance(form, Mapping):
        raise ValidationTypeError(f"schema: expected a dict or a Schema, got {shown(schema)}")
    return None if form is None else plain_json(form, "schema")


def _with_schema(schema: Any, sent: dict[str, Json], function: AnyFunction | None) -> tuple[AnyFunction | None, dict[str, Json]]:
    """The function to use, and the schema that describes it."""
    config = _vector_config(schema)
    own = getattr(config, "embedding_function", None)
    stored = described_name(_inside(sent, (*_VECTOR_INDEX[0], "config", "embedding_function")))
    if function is None:
        # One with a name is found by it, as in every later opening of the collection; so chromadb's default, which downloads, is ours.
        return (own if callable(own) and function_name(own) is None else None), sent
    if stored not in (None, DEFAULT_NAME):
        if function_name(function) != stored:
            raise _several(function_name(function), stored, "schema")
        return function, sent
    described = copy.deepcopy(sent)
    unsaid = config is not None and getattr(config, "space", None) is None
    for path in _VECTOR_INDEX:
        inside = _index_config(described, path)
        inside["embedding_function"] = _described(function)
        if unsaid or "space" not in inside:
            inside.pop("space", None)
            inside.update(_preferred_space(function))
    return function, described


def _index_config(schema: dict[str, Json], path: Sequence[str]) -> dict[str, Json]:
    """The configuration of the vector index at a path of a schema, which is made where it is missing."""
    index = schema
    for step in path:
        index = index.setdefault(step, {})
    by_key = path[0] == "keys"
    index.setdefault("enabled", by_key)
    config: dict[str, Json] = index.setdefault("config", {})
    if by_key:
        config.setdefault("source_key", "#document")
    return config


def _preferred_space(function: AnyFunction) -> dict[str, Json]:
    """The space that a function with a name prefers, if it says so."""
    preferred = getattr(function, "default_space", None)
    if function_name(function) is None or not callable(preferred):
        return {}
    return {"space": str(plain_scalar(preferred()))}


def _vector_config(schema: Any) -> Any:
    """The configuration of the vector index in a schema that is an object, chromadb's or ours."""
    types = getattr(schema, "keys", None)
    index = getattr(getattr(types.get("#embedding"), "float_list", None), "vector_index", None) if isinstance(types, dict) else None
    return getattr(index, "config", None)


def functions_in(schema: Any) -> Iterator[AnyFunction]:
    """The function objects that a schema brings, for vectors and for sparse vectors."""
    types = getattr(schema, "keys", None)
    for value_types in types.values() if isinstance(types, dict) and not isinstance(schema, Mapping) else ():
        for kind, name in (("float_list", "vector_index"), ("sparse_vector", "sparse_vector_index")):
            config = getattr(getattr(getattr(value_types, kind, None), name, None), "config", None)
            function = getattr(config, "embedding_function", None)
            if callable(function) and not isinstance(function, MissingFunction):
                yield function


def _choose_space(configuration: dict[str, Json], metadata: Mapping[str, Any] | None, function: AnyFunction) -> None:
    if "hnsw:space" in (metadata or {}):
        return
    kind = "spann" if configuration["spann"] else "hnsw"
    chosen = configuration[kind] or {}
    if isinstance(chosen, Mapping) and not chosen.get("space") and (preferred := _preferred_space(function)):
        configuration[kind] = {**chosen, **preferred}


def configuration_to_update(info: CollectionInfo, configuration: Any) -> tuple[dict[str, Json] | None, AnyFunction | None]:
    """The new configuration to send, and the function object inside it, if any.

    :raises ValidationError: the function's name differs from the one that the collection was made with, or its vectors would.
    :raises ValidationTypeError: no dict.
    """
    if configuration is None:
        return None, None
    given = as_dict(configuration)
    check_keys(given, updating=True)
    function = given.get("embedding_function")
    if function is None or isinstance(function, Mapping):
        return given, None
    check_function(function)
    check_conflict(info, function)
    described, stored = _described(function), persisted(info)
    validate = getattr(function, "validate_config_update", None)
    if callable(validate) and stored is not None and described_name(stored) is not None and stored.get("config") != described.get("config"):
        validate(stored.get("config") or {}, described["config"])
    return {**given, "embedding_function": described}, function


def as_dict(configuration: Any) -> dict[str, Any]:
    """A configuration in plain values. The embedding function in it stays what it is when it is no description."""
    if configuration is None:
        return {}
    fields = fields_of(configuration, "configuration")
    if fields is None:
        raise ValidationTypeError(f"configuration: expected a dict, got {shown(configuration)} of type {type(configuration).__name__}")
    fields = {plain_scalar(name): value for name, value in fields.items()}
    inside = fields.get("embedding_function")
    if inside is None or isinstance(inside, Mapping):
        return plain_json(fields, "configuration")  # type: ignore[no-any-return]
    return {**plain_json({**fields, "embedding_function": None}, "configuration"), "embedding_function": inside}


def _described(function: AnyFunction) -> dict[str, Json]:
    """What is stored of a function. :raises ValidationError, ValidationTypeError: JSON cannot say its configuration."""
    return plain_json(describe(function), "embedding_function")  # type: ignore[no-any-return]


class Embedder:
    """The function of one collection: the one that was given, else the one that its configuration names."""

    def __init__(self, info: CollectionInfo, function: AnyFunction | None, functions: FunctionPool, lane: Lane) -> None:
        self._info = info
        self._functions = functions
        self._lane = lane
        #: The one that was given.
        self.function = function

    def known(self) -> AnyFunction | None:
        """The function, or ``None`` when there is none that can be made here."""
        description = persisted(self._info)
        chosen = function_name(self.function) != DEFAULT_NAME or described_name(description) in (None, DEFAULT_NAME)
        if self.function is not None and chosen:
            return self.function
        built = self._functions.dense(description) if description is not None and described_name(description) is not None else None
        return None if isinstance(built, MissingFunction) else built

    def resolve(self) -> AnyFunction:
        """:raises ValidationError: none was given, and the configuration names none that can be made here."""
        function = self.known()
        if function is not None:
            return function
        description = persisted(self._info)
        built = self._functions.dense(description) if description is not None and described_name(description) is not None else None
        which = "it has none configured"
        if isinstance(built, MissingFunction):
            which = f"its configuration names {built.name()!r}, which cannot be made here ({built.reason})"
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

    async def _embed(self, function: AnyFunction, values: Sequence[Any]) -> Floats:
        result = await call(function, list(values), self._lane)
        field = "the embedding function's result"
        vectors = await by_cost(self._lane.run, converting_us(result), check_embeddings, result, field)
        if len(vectors) != len(values):
            raise ValidationError(f"{field}: expected {len(values)} vectors, got {len(vectors)}")
        return vectors


@calling
async def call(function: Callable[[list[Any]], Any], values: list[Any], lane: Lane) -> Any:
    """``function(values)``: awaited when it is a coroutine function, in a thread when it is not. A result that comes piece by piece is
    collected in a thread.

    What the function raises goes through.

    :raises EmbeddingError: it raised what Python itself would misread on its way (see :func:`chroma_async.threads.is_signal`), such as
        StopIteration, or a CancelledError although nobody cancels the caller.
    """
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004
        result = await _awaited(function, function(values))
    else:
        result = await lane.run(_called, function, values)
        if inspect.isawaitable(result):
            result = await _awaited(function, result)
    return await lane.run(_collected, function, result) if _comes_in_pieces(result) else result


def _called(function: AnyFunction, values: list[Any]) -> Any:
    """In a thread."""
    with _naming_signals(function):
        result = function(values)
        return list(result) if _comes_in_pieces(result) else result


def _collected(function: AnyFunction, pieces: Iterator[Any]) -> list[Any]:
    """In a thread: a generator does its work only now."""
    with _naming_signals(function):
        return list(pieces)


def _comes_in_pieces(result: Any) -> bool:
    return isinstance(result, Iterator) and not inspect.isawaitable(result)


@contextmanager
def _naming_signals(function: AnyFunction) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        if is_signal(error):
            raise _ended(function, error) from error
        raise


async def _awaited(function: AnyFunction, result: Any) -> Any:
    if not inspect.isawaitable(result):
        return result  # whoever looks at it says what was expected
    try:
        return await result
    except StopAsyncIteration as error:
        raise _ended(function, error) from error
    except RuntimeError as error:
        if not isinstance(error.__cause__, StopIteration):
            raise
        # What Python makes of a coroutine that raises it.
        raise _ended(function, error.__cause__) from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Nobody cancels this task: the function waited for something that was cancelled.
        raise _ended(function, error) from error


def _ended(function: AnyFunction, error: BaseException) -> EmbeddingError:
    """The failure that stands for a signal of Python's."""
    owner = getattr(function, "__self__", function)
    name = getattr(owner, "__name__", type(owner).__name__)
    exhausted = isinstance(error, StopIteration | StopAsyncIteration)
    failure = EmbeddingError(
        f"{name} ended with {type(error).__name__} and gave no answer" + (": an iterator inside it has no more values" if exhausted else "")
    )
    failure.function = name
    return failure


@guarded
def one_for_each(given: Any, values: Sequence[Any], what: str) -> list[Any]:
    """What a caller's function gave for ``values``, as a list. :raises ValidationError: it is not one item for each of them."""
    try:
        following = None if isinstance(given, str | bytes | Mapping) else iter(given)
    except TypeError:
        following = None
    if following is None:
        raise ValidationError(f"the {what} gave {type(given).__name__}, expected a list of {len(values)} items, one for each it was given")
    items = list(following)
    if len(items) != len(values):
        raise ValidationError(f"the {what} gave {len(items)} items for {len(values)}")
    return items
