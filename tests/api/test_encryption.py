"""An encrypted collection reads as it was written; the store never sees a clear text, and cannot change, move or invent one unnoticed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import chroma_async
from chroma_async import Encryption, K, Knn, MinK, Search
from chroma_async.errors import EncryptionError, ValidationError, ValidationTypeError
from tests.api.conftest import SETTINGS, served

KEYS = {"2025": bytes(range(32)), "2026": bytes(range(32, 64))}
VECTORS = [[1.0, 0.0], [0.0, 1.0], [0.7, 0.7]]
DOCUMENTS = ["the patient sleeps", "the patient wakes", "the patient eats"]
METADATAS: list[dict[str, Any]] = [
    {"name": "Ann", "age": 31, "ward": "A", "notes": ["calm", "alone"], "score": 0.5, "here": True},
    {"name": "Bob", "age": 32, "ward": "B", "notes": ["loud"], "score": 1.5, "here": False},
    {"name": "Ann", "age": 33, "ward": "A"},
]
SECRET = {"fields": ["age", "notes", "score", "here"], "deterministic_fields": ["name"]}


@dataclass
class Pair:
    """A client that encrypts, and one that sees what the store has."""

    sealed: Any
    clear: Any
    #: Makes further clients of the same store with other encryptions.
    connect: Callable[[Encryption | None], Any]


@pytest.fixture(params=["ephemeral", "persistent", "http"])
async def pair(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(served()) if request.param == "http" else 0
        first: list[Any] = []

        async def connect(encryption: Encryption | None) -> Any:
            if request.param == "http":
                return await stack.enter_async_context(chroma_async.AsyncHttpClient("127.0.0.1", port, encryption=encryption))
            if request.param == "persistent":
                opening = chroma_async.AsyncPersistentClient(tmp_path / "data", SETTINGS, encryption=encryption)
                return await stack.enter_async_context(opening)
            if not first:  # a store in memory belongs to one client; others look at it through the same API
                first.append(await stack.enter_async_context(chroma_async.AsyncEphemeralClient(SETTINGS)))
            return await stack.enter_async_context(chroma_async.AsyncClient(first[0].api, encryption=encryption))

        yield Pair(await connect(Encryption(KEYS, "2026", **SECRET)), await connect(None), connect)


async def filled(pair: Pair) -> Any:
    docs = await pair.sealed.create_collection("docs", embedding_function=None)
    await docs.add(ids=["a", "b", "c"], embeddings=VECTORS, documents=DOCUMENTS, metadatas=METADATAS)
    return docs


async def test_every_read_gives_what_was_written(pair: Pair) -> None:
    docs = await filled(pair)
    got = await docs.get()
    assert (got["documents"], got["metadatas"]) == (DOCUMENTS, METADATAS)
    peeked = await docs.peek()
    assert (peeked["documents"], peeked["metadatas"]) == (DOCUMENTS, METADATAS)
    found = await docs.query(query_embeddings=[[1.0, 0.1], [0.1, 1.0]], n_results=1)
    assert found["documents"] == [[DOCUMENTS[0]], [DOCUMENTS[1]]]
    assert found["metadatas"] == [[METADATAS[0]], [METADATAS[1]]]
    search = Search().rank(Knn(query=[1.0, 0.0])).select(K.DOCUMENT, "age", "ward").limit(1)
    (row,) = (await docs.search(search)).rows()[0]
    assert (row["document"], row["metadata"]) == (DOCUMENTS[0], {"age": 31, "ward": "A"})

    async def birthday(transaction: Any) -> None:
        read = await transaction.get(ids=["a"])
        older = {"age": read["metadatas"][0]["age"] + 1}
        await transaction.update(ids=["a"], embeddings=VECTORS[:1], metadatas=[older], documents=["the patient left"])

    await docs.run(birthday)
    after = await docs.get(ids=["a"])
    assert (after["documents"], after["metadatas"][0]["age"]) == (["the patient left"], 32)


async def test_the_store_has_no_clear_text_of_what_is_encrypted(pair: Pair) -> None:
    await filled(pair)
    stored = await (await pair.clear.get_collection("docs")).get()
    assert all(text.startswith("enc1:2026:") for text in stored["documents"])
    for metadata, clear in zip(stored["metadatas"], METADATAS, strict=True):
        assert metadata["ward"] == clear["ward"]
        assert metadata["name"].startswith("det1:2026:")
        assert all(metadata[key].startswith("enc1:2026:") for key in clear if key in SECRET["fields"])
    names = [metadata["name"] for metadata in stored["metadatas"]]
    assert names[0] == names[2] != names[1]
    again = await pair.sealed.create_collection("again", embedding_function=None)
    await again.add(ids=["a"], embeddings=VECTORS[:1], documents=DOCUMENTS[:1])
    assert (await (await pair.clear.get_collection("again")).get())["documents"] != stored["documents"][:1]


def bytes_of(directory: Path) -> bytes:
    """All that its files hold."""
    return b"".join(file.read_bytes() for file in directory.rglob("*") if file.is_file())


async def test_the_files_of_a_store_hold_no_clear_text(tmp_path: Path) -> None:
    async with chroma_async.AsyncPersistentClient(tmp_path, encryption=Encryption(KEYS, "2026", **SECRET)) as client:
        docs = await client.create_collection("docs", embedding_function=None)
        metadata = {"name": "xylophone", "ward": "visible"}
        await docs.add(ids=["a"], embeddings=VECTORS[:1], documents=["zanzibar quagga"], metadatas=[metadata])
    stored = bytes_of(tmp_path)
    assert (b"visible" in stored, b"quagga" in stored, b"xylophone" in stored) == (True, False, False)


async def test_a_deterministic_field_can_be_asked_for_equality(pair: Pair) -> None:
    docs = await filled(pair)

    async def ids(where: dict[str, Any]) -> list[str]:
        found: list[str] = (await docs.get(where=where))["ids"]
        assert await docs.count(where=where) == len(found)
        return found

    assert await ids({"name": "Ann"}) == ["a", "c"]
    assert await ids({"name": {"$ne": "Ann"}}) == ["b"]
    assert await ids({"name": {"$in": ["Bob", "Cid"]}}) == ["b"]
    assert await ids({"name": {"$nin": ["Bob"]}}) == ["a", "c"]
    assert await ids({"$and": [{"name": "Ann"}, {"ward": "A"}]}) == ["a", "c"]
    assert await ids({"age": {"$exists": True}}) == ["a", "b", "c"]
    found = await docs.query(query_embeddings=[[1.0, 0.0]], where={"name": "Bob"})
    assert found["ids"] == [["b"]]
    rows = (await docs.search(Search(where=K("name") == "Bob").rank(Knn(query=[1.0, 0.0])))).rows()[0]
    assert [row["id"] for row in rows] == ["b"]
    assert await docs.delete(where={"name": "Ann"}) == {"deleted": 2}


async def test_a_filter_that_needs_the_clear_text_is_refused_by_name(pair: Pair) -> None:
    docs = await filled(pair)
    rank = Search().rank(Knn(query=[1.0, 0.0]))
    asked: list[tuple[Any, str]] = [
        (lambda: docs.get(where={"age": 31}), "'age' is encrypted, so it cannot be filtered by; name it in deterministic_fields"),
        (lambda: docs.get(where={"$or": [{"ward": "A"}, {"age": {"$gt": 3}}]}), "'age' is encrypted"),
        (lambda: docs.delete(where={"notes": {"$contains": "calm"}}), "'notes' is encrypted"),
        (lambda: docs.count(where={"name": {"$gt": 3}}), "'name' is encrypted, so .gt cannot be asked"),
        (lambda: docs.get(where_document={"$contains": "sleeps"}), "where_document: documents are encrypted"),
        (lambda: docs.query(query_embeddings=[[1.0, 0.0]], where_document={"$contains": "x"}), "where_document: documents are encrypted"),
        (lambda: docs.get(order_by={"age": "desc"}), "order_by: 'age' is encrypted"),
        (lambda: docs.get(order_by=["ward", "name"]), "order_by: 'name' is encrypted"),
        (lambda: docs.search(Search(where=K.DOCUMENT.contains("x"))), "#document is encrypted"),
        (lambda: docs.search(rank.group_by({"keys": ["name"], "aggregate": {"$min_k": {"keys": ["#score"], "k": 1}}})), "group_by: 'name'"),
        (lambda: docs.search(rank.group_by(chroma_async.GroupBy("ward", MinK("age", 1)))), "group_by: 'age' is encrypted"),
        (
            lambda: docs.add(ids=["s"], embeddings=[[1.0, 0.0]], metadatas=[{"age": chroma_async.SparseVector([1], [1.0])}]),
            "'age' is to be encrypted, and holds a sparse vector",
        ),
    ]
    for ask, words in asked:
        with pytest.raises(ValidationError, match=words):
            await ask()
    assert await docs.count() == 3


@pytest.mark.parametrize("damage", ["changed", "moved", "swapped", "in the clear", "of another key"])
async def test_what_somebody_changed_in_the_store_is_refused_when_it_is_read(pair: Pair, damage: str) -> None:
    docs = await filled(pair)
    store = await pair.clear.get_collection("docs")
    stored = await store.get()
    first, second = stored["documents"][:2]
    change: dict[str, Any] = {
        "changed": {"documents": [first[:-2] + ("A" if first[-2] != "A" else "B") + first[-1]]},
        "moved": {"documents": [second]},
        "swapped": {"metadatas": [{"score": stored["metadatas"][0]["age"]}]},
        "in the clear": {"documents": ["trust me"]},
        "of another key": {"documents": [first.replace(":2026:", ":2025:")]},
    }[damage]
    await store.update(ids=["a"], embeddings=VECTORS[:1], **change)
    with pytest.raises(EncryptionError, match="'a'"):
        await docs.get()
    with pytest.raises(EncryptionError, match="'a'"):
        await docs.query(query_embeddings=[[1.0, 0.0]])
    assert (await docs.get(ids=["b"]))["documents"] == [DOCUMENTS[1]]


async def test_keys_rotate_and_equality_finds_what_the_key_before_encrypted(pair: Pair) -> None:
    before = await pair.connect(Encryption(KEYS, "2025", **SECRET))
    old = await before.create_collection("rotated", embedding_function=None)
    await old.add(ids=["a", "b"], embeddings=VECTORS[:2], documents=DOCUMENTS[:2], metadatas=METADATAS[:2])
    after = await pair.connect(Encryption(KEYS, "2026", previous=["2025"], **SECRET))
    new = await after.get_collection("rotated")
    await new.add(ids=["c"], embeddings=VECTORS[2:], documents=DOCUMENTS[2:], metadatas=METADATAS[2:])
    assert (await new.get())["documents"] == DOCUMENTS
    assert (await new.get(where={"name": "Ann"}))["ids"] == ["a", "c"]
    assert (await new.get(where={"name": {"$ne": "Ann"}}))["ids"] == ["b"]
    await new.update(ids=["a", "b"], embeddings=VECTORS[:2], documents=DOCUMENTS[:2], metadatas=METADATAS[:2])  # re-encrypts
    stored = await (await pair.clear.get_collection("rotated")).get()
    assert all(":2026:" in text for text in stored["documents"])
    alone = await pair.connect(Encryption({"2026": KEYS["2026"]}, "2026", **SECRET))
    assert (await (await alone.get_collection("rotated")).get())["metadatas"] == METADATAS


async def test_a_key_that_is_not_there_is_named(pair: Pair) -> None:
    await filled(pair)
    other = await pair.connect(Encryption({"2027": KEYS["2025"]}, "2027", **SECRET))
    docs = await other.get_collection("docs")
    with pytest.raises(EncryptionError, match="there is no key '2026'"):
        await docs.get()
    short = await pair.connect(Encryption({"2026": b"short"}, "2026"))
    with pytest.raises(EncryptionError, match="the key '2026' has 5 bytes, expected 32"):
        await (await short.get_collection("docs")).upsert(ids=["d"], embeddings=[[1.0, 0.0]], documents=["x"])
    assert await docs.count() == 3


async def test_keys_come_from_a_callable_of_either_colour_and_once(pair: Pair) -> None:
    asked: list[str] = []

    def sync(id: str) -> bytes:
        asked.append(id)
        return KEYS[id]

    async def awaited(id: str) -> bytes:
        await asyncio.sleep(0)
        return sync(id)

    await filled(pair)
    for keys in (sync, awaited, lambda id: awaited(id)):
        asked.clear()
        docs = await (await pair.connect(Encryption(keys, "2026", **SECRET))).get_collection("docs")
        assert [(await docs.get())["documents"] for _ in range(2)] == [DOCUMENTS] * 2
        assert asked == ["2026"]


async def test_a_collection_from_before_is_read_when_that_is_allowed(pair: Pair) -> None:
    plain = await pair.clear.create_collection("old", embedding_function=None)
    await plain.add(ids=["a"], embeddings=VECTORS[:1], documents=DOCUMENTS[:1], metadatas=METADATAS[:1])
    with pytest.raises(EncryptionError, match=r"document of record 'a' is not encrypted; .* allow_plaintext=True"):
        await (await pair.sealed.get_collection("old")).get()
    lenient = await pair.connect(Encryption(KEYS, "2026", allow_plaintext=True, **SECRET))
    docs = await lenient.get_collection("old")
    got = await docs.get()
    assert (got["documents"], got["metadatas"]) == (DOCUMENTS[:1], METADATAS[:1])
    await docs.update(ids=["a"], embeddings=VECTORS[:1], documents=got["documents"], metadatas=got["metadatas"])
    assert (await (await pair.sealed.get_collection("old")).get())["metadatas"] == METADATAS[:1]


async def test_a_fork_reads_as_its_source_and_removed_fields_are_gone(pair: Pair) -> None:
    docs = await filled(pair)
    fork = await docs.fork("copy")
    assert (await fork.get())["documents"] == DOCUMENTS
    await fork.update(ids=["a"], metadatas=[{"age": None}])
    assert "age" not in (await fork.get(ids=["a"]))["metadatas"][0]
    assert (await docs.get(ids=["a"]))["metadatas"] == METADATAS[:1]


async def test_embedding_functions_see_the_clear_text(pair: Pair) -> None:
    seen: list[str] = []

    def embed(input: list[str]) -> list[list[float]]:
        seen.extend(input)
        return [[float(len(text)), 1.0] for text in input]

    docs = await pair.sealed.create_collection("embedded", embedding_function=embed)
    await docs.add(ids=["a"], documents=["clear"])
    found = await docs.query(query_texts=["asked"])
    assert seen == ["clear", "asked"]
    assert found["documents"] == [["clear"]]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"keys": 5}, "keys: expected a dict of keys by their ids, or a callable, got int"),
        ({"current": "a b"}, r"current: expected 1-64 characters from \[A-Za-z0-9._-\], got 'a b'"),
        ({"current": 5}, "current: expected"),
        ({"previous": ["x:y"]}, "previous: expected"),
        ({"fields": "age"}, "fields: expected a list of non-empty strings, got 'age'"),
        ({"deterministic_fields": [5]}, "deterministic_fields: expected a list of non-empty strings"),
        ({"fields": ["a"], "deterministic_fields": ["a"]}, "fields and deterministic_fields both name a"),
        ({"documents": False}, "nothing is to be encrypted"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises((ValidationError, ValidationTypeError), match=words):
        Encryption(**{"keys": KEYS, "current": "2026", **arguments})


async def test_something_else_than_an_encryption_is_refused() -> None:
    with pytest.raises(ValidationTypeError, match="encryption: expected an Encryption or None, got"):
        await chroma_async.AsyncEphemeralClient(encryption={"key": b"x"})  # type: ignore[arg-type]


def test_the_extra_is_named_where_it_is_missed() -> None:
    program = "import sys; sys.modules['cryptography'] = None; import chroma_async; chroma_async.Encryption({}, 'k')"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert "ModuleNotFoundError: encryption needs the package cryptography: pip install 'chroma-async[encryption]'" in result.stderr
