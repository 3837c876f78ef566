"""An identity provider: keys of its own, the JWKS of them, and the tokens that it signs."""

from __future__ import annotations

import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

#: Seconds since 1970 at which tokens are made.
NOW_S = 1_000_000.0
AUDIENCE = "chroma"


class Issuer:
    """Signs by a key of one kind: ``RS256`` or ``ES256``."""

    def __init__(self, algorithm: str = "RS256", kid: str | None = "key-1") -> None:
        self.algorithm = algorithm
        self.kid = kid
        self.key = rsa.generate_private_key(65537, 2048) if algorithm == "RS256" else ec.generate_private_key(ec.SECP256R1())

    def jwk(self, **changes: Any) -> dict[str, Any]:
        """The public key."""
        algorithm: Any = jwt.get_algorithm_by_name(self.algorithm)
        found = json.loads(algorithm.to_jwk(self.key.public_key()))
        found.pop("key_ops", None)
        return {**found, "use": "sig", "alg": self.algorithm, **({"kid": self.kid} if self.kid else {}), **changes}

    def token(self, key: Any = None, algorithm: str | None = None, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token for ``ann``, with changed claims; ``None`` takes one out."""
        whole = {"sub": "ann", "aud": AUDIENCE, "iss": "https://id.example", "exp": NOW_S + 60, "iat": NOW_S, **claims}
        head = {"kid": self.kid} if self.kid else {}
        payload = {name: value for name, value in whole.items() if value is not None}
        return jwt.encode(payload, self.key if key is None else key, algorithm or self.algorithm, headers={**head, **(headers or {})})


def jwks(*keys: dict[str, Any]) -> str:
    """A set of keys."""
    return json.dumps({"keys": list(keys)})
