"""The async client beside chromadb's own: every public name, with the same parameters in the same order."""

from __future__ import annotations

import inspect
from typing import Any

import chromadb
import pytest
from chromadb.api.async_client import AsyncAdminClient, AsyncClient
from chromadb.api.models.AsyncCollection import AsyncCollection

import chroma_async

#: Ways to be made that belong to chromadb's inside, and verbs that this package does not have.
NOT_OURS = {
    "create", "from_system", "from_system_async", "get_chroma_cloud_api_key_from_clients",
    "fork", "fork_count", "get_indexing_status",
}  # fmt: skip


def parameters(function: Any) -> list[tuple[str, Any]]:
    found = inspect.signature(function).parameters.values()
    return [(one.name, one.kind) for one in found if one.kind is not one.KEYWORD_ONLY]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (AsyncClient, chroma_async.AsyncClient),
        (AsyncCollection, chroma_async.AsyncCollection),
        (AsyncAdminClient, chroma_async.AsyncAdminClient),
    ],
    ids=lambda cls: cls.__name__,
)
def test_methods_have_the_same_names_parameters_and_colour(theirs: type, ours: type) -> None:
    shared = {"clear_system_cache"} if theirs is AsyncAdminClient else set()
    for name in sorted(set(dir(theirs)) - NOT_OURS - shared):
        member = inspect.getattr_static(theirs, name)
        if name.startswith("_") or not (inspect.isroutine(member) or isinstance(member, property)):
            continue
        assert hasattr(ours, name), f"{ours.__name__}.{name}"
        if inspect.isfunction(member):
            assert parameters(member) == parameters(getattr(ours, name)), name
            assert inspect.iscoroutinefunction(member) == inspect.iscoroutinefunction(getattr(ours, name)), name


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (chromadb.AsyncHttpClient, "AsyncHttpClient"),
        (chromadb.PersistentClient, "AsyncPersistentClient"),
        (chromadb.EphemeralClient, "AsyncEphemeralClient"),
    ],
    ids=lambda one: getattr(one, "__name__", one),
)
def test_factories_have_the_same_parameters_and_defaults(theirs: Any, ours: str) -> None:
    mine = getattr(chroma_async, ours)
    assert parameters(theirs) == parameters(mine)
    for name, parameter in inspect.signature(theirs).parameters.items():
        assert inspect.signature(mine).parameters[name].default == parameter.default
