"""What one caller may do, and where. Nothing else is allowed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import translate

from chroma_async.auth.action import ACTIONS, KNOWN_CALLER
from chroma_async.auth.caller import EVERY, Caller
from chroma_async.types import DEFAULT_DATABASE, DEFAULT_TENANT, Identity, Scope

_PATTERN = re.compile(r"[*?\[]")


class Names:
    """Names that are given by globs: ``*`` and ``?`` stand for characters, ``[ab]`` for one of some. Case counts."""

    def __init__(self, globs: Iterable[str]) -> None:
        self.globs = tuple(globs)
        self.are_all = EVERY in self.globs
        self._match = re.compile("|".join(map(translate, self.globs)) or r"(?!)").match

    def __contains__(self, name: str) -> bool:
        return self.are_all or self._match(name) is not None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Names) and self.globs == other.globs

    def __hash__(self) -> int:
        return hash(self.globs)


ALL = Names((EVERY,))


@dataclass(frozen=True, slots=True)
class Grant:
    """Actions on the collections of databases of tenants."""

    actions: frozenset[str]
    tenants: Names = ALL
    databases: Names = ALL
    collections: Names = ALL


#: Whatever there is.
EVERYTHING = Grant(ACTIONS)


@dataclass(frozen=True)
class Permission:
    """The grants of a caller, within the tenant and the databases that it is bound to."""

    caller: Caller
    grants: Sequence[Grant]
    _tenant: Names = field(init=False)
    _databases: Names = field(init=False)
    #: Who the caller is, and what it may see: ``*`` for a tenant unless it is one alone; databases by name or glob.
    identity: Identity = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_tenant", Names((self.caller.tenant,)))
        object.__setattr__(self, "_databases", Names(self.caller.databases))
        object.__setattr__(self, "identity", self._identity())

    def somewhere(self, actions: Sequence[str]) -> bool:
        """Whether one of the actions is allowed anywhere at all."""
        return KNOWN_CALLER in actions or any(not grant.actions.isdisjoint(actions) for grant in self.grants)

    def on_system(self, action: str) -> bool:
        """Whether an action on the whole server is allowed: by a grant without bounds, to a caller without any."""
        whole = self._tenant.are_all and self._databases.are_all
        return whole and any(action in grant.actions and _is_unbounded(grant) for grant in self.grants)

    def on_tenant(self, action: str, tenant: str) -> bool:
        """Whether an action on a tenant is allowed."""
        return tenant in self._tenant and any(action in grant.actions and tenant in grant.tenants for grant in self.grants)

    def on_whole_tenant(self, action: str, tenant: str) -> bool:
        """Whether a change of a tenant is allowed: not to who is bound to some of its databases."""
        return self._databases.are_all and self.on_tenant(action, tenant)

    def on_database(self, action: str, scope: Scope) -> bool:
        """Whether an action on a database is allowed, or on some of its collections."""
        return any(self._grants(action, scope))

    def on_all_collections(self, action: str, scope: Scope) -> bool:
        """Whether an action on whatever collection of a database is allowed."""
        return any(grant.collections.are_all for grant in self._grants(action, scope))

    def on_collection(self, action: str, scope: Scope, name: str) -> bool:
        """Whether an action on the collection of that name is allowed."""
        return any(name in grant.collections for grant in self._grants(action, scope))

    def place(self, scope: Scope) -> Scope:
        """Where a request goes: one that names the default tenant or database, to the only one that the caller has."""
        tenant = self.tenant(scope.tenant)
        own = self.identity.databases
        database = own[0] if scope.database == DEFAULT_DATABASE and len(own) == 1 and _is_plain(own[0]) else scope.database
        return scope if (tenant, database) == (scope.tenant, scope.database) else Scope(tenant, database)

    def tenant(self, name: str) -> str:
        """The tenant that a request means which names this one."""
        own = self.identity.tenant
        return own if name == DEFAULT_TENANT and _is_plain(own) else name

    def _identity(self) -> Identity:
        tenants = {glob for grant in self.grants for glob in grant.tenants.globs}
        databases = sorted({glob for grant in self.grants for glob in grant.databases.globs})
        tenant = self.caller.tenant
        if tenant == EVERY and len(tenants) == 1 and _is_plain(*tenants):
            (tenant,) = tenants
        bound = not self._databases.are_all
        return Identity(self.caller.user, tenant, self.caller.databases if bound else (EVERY,) if EVERY in databases else databases)

    def _holds(self, scope: Scope) -> bool:
        return scope.tenant in self._tenant and scope.database in self._databases

    def _grants(self, action: str, scope: Scope) -> Iterable[Grant]:
        if not self._holds(scope):
            return ()
        return (
            grant
            for grant in self.grants
            if action in grant.actions and scope.tenant in grant.tenants and scope.database in grant.databases
        )


def _is_unbounded(grant: Grant) -> bool:
    return grant.tenants.are_all and grant.databases.are_all and grant.collections.are_all


def _is_plain(name: str) -> bool:
    return _PATTERN.search(name) is None
