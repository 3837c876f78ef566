"""The official client on system, tenants and databases."""

from __future__ import annotations

import gc
import http.client
import json
import time
import uuid

import chromadb
import pytest
from chromadb.api import ClientAPI
from chromadb.errors import ChromaError, NotFoundError

from tests.compat.conftest import Connect
from tests.compat.servers import Server


def unique(prefix: str) -> str:
    return f"{prefix}-{uuid.uuid4().hex}"


def test_the_heartbeat_is_the_time_in_nanoseconds(client: ClientAPI) -> None:
    assert abs(client.heartbeat() - time.time_ns()) < 60e9


def test_version_and_batch_size_are_what_clients_were_built_for(client: ClientAPI) -> None:
    assert client.get_version() == "1.0.0"
    assert client.get_max_batch_size() >= 5461


def test_the_identity_without_authentication_may_use_the_defaults(client: ClientAPI) -> None:
    identity = client.get_user_identity()
    assert identity.tenant == "default_tenant"
    assert "default_database" in (identity.databases or [])


def test_a_tenant_and_a_database_can_be_made_found_and_used(connect: Connect, admin: chromadb.AdminClient) -> None:
    tenant, database = unique("tenant"), unique("database")
    admin.create_tenant(tenant)
    admin.create_database(database, tenant)
    assert admin.get_tenant(tenant)["name"] == tenant
    found = admin.get_database(database, tenant)
    assert (found["name"], found["tenant"]) == (database, tenant)
    assert [each["name"] for each in admin.list_databases(tenant=tenant)] == [database]

    inside = connect(tenant=tenant, database=database)
    made = inside.create_collection("same-name", embedding_function=None)
    made.add(ids=["a"], embeddings=[[1.0]])
    outside = connect()
    with pytest.raises(NotFoundError):
        outside.get_collection("same-name")
    assert (made.tenant, made.database, made.count()) == (tenant, database, 1)

    admin.delete_database(database, tenant)
    with pytest.raises(NotFoundError):
        admin.get_database(database, tenant)
    with pytest.raises((NotFoundError, ChromaError)):
        inside.get_collection("same-name")


def test_names_that_exist_are_refused_and_names_that_do_not_are_not_found(admin: chromadb.AdminClient) -> None:
    tenant = unique("tenant")
    admin.create_tenant(tenant)
    with pytest.raises(ChromaError, match="exists"):
        admin.create_tenant(tenant)
    with pytest.raises(NotFoundError):
        admin.get_tenant(unique("tenant"))
    with pytest.raises(NotFoundError):
        admin.get_database(unique("database"), tenant)


def test_databases_are_listed_by_name_and_paged(admin: chromadb.AdminClient) -> None:
    tenant = unique("tenant")
    admin.create_tenant(tenant)
    for name in ("zeta", "alpha", "midway"):
        admin.create_database(name, tenant)
    assert [each["name"] for each in admin.list_databases(tenant=tenant)] == ["alpha", "midway", "zeta"]
    assert [each["name"] for each in admin.list_databases(tenant=tenant, limit=1, offset=1)] == ["midway"]


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_client_of_an_unknown_database_is_refused_when_it_connects(connect: Connect) -> None:
    with pytest.raises(Exception, match=r"(?i)not found|not connect|exist"):
        connect(database=unique("none"))
    gc.collect()  # the half-made client cannot be closed by anyone else


def test_reset_deletes_everything_and_leaves_the_defaults(client: ClientAPI, name: str) -> None:
    client.create_collection(name, embedding_function=None).add(ids=["a"], embeddings=[[1.0]])
    assert client.reset() is True
    assert client.count_collections() == 0
    assert client.create_collection(name, embedding_function=None).count() == 0


def ask(server: Server, method: str, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(server.host, server.port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_the_first_version_of_the_api_is_gone(server: Server) -> None:
    status, body = ask(server, "GET", "/api/v1/collections")
    assert (status, json.loads(body)["error"]) == (410, "Unimplemented")


def test_the_health_check_and_the_api_description_are_served(server: Server) -> None:
    status, body = ask(server, "GET", "/api/v2/healthcheck")
    assert (status, json.loads(body)["is_executor_ready"]) == (200, True)
    status, body = ask(server, "GET", "/openapi.json")
    assert status == 200
    assert "/api/v2/heartbeat" in json.loads(body)["paths"]


def test_an_unknown_path_has_an_empty_answer(server: Server) -> None:
    assert ask(server, "GET", "/nothing/here") == (404, b"")
