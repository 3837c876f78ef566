"""Quotas as they are configured."""

from __future__ import annotations

import pytest

from chroma_async.config.settings import Settings, SettingsError
from chroma_async.errors import QuotaExceededError
from chroma_async.limits.quotas import Quota, quotas_from


def test_a_tenant_has_its_own_numbers_and_otherwise_the_usual_ones() -> None:
    settings = Settings(quota_records=100, quota_collections=5, tenant_quotas="acme: {records: 1000}\nbig: {records: 0, collections: 0}")
    quotas = quotas_from(settings)
    assert quotas.of("acme") == Quota(collections=5, records=1000)
    assert quotas.of("big") == Quota()
    assert quotas.of("other") == Quota(collections=5, records=100)
    assert quotas.limit
    assert not quotas_from(Settings()).limit


def test_a_refusal_names_the_quota_what_was_asked_and_what_there_is() -> None:
    quota = Quota(records=10)
    quota.check("records", 10)
    quota.check("collections", 10**9)
    with pytest.raises(QuotaExceededError, match=r"^Quota exceeded: records: 11 of 10$"):
        quota.check("records", 11)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[", "it is no YAML"),
        ("acme", "expected tenants, each with its quotas"),
        ("acme: 5", "expected tenants, each with its quotas"),
        ("acme: {rows: 5}", "acme: there is no quota 'rows'; there are collections, records, dimension, n_results"),
        ("acme: {records: many}", "acme: records: expected a whole number, 0 or more, got 'many'"),
        ("acme: {records: -1}", "acme: records: expected a whole number, 0 or more, got -1"),
        ("acme: {records: true}", "acme: records: expected a whole number, 0 or more, got True"),
    ],
)
def test_quotas_of_another_form_are_refused_by_name(text: str, reason: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        quotas_from(Settings(tenant_quotas=text))
    assert refusal.value.key == "tenant_quotas"
    assert reason in refusal.value.message()
