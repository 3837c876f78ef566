"""Roles, as Chroma's file for its simple RBAC has them, with bounds that it does not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from chroma_async.auth.action import actions_named
from chroma_async.auth.caller import EVERY, Caller
from chroma_async.auth.permission import EVERYTHING, Grant, Names, Permission
from chroma_async.config.config_file import read_yaml
from chroma_async.config.setting import MASK, SettingsError
from chroma_async.config.settings import Settings

#: What is configured as a provider of authorisation. Names, never imported.
AUTHZ_PROVIDERS = frozenset({
    "rbac",
    "chromadb.auth.simple_rbac_authz.SimpleRBACAuthorizationProvider",
    "chromadb.auth.authz.SimpleRBACAuthorizationProvider",
})  # fmt: skip
#: Permissions that are remembered; callers come by the thousand where an identity provider makes them.
_REMEMBERED = 1024
_GRANT_MEMBERS = {"actions", "tenants", "databases", "collections"}


class Policy:
    """What callers may do by their roles. Without roles everybody may do everything where they are bound to."""

    def __init__(self, roles: Mapping[str, Sequence[Grant]] | None, users: Mapping[str, str]) -> None:
        """:param users: the role of a user, by its id; it wins over the one that the caller brings."""
        self._roles = roles
        self._users = users
        self.permission = lru_cache(_REMEMBERED)(self._permission)

    def has_role(self, name: str) -> bool:
        """Whether there is a role of that name."""
        return self._roles is not None and name in self._roles

    def _permission(self, caller: Caller) -> Permission:
        if self._roles is None:
            return Permission(caller, (EVERYTHING,))
        role = self._users.get(caller.user, caller.role)
        return Permission(caller, self._roles.get(role, ()) if role is not None else ())


def policy_from(settings: Settings) -> Policy:
    """The policy that settings name. A configuration without a provider counts.

    :raises SettingsError: an unknown provider, one without a configuration, or one that cannot be read: an unknown action is named.
    """
    provider, text = settings.authz_provider, settings.authz_config
    if provider and provider not in AUTHZ_PROVIDERS:
        raise SettingsError("authz_provider", provider, "settings", f"unknown provider; known are {', '.join(sorted(AUTHZ_PROVIDERS))}")
    if not text:
        if provider:
            reason = "it has no roles; set CHROMA_SERVER_AUTHZ_CONFIG, or CHROMA_SERVER_AUTHZ_CONFIG_FILE"
            raise SettingsError("authz_provider", provider, "settings", reason)
        return Policy(None, {})
    try:
        return read_policy(text)
    except ValueError as error:
        raise SettingsError("authz_config", MASK, "settings", str(error)) from None


def read_policy(text: str) -> Policy:
    """YAML: ``roles_mapping``, by the names of roles, and ``users`` with ``id`` and ``role``.

    A role has ``actions`` and, if it is bounded, ``tenants``, ``databases`` and ``collections``, lists of globs; or ``grants``, a list of
    these. Other members of users are left to whoever reads tokens.

    :raises ValueError: it is none; says where.
    """
    content = _content(text)
    if unknown := [key for key in content if key not in ("roles_mapping", "users")]:
        raise ValueError(f"{unknown[0]!r:.40} is unknown; known are roles_mapping, users")
    mapping = content.get("roles_mapping")
    if not isinstance(mapping, dict) or not mapping:
        raise ValueError("roles_mapping: a mapping of at least one role is expected")
    roles = {str(name): _role(entry, f"roles_mapping.{name}") for name, entry in mapping.items()}
    return Policy(roles, _users(content.get("users") or [], roles))


def _content(text: str) -> Mapping[str, Any]:
    try:
        return read_yaml(text)
    except ValueError as error:
        # YAML's own words quote the text, and older files hold tokens too.
        if error.__cause__ is None:
            raise
        mark = getattr(error.__cause__, "problem_mark", None)
        raise ValueError("it is not YAML" if mark is None else f"it is not YAML (line {mark.line + 1})") from None


def _users(entries: Any, roles: Mapping[str, Sequence[Grant]]) -> dict[str, str]:
    if not isinstance(entries, list):
        raise ValueError("users: a list is expected")
    users: dict[str, str] = {}
    for number, entry in enumerate(entries):
        place = f"users[{number}]"
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str) or not isinstance(entry.get("role"), str):
            raise ValueError(f"{place}: a mapping with the texts id and role is expected")
        if entry["role"] not in roles:
            raise ValueError(f"{place}.role: there is no role {entry['role']!r:.40} in roles_mapping")
        if entry["id"] in users:
            raise ValueError(f"{place}.id: {entry['id']!r:.40} is there twice")
        users[entry["id"]] = entry["role"]
    return users


def _role(entry: Any, place: str) -> tuple[Grant, ...]:
    if not isinstance(entry, dict):
        raise ValueError(f"{place}: a mapping is expected")
    if "grants" not in entry:
        return (_grant(entry, place),)
    if len(entry) > 1 or not isinstance(entry["grants"], list):
        raise ValueError(f"{place}: grants, a list, stands for all else")
    return tuple(_grant(each, f"{place}.grants[{number}]") for number, each in enumerate(entry["grants"]))


def _grant(entry: Any, place: str) -> Grant:
    if not isinstance(entry, dict):
        raise ValueError(f"{place}: a mapping is expected")
    if unknown := [str(key) for key in entry if key not in _GRANT_MEMBERS]:
        raise ValueError(f"{place}: {unknown[0]!r:.40} is unknown; known are {', '.join(sorted(_GRANT_MEMBERS))}")
    if not isinstance(entry.get("actions"), list):
        raise ValueError(f"{place}.actions: a list is expected")
    try:
        actions = actions_named(entry["actions"])
    except ValueError as error:
        raise ValueError(f"{place}.actions: {error}") from None
    return Grant(actions, *(_names(entry.get(member, [EVERY]), f"{place}.{member}") for member in ("tenants", "databases", "collections")))


def _names(globs: Any, place: str) -> Names:
    if not isinstance(globs, list) or not all(isinstance(glob, str) and glob for glob in globs):
        raise ValueError(f"{place}: a list of texts is expected")
    return Names(globs)
