"""JSON Web Tokens of an identity provider: who signed them, for whom, until when, and who the caller is by their claims."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chroma_async.auth.caller import EVERY, Caller
from chroma_async.auth.signing_keys import FetchedKeys, FixedKeys, SigningKey, SigningKeys, fetching, read_jwks
from chroma_async.config.setting import MASK, SettingsError
from chroma_async.config.settings import Settings
from chroma_async.threads import Run

#: Least length of a shared secret: that of the digest, as RFC 7518 has it.
SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Claims:
    """The names of the claims that make a caller. ``""`` is not read; one that is named and not there makes none."""

    user: str = "sub"
    role: str = ""
    tenant: str = ""
    databases: str = ""


class SignedTokens:
    """Knows callers by tokens that somebody else signed."""

    def __init__(
        self, keys: SigningKeys, audience: str, issuer: str, claims: Claims, leeway_s: float, clock_s: Callable[[], float] = time.time
    ) -> None:
        """:param issuer: ``""`` for any. :param leeway_s: by how much clocks may differ. :param clock_s: seconds since 1970."""
        self._keys = keys
        self._audience = audience
        self._issuer = issuer
        self._claims = claims
        self._leeway_s = leeway_s
        self._clock_s = clock_s

    async def caller(self, token: str) -> Caller | None:
        """Who the token stands for; ``None``: it is none, or does not count here and now. :raises UnavailableError: no keys can be had."""
        if token.count(".") != 2:
            return None
        header = _header(token)
        if header is None:
            return None
        claims = self._verified(token, await self._keys.candidates(header.get("kid")))
        return None if claims is None or not self._is_in_time(claims) else self._caller(claims)

    def _verified(self, token: str, candidates: Sequence[SigningKey]) -> dict[str, Any] | None:
        """The claims, if one of the keys signed them for us, by the algorithm that the key is for, whatever the token says."""
        import jwt

        options: Any = {"require": ["exp", "aud"], "verify_exp": False, "verify_nbf": False, "verify_iat": False}
        for algorithm, key, _kid in candidates:
            try:
                claims: dict[str, Any] = jwt.decode(
                    token, key, algorithms=[algorithm], audience=self._audience, issuer=self._issuer or None, options=options
                )
            except jwt.PyJWTError:
                continue
            return claims
        return None

    def _is_in_time(self, claims: dict[str, Any]) -> bool:
        now_s, end_s, begin_s = self._clock_s(), claims["exp"], claims.get("nbf", 0)
        if not all(type(value) in (int, float) for value in (end_s, begin_s)):
            return False
        return bool(begin_s - self._leeway_s <= now_s < end_s + self._leeway_s)

    def _caller(self, claims: dict[str, Any]) -> Caller | None:
        names = self._claims
        user = claims.get(names.user)
        role = claims.get(names.role) if names.role else None
        tenant = claims.get(names.tenant) if names.tenant else EVERY
        databases = claims.get(names.databases) if names.databases else [EVERY]
        databases = [databases] if isinstance(databases, str) else databases
        texts = [user, tenant, *(databases if isinstance(databases, list) else [None]), *([role] if names.role else [])]
        if not databases or not all(isinstance(text, str) and text for text in texts):
            return None
        return Caller(str(user), role, str(tenant), tuple(databases or ()))


def signed_tokens_from(settings: Settings, run: Run) -> SignedTokens | None:
    """What the settings say of signed tokens; ``None``: none are taken.

    :param run: a way to a thread, in which keys are fetched.
    :raises SettingsError: they cannot be used. No message holds a secret.
    """
    if not settings.jwt_jwks and not settings.jwt_secret:
        return None
    if settings.jwt_jwks and settings.jwt_secret:
        raise SettingsError("jwt_jwks", settings.jwt_jwks, "settings", "jwt_secret is given too; one of them signs")
    try:
        import jwt  # noqa: F401
    except ImportError:
        key = "jwt_jwks" if settings.jwt_jwks else "jwt_secret"
        raise SettingsError(key, MASK, "settings", "signed tokens need PyJWT: install chroma-async[server]") from None
    if not settings.jwt_audience:
        reason = "a text is expected: without it, tokens that were made for other services would count here"
        raise SettingsError("jwt_audience", "", "settings", reason)
    names = Claims(settings.jwt_user_claim, settings.jwt_role_claim, settings.jwt_tenant_claim, settings.jwt_databases_claim)
    return SignedTokens(_keys(settings, run), settings.jwt_audience, settings.jwt_issuer, names, settings.jwt_leeway_s)


def _keys(settings: Settings, run: Run) -> SigningKeys:
    if settings.jwt_secret:
        secret = settings.jwt_secret.encode()
        if len(secret) < SECRET_BYTES:
            raise SettingsError("jwt_secret", MASK, "settings", f"at least {SECRET_BYTES} bytes are expected")
        return FixedKeys([("HS256", secret, None)])
    place = settings.jwt_jwks
    try:
        if "://" in place:
            return FetchedKeys(fetching(place), run, settings.jwt_refresh_s, time.monotonic)
        return FixedKeys(read_jwks(Path(place).read_text("utf-8")))
    except (OSError, ValueError) as error:
        reason = error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)
        raise SettingsError("jwt_jwks", place, "settings", reason) from None


def _header(token: str) -> dict[str, Any] | None:
    """What a token says of itself, before anything is known of it. ``None``: it is no token, or names its key by no text."""
    import jwt

    try:
        header: dict[str, Any] = jwt.get_unverified_header(token)
    except jwt.PyJWTError:
        return None
    return header if isinstance(header.get("kid", ""), str) else None
