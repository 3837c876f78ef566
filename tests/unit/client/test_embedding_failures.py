"""Functions of the caller's inside our awaits: whatever they raise or return, the caller is answered and the threads go on."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
import pytest

import chroma_async.client.client as client_module
from chroma_async.client.client import AsyncClient
from chroma_async.client.collection import AsyncCollection
from chroma_async.errors import ChromaError, ClosedError, EmbeddingError, ValidationError
from chroma_async.threads import Lane
from tests.fakes.api import FakeAPI

PATIENCE_S = 10.0
WORKERS = 3


class Stubborn(Exception):
    """Neither copied nor pickled, and without the usual constructor."""

    def __init__(self, *, lock: Any) -> None:
        super().__init__("stubborn")
        self.lock = lock

    def __reduce__(self) -> Any:
        raise TypeError("cannot be pickled")


class Mute(Exception):
    """Says nothing of itself."""

    def __str__(self) -> str:
        raise ValueError("no words")

    __repr__ = __str__


class Refusal(ValidationError):
    """An error of the caller's that looks like one of ours, made in another way."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")


class Outcome(BaseException):
    """As test frameworks use it."""


class Exhausted(StopIteration):
    """Futures take it, and await would take it for a result."""


SIGNALS = [
    StopIteration(),
    Exhausted(3),
    StopAsyncIteration(),
    GeneratorExit(),
    asyncio.CancelledError(),
    KeyboardInterrupt(),
    SystemExit(2),
]
FAILURES = [Stubborn(lock=threading.Lock()), Mute(), Refusal("text", "too long"), Outcome(), MemoryError(), ChromaError("mine")]


def kind(error: Any) -> str:
    return type(error).__name__ if isinstance(error, BaseException) else getattr(error, "__name__", "")


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    async with AsyncClient(FakeAPI(), lane=Lane("client", WORKERS)) as opened:
        yield opened


def plain(error: BaseException) -> Callable[[Any], Any]:
    def function(values: Any) -> Any:
        raise error

    return function


def lazy(error: BaseException) -> Callable[[Any], Any]:
    def function(values: Any) -> Iterator[Any]:
        class Pieces:
            def __iter__(self) -> Any:
                return self

            def __next__(self) -> Any:
                raise error

        return Pieces()

    return function


def promising(error: BaseException) -> Callable[[Any], Any]:
    return lambda values: awaiting(error)(values)


def awaiting(error: BaseException) -> Callable[[Any], Any]:
    async def function(values: Any) -> Any:
        await asyncio.sleep(0)
        raise error

    return function


async def answered(collection: AsyncCollection, verb: str) -> BaseException | None:
    """What the caller gets, in its own task, as some of these would stop the loop when a task ended with them."""
    calls = {
        "add": lambda: collection.add(ids=["a"], documents=["text"]),
        "query": lambda: collection.query(query_texts="text"),
        "load": lambda: collection.add(ids=["a"], uris=["uri"]),
        "data": lambda: collection.get(include=["data"]),
    }
    try:
        async with asyncio.timeout(PATIENCE_S):
            await calls[verb]()
    except BaseException as error:
        return error
    return None


async def open_with(client: AsyncClient, function: Callable[[Any], Any], verb: str) -> AsyncCollection:
    loads = verb in ("load", "data")
    return await client.get_or_create_collection(
        "docs", embedding_function=vectors if loads else function, data_loader=function if loads else None
    )


def vectors(values: Any) -> Any:
    return np.ones((len(values), 2))


async def works(client: AsyncClient) -> None:
    """Every worker thread still takes jobs."""
    all_at_once = threading.Barrier(WORKERS, timeout=PATIENCE_S)
    collection = await client.get_or_create_collection("docs", embedding_function=lambda texts: (all_at_once.wait(), vectors(texts))[1])
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(collection.add(ids=[f"{n}"], documents=["text"]) for n in range(WORKERS)))


@pytest.mark.parametrize("verb", ["add", "query", "load", "data"])
@pytest.mark.parametrize("way", [plain, lazy, promising, awaiting], ids=kind)
@pytest.mark.parametrize("error", FAILURES, ids=kind)
async def test_what_a_callers_function_raises_reaches_the_caller_as_it_is(
    client: AsyncClient, error: BaseException, way: Any, verb: str
) -> None:
    collection = await open_with(client, way(error), verb)
    for _ in range(WORKERS + 1):
        assert await answered(collection, verb) is error
    await works(client)


#: In an iterator, StopIteration is an ordinary end.
@pytest.mark.parametrize("verb", ["add", "query", "load", "data"])
@pytest.mark.parametrize(
    ("way", "error"), [(plain, error) for error in SIGNALS] + [(lazy, error) for error in SIGNALS if not isinstance(error, StopIteration)]
)
async def test_in_a_thread_a_signal_of_pythons_is_a_failure_that_names_it(
    client: AsyncClient, error: BaseException, way: Any, verb: str
) -> None:
    collection = await open_with(client, way(error), verb)
    for _ in range(WORKERS + 1):
        got = await answered(collection, verb)
        assert type(got) is EmbeddingError
        assert type(error).__name__ in got.message()
        assert got.__cause__ is error
        assert got.function == "function"
    await works(client)


@pytest.mark.parametrize("verb", ["add", "query", "load"])
@pytest.mark.parametrize("way", [promising, awaiting], ids=kind)
@pytest.mark.parametrize("error", [StopIteration(), StopAsyncIteration(), asyncio.CancelledError()], ids=kind)
async def test_a_coroutine_that_ends_with_what_would_be_misread_is_a_failure_that_names_it(
    client: AsyncClient, error: BaseException, way: Any, verb: str
) -> None:
    got = await answered(await open_with(client, way(error), verb), verb)
    assert type(got) is EmbeddingError
    assert type(error).__name__ in got.message()
    await works(client)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(2), GeneratorExit()], ids=kind)
async def test_a_coroutine_on_the_loop_may_end_the_program(client: AsyncClient, error: BaseException) -> None:
    assert await answered(await open_with(client, awaiting(error), "add"), "add") is error
    await works(client)


@pytest.mark.parametrize("plain_function", [True, False])
async def test_a_caller_that_is_cancelled_is_cancelled(client: AsyncClient, plain_function: bool) -> None:
    reached, loop, go_on = asyncio.Event(), asyncio.get_running_loop(), threading.Event()

    def waits(values: Any) -> Any:
        loop.call_soon_threadsafe(reached.set)
        assert go_on.wait(PATIENCE_S)
        return vectors(values)

    async def waits_on_the_loop(values: Any) -> Any:
        reached.set()
        await asyncio.Event().wait()

    collection = await open_with(client, waits if plain_function else waits_on_the_loop, "add")
    task = asyncio.ensure_future(collection.add(ids=["a"], documents=["text"]))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    go_on.set()
    await works(client)


def test_the_stubborn_exception_is_stubborn() -> None:
    for attempt in (pickle.dumps, copy.copy):
        with pytest.raises(TypeError):
            attempt(FAILURES[0])


async def test_a_result_that_comes_piece_by_piece_is_collected_off_the_loop(client: AsyncClient) -> None:
    threads: set[int] = set()

    def pieces(values: Any) -> Iterator[Any]:
        for value in values:
            threads.add(threading.get_ident())
            yield [float(len(value)), 0.0]

    async def later(values: Any) -> Any:
        return pieces(values)

    for number, function in enumerate((pieces, later)):
        collection = await client.get_or_create_collection(f"docs{number}", embedding_function=function)
        await collection.add(ids=["a", "b"], documents=["x", "yy"])
        assert client.api.asked[-1].what.embeddings.tolist() == [[1, 0], [2, 0]]  # type: ignore[attr-defined]
    assert threading.get_ident() not in threads


class Asynchronous:
    """A class in the place of an object of it."""

    def __init__(self, values: Any = None) -> None:
        pass

    async def __call__(self, values: Any) -> Any:
        return vectors(values)


async def generating(values: Any) -> AsyncIterator[Any]:
    yield vectors(values)


NONSENSE = [None, 5, "vectors", {"a": 1}, object(), [None], [["a"]], [[]], [[1.0], [2.0, 3.0]], np.array(3.0)]


@pytest.mark.parametrize("verb", ["add", "query", "load"])
@pytest.mark.parametrize(
    "given", NONSENSE, ids=lambda given: f"{type(given).__name__} {len(repr(given))}" if type(given) is not object else "object"
)
async def test_what_is_no_answer_is_refused_by_name(client: AsyncClient, given: Any, verb: str) -> None:
    async def later(values: Any) -> Any:
        return given

    for function in (lambda values: given, later):
        if verb == "load" and isinstance(given, list):
            continue  # whatever a loader loads is embedded
        got = await answered(await open_with(client, function, verb), verb)
        assert isinstance(got, ValidationError), got
    await works(client)


@pytest.mark.parametrize("function", [Asynchronous, generating], ids=kind)
async def test_a_class_and_an_async_generator_are_no_embedding_functions(client: AsyncClient, function: Any) -> None:
    assert isinstance(await answered(await open_with(client, function, "add"), "add"), ValidationError)


async def test_a_function_that_never_ends_does_not_keep_its_client_from_closing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One that waits for this very close, for instance."""
    monkeypatch.setattr(client_module, "PATIENCE_S", 0.05)
    client, loop, closed = AsyncClient(FakeAPI()), asyncio.get_running_loop(), threading.Event()

    def closes_its_client(values: Any) -> Any:
        asyncio.run_coroutine_threadsafe(client.aclose(), loop).result(PATIENCE_S)
        closed.set()
        return vectors(values)

    collection = await client.create_collection("docs", embedding_function=closes_its_client)
    assert isinstance(await answered(collection, "add"), ClosedError)
    assert closed.is_set()
    assert "still runs" in caplog.text
