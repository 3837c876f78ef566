"""Whichever way a collection is named, it is the collection that counts."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator

import pytest

from chroma_async.api import ChromaAPI
from chroma_async.auth.action import ACTIONS
from chroma_async.auth.authorized_api import AuthorizedAPI
from chroma_async.auth.caller import Caller
from chroma_async.auth.permission import Grant, Names, Permission
from chroma_async.config.settings import Settings
from chroma_async.errors import ChromaAuthError, NotFoundError
from chroma_async.service.local import LocalAPI, open_local
from chroma_async.types import (
    CollectionInfo,
    ConditionalCommit,
    DeleteOperation,
    GetRequest,
    Scope,
)

ACME, OTHER = Scope("acme", "prod"), Scope("other", "prod")
COLLECTION = frozenset(action for action in ACTIONS if action.startswith("collection:"))


@pytest.fixture
async def api() -> AsyncIterator[LocalAPI]:
    """Two tenants with a database and resource names each."""
    opened = await open_local(None, Settings(is_persistent=False))
    for scope in (ACME, OTHER):
        await opened.create_tenant(scope.tenant)
        await opened.update_tenant(scope.tenant, f"{scope.tenant}-res")
        await opened.create_database(scope.database, scope.tenant)
    yield opened
    await opened.aclose()


@pytest.fixture
async def secret(api: LocalAPI) -> CollectionInfo:
    return await api.create_collection(ACME, "secret")


@pytest.fixture
async def docs(api: LocalAPI) -> CollectionInfo:
    return await api.create_collection(ACME, "docs-a")


def only_docs(api: LocalAPI, actions: frozenset[str] = ACTIONS, tenant: str = "*") -> AuthorizedAPI:
    """The API of a caller who may work with ``docs-…`` of one tenant."""
    return AuthorizedAPI(api, Permission(Caller("dan", tenant=tenant), [Grant(actions, Names(["acme"]), collections=Names(["docs-*"]))]))


def test_every_verb_of_the_protocol_is_allowed_by_name() -> None:
    verbs = {name for name, _ in inspect.getmembers(ChromaAPI, inspect.isfunction) if not name.startswith("_")}
    assert verbs - vars(AuthorizedAPI).keys() == set()


async def test_an_alias_leads_to_what_its_collection_allows(api: LocalAPI, secret: CollectionInfo, docs: CollectionInfo) -> None:
    await api.set_alias(ACME, "docs-alias", secret.id)
    await api.set_alias(ACME, "alias", docs.id)
    dan = only_docs(api)
    with pytest.raises(ChromaAuthError):
        await dan.get_collection(ACME, "docs-alias")
    with pytest.raises(ChromaAuthError):
        await dan.create_collection(ACME, "docs-alias", get_or_create=True)
    assert (await dan.get_collection(ACME, "alias")).name == "docs-a"
    for change in (dan.delete_alias(ACME, "docs-alias"), dan.delete_alias(ACME, "alias"), dan.set_alias(ACME, "docs-alias", docs.id)):
        with pytest.raises(ChromaAuthError):
            await change
    assert {alias.name: alias.collection for alias in await api.list_aliases(ACME)} == {"docs-alias": secret.id, "alias": docs.id}
    assert [alias.name for alias in await dan.list_aliases(ACME)] == ["alias"]
    await dan.set_alias(ACME, "docs-now", docs.id)
    await dan.delete_alias(ACME, "docs-now")


async def test_a_name_that_is_not_there_and_one_that_is_not_theirs_are_refused_alike(api: LocalAPI, secret: CollectionInfo) -> None:
    dan = only_docs(api)
    said = set()
    for name in ("secret", "absent"):
        with pytest.raises(ChromaAuthError) as refused:
            await dan.get_collection(ACME, name)
        said.add(refused.value.message())
    for crn in ("acme-res:prod:secret", "acme-res:prod:absent", "other-res:prod:docs-a", "nobody:prod:docs-a"):
        with pytest.raises(ChromaAuthError) as refused:
            await dan.get_collection_by_crn(crn)
        said.add(refused.value.message().replace("_by_crn", ""))
    assert said == {"'dan' may not do collection:get_collection here"}
    with pytest.raises(NotFoundError):
        await dan.get_collection(ACME, "docs-absent")


async def test_a_resource_name_does_not_lead_across_tenants(api: LocalAPI, docs: CollectionInfo) -> None:
    theirs = await api.create_collection(OTHER, "docs-b")
    dan = only_docs(api)
    assert (await dan.get_collection_by_crn("acme-res:prod:docs-a")).id == docs.id
    with pytest.raises(ChromaAuthError):
        await dan.get_collection_by_crn("other-res:prod:docs-b")
    with pytest.raises(ChromaAuthError):
        await dan.get_collection_by_id(OTHER, theirs.id)


async def test_an_id_is_no_key(api: LocalAPI, secret: CollectionInfo) -> None:
    dan = only_docs(api)
    asked = [
        dan.get_collection_by_id(ACME, secret.id),
        dan.get(ACME, secret.id, GetRequest()),
        dan.conditional_get(ACME, secret.id, GetRequest()),
        dan.count(ACME, secret.id),
        dan.indexing_status(ACME, secret.id),
        dan.fork_count(ACME, secret.id),
        dan.modify_collection(ACME, secret.id, new_name="docs-mine"),
        dan.fork_collection(ACME, secret.id, "docs-mine"),
        dan.attach_function(ACME, secret.id, "f", "record_counter", "docs-mine"),
        dan.set_alias(ACME, "docs-mine", secret.id),
    ]
    for each in asked:
        with pytest.raises(ChromaAuthError):
            await each
    assert [info.name for info in await api.list_collections(ACME)] == ["secret"]


async def test_nothing_is_put_where_its_maker_may_not_go(api: LocalAPI, docs: CollectionInfo) -> None:
    dan = only_docs(api)
    for each in (
        dan.create_collection(ACME, "mine"),
        dan.fork_collection(ACME, docs.id, "mine"),
        dan.modify_collection(ACME, docs.id, new_name="mine"),
        dan.attach_function(ACME, docs.id, "f", "record_counter", "mine"),
    ):
        with pytest.raises(ChromaAuthError):
            await each
    assert [info.name for info in await api.list_collections(ACME)] == ["docs-a"]
    await dan.fork_collection(ACME, docs.id, "docs-b")
    await dan.modify_collection(ACME, docs.id, new_name="docs-c")


async def test_a_function_is_detached_with_its_output_only_by_who_may_delete_that(api: LocalAPI, docs: CollectionInfo) -> None:
    await api.attach_function(ACME, docs.id, "f", "record_counter", "counts")
    dan = only_docs(api)
    assert (await dan.get_attached_function(ACME, docs.id, "f")).name == "f"
    with pytest.raises(ChromaAuthError, match="delete_collection"):
        await dan.detach_function(ACME, docs.id, "f", delete_output=True)
    assert (await api.get_attached_function(ACME, docs.id, "f")).name == "f"
    assert await dan.detach_function(ACME, docs.id, "f")
    assert (await api.get_collection(ACME, "counts")).name == "counts"


async def test_a_transaction_needs_every_action_in_it(api: LocalAPI, docs: CollectionInfo) -> None:
    _, token = await api.conditional_get(ACME, docs.id, GetRequest())
    commit = ConditionalCommit(token, [], [DeleteOperation(("a",))])
    for lacking in ("collection:delete", "collection:get"):
        with pytest.raises(ChromaAuthError, match=lacking):
            await only_docs(api, COLLECTION - {lacking}).conditional_commit(ACME, docs.id, commit)
    await only_docs(api, frozenset({"collection:delete", "collection:get"})).conditional_commit(ACME, docs.id, commit)


async def test_lists_show_what_the_caller_may_list_and_pages_are_of_that(api: LocalAPI) -> None:
    for name in ("docs-1", "secret-1", "docs-2", "secret-2", "docs-3"):
        await api.create_collection(ACME, name)
    dan = only_docs(api)
    whole = [info.name for info in await dan.list_collections(ACME)]
    assert sorted(whole) == ["docs-1", "docs-2", "docs-3"]
    assert await dan.count_collections(ACME) == 3
    assert [info.name for info in await dan.list_collections(ACME, 1, 1)] == whole[1:2]
    assert [info.name for info in await dan.list_collections(ACME, None, 2)] == whole[2:]
    await api.create_database("test", "acme")
    bound = AuthorizedAPI(api, Permission(Caller("dan"), [Grant(ACTIONS, databases=Names(["prod"]))]))
    assert [database.name for database in await bound.list_databases("acme")] == ["prod"]
    assert await bound.list_databases("acme", 0) == []


async def test_a_caller_of_one_tenant_and_database_is_sent_there_by_requests_for_the_default_ones(api: LocalAPI) -> None:
    dan = AuthorizedAPI(api, Permission(Caller("dan", tenant="acme", databases=("prod",)), [Grant(ACTIONS)]))
    assert (await dan.get_tenant("default_tenant")).name == "acme"
    database = await dan.get_database("default_database", "default_tenant")
    assert (database.tenant, database.name) == ("acme", "prod")
    made = await dan.create_collection(Scope(), "mine")
    assert (made.tenant, made.database) == ("acme", "prod")
    assert await dan.count_collections(Scope()) == 1
    assert await api.count_collections(Scope()) == 0
    assert (await dan.identity()).tenant == "acme"
    with pytest.raises(ChromaAuthError):
        await dan.get_tenant("other")
    for refused in (
        dan.create_tenant("third"),
        dan.reset(),
        dan.create_database("more", "acme"),
        dan.delete_database("default_database", "acme"),
        dan.update_tenant("acme", "theirs"),
        dan.create_tenant("acme"),
    ):
        with pytest.raises(ChromaAuthError):
            await refused


async def test_the_api_behind_outlives_the_caller(api: LocalAPI) -> None:
    await only_docs(api).aclose()
    assert await api.count_collections(ACME) == 0
