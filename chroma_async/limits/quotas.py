"""How much a tenant may have: numbers from the settings, and others for tenants by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from chroma_async.config.settings import Settings, SettingsError
from chroma_async.errors import QuotaExceededError


@dataclass(frozen=True, slots=True)
class Quota:
    """What one tenant may have; 0 is no bound.

    ``collections`` and ``records`` in all its databases together, ``dimension`` numbers in a vector, ``n_results`` in one answer.
    """

    collections: int = 0
    records: int = 0
    dimension: int = 0
    n_results: int = 0

    def check(self, name: str, asked: int) -> None:
        """:param name: one of the fields. :raises QuotaExceededError: ``asked`` is more; names both."""
        limit: int = getattr(self, name)
        if limit and asked > limit:
            raise QuotaExceededError(f"Quota exceeded: {name}: {asked} of {limit}")


class Quotas:
    """The quota of each tenant."""

    def __init__(self, usual: Quota, by_tenant: Mapping[str, Quota]) -> None:
        self._usual = usual
        self._by_tenant = by_tenant

    @property
    def limit(self) -> bool:
        """Whether any tenant is bounded."""
        return any(quota != Quota() for quota in (self._usual, *self._by_tenant.values()))

    def of(self, tenant: str) -> Quota:
        """Its own, or the usual one."""
        return self._by_tenant.get(tenant, self._usual)


def quotas_from(settings: Settings) -> Quotas:
    """As the settings say. :raises SettingsError: the quotas of tenants are of another form."""
    usual = Quota(settings.quota_collections, settings.quota_records, settings.quota_dimension, settings.quota_n_results)
    return Quotas(usual, {tenant: replace(usual, **own) for tenant, own in _by_tenant(settings.tenant_quotas).items()})


def _by_tenant(text: str) -> dict[str, dict[str, int]]:
    if not text:
        return {}
    # Only a server that is given such quotas needs a YAML parser.
    import yaml

    names = [field.name for field in fields(Quota)]
    try:
        read: Any = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        raise _refusal(text, f"it is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(read, dict) or not all(isinstance(own, dict) for own in read.values()):
        raise _refusal(text, "expected tenants, each with its quotas, as in {acme: {records: 1000}}")
    for tenant, own in read.items():
        for name, value in own.items():
            if name not in names:
                raise _refusal(text, f"{tenant}: there is no quota {name!r}; there are {', '.join(names)}")
            if type(value) is not int or value < 0:
                raise _refusal(text, f"{tenant}: {name}: expected a whole number, 0 or more, got {value!r}")
    return {str(tenant): own for tenant, own in read.items()}


def _refusal(text: str, reason: str) -> SettingsError:
    return SettingsError("tenant_quotas", text, "settings", reason)
