"""Whatever is passed for whatever argument of whatever public method, in process and over HTTP: a refusal of this package, or an answer."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from inspect import isclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

import chroma_async
from chroma_async import embedding
from chroma_async.client.opening import Opening
from chroma_async.client.transaction import Transaction
from chroma_async.config.settings import ClientSettings
from chroma_async.errors import MESSAGE_CHARS, ChromaError, ValidationError, ValidationTypeError
from chroma_async.types import WriteKind
from tests.api.conftest import Store
from tests.fakes.hostile import HOSTILE, BrokenMapping, Function, hostile

EVERY_WAY = pytest.mark.parametrize("store", ["ephemeral", "http"], indirect=True)
VECTORS = [[1.0, 2.0]]
ID = UUID(int=5)
ROW = {"ids": ["a"], "embeddings": VECTORS}
#: What a method is called with beside the argument in question.
ARGUMENTS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(("add", "upsert", "update"), ROW),
    "batch": {"kind": WriteKind.ADD, **ROW},
    "query": {"query_embeddings": VECTORS},
    "search": {"searches": [{}]},
    "delete": {"ids": ["missing"]},
    "fork": {"new_name": "copy"},
    "attach_function": {"function": "record_counter", "name": "counter", "output_collection": "counted"},
    **{key: {"name": "counter"} for key in ("get_attached_function", "detach_function")},
    "set_tenant": {"tenant": "default_tenant"},
    "set_database": {"database": "default_database"},
    "create_collection": {"name": "docs", "get_or_create": True},
    **{key: {"name": "docs"} for key in ("get_or_create_collection", "get_collection")},
    "get_collection_by_id": {"id": ID},
    "set_alias": {"alias": "live", "collection": ID},
    "delete_alias": {"alias": "live"},
    "delete_collection": {"name": "missing"},
    **{key: {"name": "default_tenant"} for key in ("create_tenant", "get_tenant")},
    **{key: {"name": "default_database"} for key in ("create_database", "get_database")},
    "delete_database": {"name": "missing"},
}
#: They take no argument but work, or end what the test goes on to use.
LEFT_OUT = {"run", "aclose", "close", "reset"}
#: Where a method takes any: those that it hands on.
COLUMNS = ("documents", "metadatas", "uris", "images", "expires_at")


def arguments_of(owner: Any) -> Iterator[tuple[str, str]]:
    """Each argument of each public verb."""
    for name, member in inspect.getmembers(type(owner), inspect.iscoroutinefunction):
        if not name.startswith("_") and name not in LEFT_OUT:
            parameters = list(inspect.signature(member).parameters.values())[1:]
            for parameter in parameters:
                yield from ((name, each) for each in (COLUMNS if parameter.kind is parameter.VAR_KEYWORD else (parameter.name,)))


async def leak(call: Callable[[], Any]) -> str | None:
    """What came out that is no error of this package."""
    try:
        found = call()
        if isinstance(found, Opening):
            async with found:
                pass
        elif inspect.isawaitable(found):
            await asyncio.wait_for(found, 60)
    except ChromaError as error:
        return None if 0 < len(str(error)) <= MESSAGE_CHARS + 20 else f"{type(error).__name__} of {len(str(error))} characters"
    except Exception as error:
        return f"{type(error).__name__}: {error!s:.80}"
    return None


@EVERY_WAY
@pytest.mark.parametrize("noun", ["collection", "transaction", "client", "admin"])
async def test_a_verb_lets_out_no_error_but_the_packages_whatever_its_arguments_raise(store: Store, noun: str) -> None:
    collection = await store.collection()
    await collection.add(["a"], VECTORS, [{"m": 1}], ["x"])
    owner = {"collection": collection, "transaction": Transaction(collection), "client": store.client, "admin": store.admin}[noun]
    found, tried = [], 0
    for verb, argument in arguments_of(owner):
        for kind, make in HOSTILE.items():
            given = {**ARGUMENTS.get(verb, {}), argument: make()}
            if argument in ("query_texts", "query_images", "query_uris"):
                given.pop("query_embeddings", None)
            said = await leak(lambda verb=verb, given=given: getattr(owner, verb)(**given))
            found += [f"{verb}({argument}={kind}): {said}"] if said else []
            tried += 1
    assert found == []
    assert tried > 400
    assert await collection.count() >= 1


@EVERY_WAY
async def test_the_refusal_names_the_argument_and_what_its_method_raised(store: Store) -> None:
    collection = await store.collection()
    said: list[str] = []
    for ask in (
        lambda: collection.get(limit=hostile()()),
        lambda: collection.get(ids=hostile(list)(["a"])),
        lambda: collection.query(VECTORS, where={"a": BrokenMapping()}),
        lambda: collection.add(ids=["a"], embeddings=[hostile(list)([1.0])]),
        lambda: store.client.create_collection("other", configuration=BrokenMapping()),
        lambda: store.client.create_collection("other", embedding_function=Function()),
    ):
        with pytest.raises((ValidationError, ValidationTypeError)) as refusal:
            await ask()
        said.append(str(refusal.value))
    assert said == [
        "limit: HostileObject.__index__ raised Boom: boom in get.",
        "ids: HostileList.__len__ raised Boom: boom in get.",
        "where.a: a BrokenMapping that cannot be read: boom in query.",
        "embeddings: HostileList.__len__ raised Boom: boom in add.",
        "configuration: a BrokenMapping that cannot be read: boom in create_collection.",
        "embedding_function: Function._boom raised Boom: boom in create_collection.",
    ]


async def test_an_error_of_the_callers_own_function_goes_through_as_it_is() -> None:
    class Mine(Exception):
        pass

    def embed(_: list[str]) -> Any:
        raise Mine("my own")

    async with chroma_async.AsyncEphemeralClient() as client:
        collection = await client.create_collection("docs", embedding_function=embed)
        loading = await client.create_collection("loading", data_loader=embed)
        for ask in (
            lambda: collection.add(["a"], documents=["x"]),
            lambda: collection.query(query_texts=["x"]),
            lambda: collection.search(chroma_async.Search().rank(chroma_async.Knn(query="x"))),
            lambda: loading.query(query_uris=["x"]),
            lambda: collection.run(embed),  # type: ignore[arg-type]
        ):
            with pytest.raises(Mine, match="my own"):
                await ask()


@EVERY_WAY
@pytest.mark.parametrize("kind", ["none", "float", "str", "no attributes", "object"])
async def test_a_transaction_takes_only_what_can_be_called(store: Store, kind: str) -> None:
    collection = await store.collection()
    with pytest.raises(ValidationTypeError, match=r"^work: expected a coroutine function, got .* in run\.$"):
        await collection.run(HOSTILE[kind]())


@EVERY_WAY
async def test_a_transaction_of_a_plain_function_is_refused_and_writes_nothing(store: Store) -> None:
    collection = await store.collection()

    def work(_: Transaction) -> int:
        return 5

    with pytest.raises(ValidationTypeError, match=r"expected a coroutine function \(async def\), got a function that returns 5"):
        await collection.run(work)
    assert await collection.count() == 0


#: What makes something of a name of the package, in the way that takes the fewest arguments.
MADE: dict[str, dict[str, Any]] = {
    "Encryption": {"keys": {"k1": b"k" * 32}, "current": "k1"},
    "Cmek": {"provider": "gcp", "resource": "x"},
    "Key": {"name": "a"},
    "K": {"name": "a"},
    "Knn": {"query": [1.0]},
    "MinK": {"keys": ["a"], "k": 1},
    "MaxK": {"keys": ["a"], "k": 1},
    "Rrf": {"ranks": [chroma_async.Knn(query=[1.0], return_rank=True)]},
    "SparseVector": {"indices": [1], "values": [1.0]},
    "Val": {"value": 1.0},
    **{key: {} for key in ("GroupBy", "Limit", "Search", "Select", "Schema", "ClientSettings", "Settings", "ChromaBm25EmbeddingFunction")},
    **{key: {} for key in (name for name in chroma_async.__all__ if name.endswith("IndexConfig"))},
    "AsyncHttpClient": {"connect": False, "client_settings": ClientSettings(max_retries=0, connect_timeout_s=0.5), "port": 1},
    **{key: {} for key in ("AsyncPersistentClient", "AsyncEphemeralClient")},
    **{key: {} for key in ("register_embedding_function", "register_sparse_embedding_function")},
}
#: Enumerations, protocols, results and constants.
NOT_MADE = {
    *("AsyncAdminClient", "AsyncClient", "AsyncCollection", "AttachedFunction", "ChromaError", "DEFAULT_DATABASE", "DEFAULT_TENANT"),
    *("DataLoader", "DeleteResult", "EmbeddingFunction", "Function", "GetResult", "IgnoredArgumentWarning", "Include", "QueryResult"),
    *("ReadLevel", "SearchResult", "SparseEmbeddingFunction", "UserIdentity", "register_with_chromadb"),
}


def _said(value: Any) -> Any:
    """What a builder says of itself: some arguments are read only then."""
    for name in ("to_dict", "to_json", "serialize_to_json"):
        if hasattr(type(value), name):
            getattr(value, name)()
    return value


def test_every_public_name_is_in_one_of_the_tables() -> None:
    assert set(MADE) ^ NOT_MADE == set(chroma_async.__all__)


@pytest.mark.filterwarnings("ignore:the vectors of:UserWarning")
@pytest.mark.parametrize("name", MADE)
async def test_a_builder_and_a_factory_let_out_no_error_but_the_packages(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make = getattr(chroma_async, name)
    found = []
    for argument, parameter in inspect.signature(make).parameters.items():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        for kind, value in HOSTILE.items():
            said = await leak(lambda argument=argument, value=value: _said(make(**{**MADE[name], argument: value()})))  # type: ignore[misc]
            found += [f"{name}({argument}={kind}): {said}"] if said else []
    assert found == []


NO_BUILDERS = {name for name in MADE if name[0].islower() or "Client" in name or "Settings" in name or name == "Encryption"}
#: What the constructors of embedding functions need.
KEYED = {"api_key": "k", "model_name": "m", "url": "http://localhost"}
FUNCTIONS = {name: kind for name in embedding.__all__ if isclass(kind := getattr(embedding, name)) and hasattr(kind, "build_from_config")}


def test_the_embedding_functions_are_found() -> None:
    assert len(FUNCTIONS) > 8


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in ("EmbeddingFunction", "SparseEmbeddingFunction")])
async def test_an_embedding_function_is_made_or_refused_by_an_error_of_the_package(name: str) -> None:
    found = []
    parameters = inspect.signature(FUNCTIONS[name]).parameters
    needed = {key: value for key, value in KEYED.items() if key in parameters}
    for argument, parameter in parameters.items():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        for kind, value in HOSTILE.items():
            said = await leak(lambda argument=argument, value=value: repr(FUNCTIONS[name](**{**needed, argument: value()})))  # type: ignore[misc]
            found += [f"{name}({argument}={kind}): {said}"] if said else []
    assert found == []


#: Methods and operators of builders.
BUILT: dict[str, Callable[[], Any]] = {
    **{name: lambda name=name: getattr(chroma_async, name)(**MADE[name]) for name in MADE if name not in NO_BUILDERS},  # type: ignore[misc]
    "Condition": lambda: chroma_async.K("a") == 1,
    "a sum of ranks": lambda: chroma_async.Val(1.0) + chroma_async.Val(2.0),
}
OPERATORS = {
    f"__{name}__"
    for name in ["add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "eq", "ne", "lt", "gt", "le", "ge", "and", "or"]
}


def _methods(owner: Any) -> Iterator[tuple[str, list[inspect.Parameter]]]:
    for name, member in inspect.getmembers(type(owner), inspect.isroutine):
        own = name in OPERATORS or not name.startswith("_")
        inherited = any(getattr(base, name, None) is member for base in (dict, object)) or (name not in OPERATORS and hasattr(dict, name))
        if own and not inherited:
            yield name, list(inspect.signature(getattr(owner, name)).parameters.values())


@pytest.mark.parametrize("name", BUILT)
def test_a_method_of_a_builder_lets_out_no_error_but_the_packages(name: str) -> None:
    found = []
    for method, parameters in _methods(BUILT[name]()):
        for place in range(len(parameters)):
            for kind, value in HOSTILE.items():
                given = [1 if each.default is each.empty else each.default for each in parameters]
                given[place] = value()
                try:
                    _said(getattr(BUILT[name](), method)(*given))
                except ChromaError:
                    continue
                except Exception as error:
                    found.append(f"{method}({parameters[place].name}={kind}): {type(error).__name__}: {error!s:.80}")
    assert found == []
