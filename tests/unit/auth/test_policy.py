from __future__ import annotations

import pytest

from chroma_async.auth.action import ACTIONS
from chroma_async.auth.caller import ANONYMOUS, Caller
from chroma_async.auth.policy import AUTHZ_PROVIDERS, policy_from, read_policy
from chroma_async.config.settings import Settings, SettingsError
from chroma_async.types import Scope

#: As Chroma's documentation of its Python server has it.
CHROMAS = """
roles_mapping:
  admin:
    actions:
      [
        "system:reset",
        "tenant:create_tenant",
        "collection:peek",
        "collection:query",
      ]
  anonymous:
    actions: ["db:list_collections"]
users:
  - id: ann
    role: admin
    tenant: acme
    tokens: [ignored-here]
"""
OURS = """
roles_mapping:
  support:
    grants:
      - actions: ["collection:get", "collection:query"]
        tenants: [acme]
        databases: ["prod*"]
        collections: ["docs-*"]
      - actions: ["*"]
        tenants: [acme]
        databases: [sandbox]
  nothing:
    actions: []
"""
PROD, SANDBOX = Scope("acme", "prod-1"), Scope("acme", "sandbox")


def test_chromas_own_file_gives_users_their_roles() -> None:
    policy = read_policy(CHROMAS)
    ann = policy.permission(Caller("ann"))
    assert ann.on_system("system:reset")
    assert ann.on_collection("collection:get", Scope(), "any")
    assert not ann.on_collection("collection:add", Scope(), "any")
    anonymous = policy.permission(ANONYMOUS)
    assert anonymous.on_database("db:list_collections", Scope())
    assert not anonymous.on_tenant("tenant:create_tenant", "x")


def test_a_user_without_a_role_and_one_with_an_unknown_role_may_do_nothing() -> None:
    policy = read_policy(CHROMAS)
    for caller in (Caller("bob"), Caller("bob", "superuser")):
        assert not any(policy.permission(caller).somewhere([action]) for action in ACTIONS)


def test_the_role_in_the_policy_wins_over_the_one_that_the_caller_brings() -> None:
    assert not read_policy(CHROMAS).permission(Caller("ann", "anonymous")).on_database("db:list_collections", Scope())


def test_a_role_may_be_bounded_by_globs_of_which_case_counts() -> None:
    support = read_policy(OURS).permission(Caller("sue", "support"))
    allowed = [
        support.on_collection("collection:query", scope, name)
        for scope, name in [
            (PROD, "docs-a"),
            (PROD, "docs"),
            (PROD, "DOCS-a"),
            (Scope("acme", "test"), "docs-a"),
            (Scope("acme-2", "prod-1"), "docs-a"),
            (SANDBOX, "whatever"),
        ]
    ]
    assert allowed == [True, False, False, False, False, True]
    assert (support.on_all_collections("collection:get", PROD), support.on_all_collections("collection:get", SANDBOX)) == (False, True)
    assert not support.on_system("system:reset")


def test_where_a_caller_is_bound_to_bounds_what_its_role_allows() -> None:
    bound = read_policy(OURS).permission(Caller("sue", "support", "acme", ("sandbox",)))
    assert not bound.on_collection("collection:query", PROD, "docs-a")
    assert bound.on_collection("collection:query", SANDBOX, "docs-a")
    everything = policy_from(Settings()).permission(Caller("sue", None, "acme", ("sandbox",)))
    assert everything.on_collection("collection:add", SANDBOX, "x")
    assert not everything.on_collection("collection:add", PROD, "x")
    assert not everything.on_tenant("tenant:create_tenant", "other")
    assert not everything.on_system("system:reset")


def test_without_roles_everybody_may_do_everything() -> None:
    permission = policy_from(Settings()).permission(ANONYMOUS)
    assert all(permission.on_system(action) for action in ACTIONS)


def test_a_caller_learns_what_it_may_see_and_is_sent_to_the_only_place_it_has() -> None:
    policy = read_policy(OURS)
    bound = policy_from(Settings()).permission(Caller("sue", None, "acme", ("sandbox",)))
    assert (bound.identity.user_id, bound.identity.tenant, bound.identity.databases) == ("sue", "acme", ("sandbox",))
    assert bound.place(Scope()) == SANDBOX
    assert bound.place(PROD) == PROD
    support = policy.permission(Caller("sue", "support"))
    assert (support.identity.tenant, list(support.identity.databases)) == ("acme", ["prod*", "sandbox"])
    assert support.place(Scope()) == Scope("acme")
    anybody = policy_from(Settings()).permission(ANONYMOUS)
    assert (anybody.identity.tenant, list(anybody.identity.databases)) == ("*", ["*"])
    assert anybody.place(Scope()) == Scope()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("roles_mapping: {a: {actions: ['collection:read']}}", r"roles_mapping\.a\.actions: 'collection:read' is no action"),
        ("roles_mapping: {a: {grants: [{actions: ['collection:get']}, {actions: [x]}]}}", r"roles_mapping\.a\.grants\[1\]\.actions: 'x'"),
        ("roles_mapping: {a: {actions: ['*'], tenant: x}}", "'tenant' is unknown; known are actions, collections, databases, tenants"),
        ("roles_mapping: {a: {actions: ['*'], tenants: x}}", r"roles_mapping\.a\.tenants: a list"),
        ("roles_mapping: {a: {actions: ['*'], grants: []}}", "grants, a list, stands for all else"),
        ("roles_mapping: {a: {}}", r"roles_mapping\.a\.actions: a list"),
        ("roles_mapping: {a: [x]}", r"roles_mapping\.a: a mapping"),
        ("roles_mapping: {}", "roles_mapping: a mapping of at least one role"),
        ("users: []", "roles_mapping"),
        ("role_mapping: {}", "'role_mapping' is unknown"),
        ("roles_mapping: {a: {actions: ['*']}}\nusers: [{id: ann, role: b}]", r"users\[0\]\.role: there is no role 'b'"),
        ("roles_mapping: {a: {actions: ['*']}}\nusers: [{id: ann}]", r"users\[0\]: a mapping with the texts id and role"),
        ("roles_mapping: {a: {actions: ['*']}}\nusers: [{id: x, role: a}, {id: x, role: a}]", r"users\[1\]\.id: 'x' is there twice"),
        ("roles_mapping: {a: {actions: ['*']}, a: {actions: []}}", "a stands twice"),
        ("roles_mapping: {", "it is not YAML"),
        ("[]", "a mapping of names"),
    ],
)
def test_what_is_no_policy_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        policy_from(Settings(authz_config=text))


@pytest.mark.parametrize("provider", ["", *sorted(AUTHZ_PROVIDERS)])
def test_every_name_of_the_provider_reads_the_configuration(provider: str) -> None:
    policy = policy_from(Settings(authz_provider=provider, authz_config=CHROMAS))
    assert policy.permission(Caller("ann")).on_system("system:reset")


def test_an_unknown_provider_and_one_without_roles_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"authz_provider = 'my\.Provider' .*unknown provider"):
        policy_from(Settings(authz_provider="my.Provider", authz_config=CHROMAS))
    with pytest.raises(SettingsError, match="it has no roles; set CHROMA_SERVER_AUTHZ_CONFIG"):
        policy_from(Settings(authz_provider="rbac"))
