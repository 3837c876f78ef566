"""A real server per session, and the official client on it. The same scenarios run against Chroma's own server when asked for."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any, Protocol

import chromadb
import pytest
from chromadb.api import ClientAPI
from chromadb.api.models.Collection import Collection

from tests.compat.servers import Server, start_ours, start_reference


@pytest.fixture(scope="session", params=["ours", pytest.param("reference", marks=pytest.mark.reference)])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp(request.param) / "data"
    running = start_ours(directory) if request.param == "ours" else start_reference(directory)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def is_ours(request: pytest.FixtureRequest) -> bool:
    """False for Chroma's own server, whose known faults are not asserted."""
    return bool(request.node.callspec.params["server"] == "ours")


class Connect(Protocol):
    """Makes official clients of the server under test."""

    def __call__(self, *, tenant: str = "default_tenant", database: str = "default_database") -> ClientAPI: ...


@pytest.fixture
def connect(server: Server) -> Iterator[Connect]:
    made: list[Any] = []

    def make(*, tenant: str = "default_tenant", database: str = "default_database") -> ClientAPI:
        client = chromadb.HttpClient(host=server.host, port=server.port, tenant=tenant, database=database)
        made.append(client)
        return client

    yield make
    for client in made:
        close(client)


def close(client: Any) -> None:
    """Close an official client for good: its own ``close`` leaves its connections open, and those of the client it holds for tenants."""
    for each in (client, getattr(client, "_admin_client", client)):
        each._server._session.close()
    if hasattr(client, "close"):
        client.close()


@pytest.fixture
def client(connect: Connect) -> ClientAPI:
    return connect()


@pytest.fixture
def admin(server: Server) -> Iterator[chromadb.AdminClient]:
    kind = "chromadb.api.fastapi.FastAPI"
    admin = chromadb.AdminClient(
        chromadb.Settings(chroma_api_impl=kind, chroma_server_host=server.host, chroma_server_http_port=server.port)
    )
    yield admin
    close(admin)


@pytest.fixture
def name() -> str:
    """A name that nothing else has."""
    return f"c-{uuid.uuid4().hex}"


@pytest.fixture
def collection(client: ClientAPI, name: str) -> Iterator[Collection]:
    """An empty collection without an embedding function."""
    yield client.create_collection(name, embedding_function=None)
    if name in [each.name for each in client.list_collections()]:
        client.delete_collection(name)


@pytest.fixture
def animals(collection: Collection) -> Collection:
    """Six records whose every answer can be worked out by hand."""
    collection.add(
        ids=["ant", "bee", "cat", "dog", "eel", "fox"],
        embeddings=[[0, 0], [1, 0], [0, 2], [3, 0], [0, 4], [5, 0]],
        documents=[
            "An ant carries leaves",
            "A bee makes honey",
            "A cat drinks milk",
            "A dog eats MEAT",
            None,
            "A fox steals 50% of the honey",
        ],
        metadatas=[
            {"legs": 6, "weight": 0.01, "tame": False, "kind": "insect"},
            {"legs": 6, "weight": 0.1, "tame": True, "kind": "insect"},
            {"legs": 4, "weight": 4.5, "tame": True, "kind": "mammal", "colours": ["black", "white"]},
            {"legs": 4, "weight": 20.0, "tame": True, "kind": "mammal", "colours": ["brown"]},
            None,
            {"legs": 4, "kind": "mammal", "years": [1, 2, 3]},
        ],
        uris=["u:ant", None, None, None, None, "u:fox"],
    )
    return collection
