"""What may be done, by the names that Chroma has for it; ``system:metrics`` is ours."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase

#: Every action. The part before the colon says what it is done to: the whole server, a tenant, a database, a collection.
ACTIONS = frozenset({
    "system:reset", "system:manage_keys", "system:metrics",
    "tenant:create_tenant", "tenant:get_tenant", "tenant:update_tenant",
    "db:create_database", "db:get_database", "db:delete_database", "db:list_databases", "db:list_collections", "db:count_collections",
    "db:create_collection", "db:get_or_create_collection",
    "collection:get_collection", "collection:get_collection_by_crn", "collection:update_collection", "collection:delete_collection",
    "collection:fork_collection", "collection:count_forks", "collection:add", "collection:delete", "collection:get", "collection:query",
    "collection:count", "collection:update", "collection:upsert", "collection:search", "collection:create_attached_function",
    "collection:remove_attached_function",
})  # fmt: skip

#: What older policy files name otherwise: clients peek by getting.
_OLD_NAMES = {"collection:peek": "collection:get", "db:get_collection": "collection:get_collection"}
#: What needs a known caller and no action: to ask who one is.
KNOWN_CALLER = "known"


def actions_named(names: Iterable[object]) -> frozenset[str]:
    """The actions of a list of names, in which ``*`` stands for any characters.

    :raises ValueError: a name that is none, or a pattern that no action has; says which, and the nearest.
    """
    found: set[str] = set()
    for name in names:
        if not isinstance(name, str):
            raise ValueError(f"{name!r:.40} is no name of an action")
        name = _OLD_NAMES.get(name, name)
        matching = {action for action in ACTIONS if fnmatchcase(action, name)}
        if not matching:
            near = get_close_matches(name, ACTIONS, 1, 0.6)
            raise ValueError(f"{name!r:.80} is no action{f'; did you mean {near[0]}?' if near else ''}")
        found |= matching
    return frozenset(found)
