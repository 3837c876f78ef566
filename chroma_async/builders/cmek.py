"""A customer's own encryption key, by its name at the provider. It travels in a schema; this package never opens it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from chroma_async.errors import ValidationError
from chroma_async.refusing import guarded_class
from chroma_async.types import Json

_GCP = re.compile(r"projects/.+/locations/.+/keyRings/.+/cryptoKeys/.+")


class CmekProvider(StrEnum):
    """Who keeps the key."""

    GCP = "gcp"


@guarded_class
@dataclass
class Cmek:
    """The key ``resource`` at ``provider``."""

    provider: CmekProvider
    resource: str

    @classmethod
    def gcp(cls, resource: str) -> Cmek:
        """A key of Google's Cloud KMS: ``projects/P/locations/L/keyRings/R/cryptoKeys/K``."""
        return cls(CmekProvider.GCP, resource)

    def validate_pattern(self) -> bool:
        """Whether ``resource`` is formed as the provider forms its names. The store refuses it otherwise."""
        return self.provider == CmekProvider.GCP and _GCP.match(self.resource) is not None

    def to_dict(self) -> dict[str, Json]:
        """JSON: provider to resource."""
        return {CmekProvider(self.provider).value: self.resource}

    @classmethod
    def from_dict(cls, data: Mapping[str, Json]) -> Cmek:
        """:raises ValidationError: no provider that is known, or its resource is no string."""
        resource = data.get(CmekProvider.GCP.value)
        if not isinstance(resource, str):
            raise ValidationError(
                f"cmek: Unsupported or missing CMEK provider in data; expected {{'gcp': <name of a key>}}, got {dict(data)!r}"
            )
        return cls.gcp(resource)
