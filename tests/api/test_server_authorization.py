"""Every route against every kind of caller, and every way in which a collection can be named."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from chroma_async.auth.action import ACTIONS, KNOWN_CALLER
from chroma_async.auth.attempts import attempts_from
from chroma_async.auth.authentication import authentication_from
from chroma_async.auth.caller import Caller
from chroma_async.auth.guard import Guard
from chroma_async.auth.keys import Keys, make_key
from chroma_async.auth.permission import Grant, Names
from chroma_async.auth.policy import Policy
from chroma_async.config.settings import Settings
from chroma_async.server.app import ROUTES, create_app
from chroma_async.server.docs import document_routes
from chroma_async.server.route import Route
from chroma_async.service.local import LocalAPI, open_local
from chroma_async.types import GetRequest, Scope

SETTINGS = Settings(is_persistent=False, allow_reset=True)
#: Only by grants without bounds.
WHOLE_SERVER = {"reset", "metrics", "create_key", "list_keys", "revoke_key"}
PLACE = Scope("acme", "prod")
GET = GetRequest()
#: A body for each route that reads one.
BODIES: dict[str, Any] = {
    "create_key": {"user": "ann"},
    "create_tenant": {"name": "acme-2"},
    "update_tenant": {"resource_name": "acme-res"},
    "create_database": {"name": "prod-2"},
    "create_collection": {"name": "docs-new"},
    "update_collection": {"new_metadata": {"a": 1}},
    "fork_collection": {"new_name": "docs-fork"},
    "attach_function": {"name": "count", "function_id": "record_counter", "output_collection": "docs-count"},
    "detach_function": {"delete_output": False},
    "collection_add": {"ids": ["b"], "embeddings": [[1.0, 2.0]]},
    "collection_upsert": {"ids": ["b"], "embeddings": [[1.0, 2.0]]},
    "collection_update": {"ids": ["a"], "embeddings": [[1.0, 2.0]]},
    "collection_delete": {"ids": ["a"]},
    "collection_get": {},
    "collection_query": {"query_embeddings": [[1.0, 2.0]]},
    "collection_search": {"searches": [{}]},
    "collection_count_matching": {},
    "conditional_get": {},
    "conditional_commit": {
        "read_token": 0,
        "read_ids": [],
        "operations": [{"operation": kind, "payload": {"ids": ["z"], "embeddings": [[1.0, 2.0]]}} for kind in ("add", "update", "upsert")]
        + [{"operation": "delete", "payload": {"ids": ["z"]}}],
    },
}  # fmt: skip
#: What a route needs beside the action of its row.
ALSO = {"conditional_commit": {"collection:get"}}
#: The last part of their path is a name.
BY_NAME = {"get_collection", "delete_collection"}
#: Routes that are about more than one collection: another collection is none of their business, or is left out of what they list.
WIDER = {
    "get_user_identity", "create_tenant", "get_tenant", "update_tenant", "create_database", "list_databases", "get_database",
    "list_collections", "count_collections", "list_aliases",
}  # fmt: skip
GUARDED = [route for route in (*ROUTES, *document_routes(ROUTES)) if not route.open]


def test_every_route_is_open_or_has_actions_that_exist() -> None:
    for route in (*ROUTES, *document_routes(ROUTES)):
        assert route.open != bool(route.actions), route.operation
        assert set(route.actions) <= ACTIONS | {KNOWN_CALLER}, route.operation


def test_every_action_is_asked_for_by_a_route() -> None:
    assert {action for route in GUARDED for action in route.actions} == ACTIONS | {KNOWN_CALLER}


async def filled() -> tuple[LocalAPI, str]:
    """A store with a collection ``docs`` that has an alias, a function and a resource name, and another, ``secret``; the id of ``docs``."""
    api = await open_local(None, SETTINGS)
    await api.create_tenant("acme")
    await api.update_tenant("acme", "acme-res")
    await api.create_database("prod", "acme")
    docs = await api.create_collection(PLACE, "docs")
    for name in ("docs-plain", "secret"):
        await api.create_collection(PLACE, name)
    await api.set_alias(PLACE, "docs-now", docs.id)
    await api.attach_function(PLACE, docs.id, "count", "record_counter", "docs-count")
    return api, str(docs.id)


@asynccontextmanager
async def serving(api: LocalAPI, grants: dict[str, Grant], directory: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A server where each name is the token of a user who has that grant."""
    users = [f"{{id: {name}, role: {name}, tokens: [{name}]}}" for name in grants]
    settings = Settings(path=str(directory), allow_reset=True, auth_credentials=f"users: [{', '.join(users)}]")
    key, _ = make_key(Caller("bob"), 0.0, id="count")
    authentication = authentication_from(settings, Keys([key], lambda: 0.0), asyncio.to_thread)
    policy = Policy({name: (grant,) for name, grant in grants.items()}, {})
    guard = Guard(authentication, policy, attempts_from(settings))
    runner = web.AppRunner(create_app(api, settings, asyncio.to_thread, guard=guard))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with aiohttp.ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as session:
            yield session
    finally:
        await runner.cleanup()


def path_of(route: Route, id: str) -> str:
    names = {"tenant": "acme", "database": "prod", "collection_id": "docs-plain" if route.operation in BY_NAME else id}
    return route.path.format(**names, alias="docs-now", name="count", key_id="count", function_name="count", crn="acme-res:prod:docs")


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: route.operation)
async def test_a_route_does_what_is_allowed_and_nothing_else(route: Route, tmp_path: Path) -> None:
    needed = frozenset({*route.actions, *ALSO.get(route.operation, ())}) & ACTIONS
    tenants, databases, collections = Names(("acme*",)), Names(("prod*",)), Names(("doc?*",))
    right = Grant(needed, tenants, databases, collections)
    # These take all collections with them.
    right = Grant(needed, tenants, databases) if route.operation == "delete_database" else right
    right = Grant(needed) if route.operation in WHOLE_SERVER else right
    grants = {
        "right": right,
        "wrong-action": Grant(ACTIONS - needed),
        "wrong-tenant": Grant(needed, Names(("other*", "ACME")), databases, collections),
        "wrong-collection": Grant(needed, tenants, databases, Names(("other*", "DOCS", "doc"))),
        "nothing": Grant(frozenset()),
    }
    api, id = await filled()
    body = {"collection_id": id} if route.operation == "set_alias" else BODIES.get(route.operation)
    seen: dict[str, int] = {}

    async def ask(client: aiohttp.ClientSession, name: str, headers: dict[str, str]) -> Any:
        async with client.request(route.method, path_of(route, id), json=body, headers=headers) as response:
            seen[name] = response.status
            return await response.json() if response.content_type == "application/json" else await response.text()

    try:
        async with serving(api, grants, tmp_path) as client:
            await ask(client, "no credential", {})
            await ask(client, "bad credential", {"X-Chroma-Token": "bad"})
            for name in ("nothing", "wrong-action", "wrong-tenant"):
                await ask(client, name, {"X-Chroma-Token": name})
            listed = await ask(client, "wrong-collection", {"X-Chroma-Token": "wrong-collection"})
            if route.operation == "conditional_commit":
                body["read_token"] = (await api.conditional_get(PLACE, (await api.get_collection(PLACE, "docs")).id, GET))[1]
            answer = await ask(client, "right", {"Authorization": "Bearer right"})
    finally:
        await api.aclose()
    # What a caller with other collections may create too is there by then.
    done = 409 if route.operation in ("create_tenant", "create_database") else route.status
    assert (seen.pop("no credential"), seen.pop("bad credential"), seen.pop("right")) == (401, 401, done), answer
    if route.operation == "get_user_identity":
        assert set(seen.values()) == {200}
        return
    assert (seen["nothing"], seen["wrong-action"], seen["wrong-tenant"]) == (403, 403, 403)
    assert (seen["wrong-collection"] == 403) == (route.operation not in WIDER)
    if route.operation in ("list_collections", "count_collections", "list_aliases"):
        assert not listed
        assert answer
