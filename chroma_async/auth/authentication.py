"""From settings to the question that each request is asked: who are you?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chroma_async.auth.caller import Caller
from chroma_async.auth.credential import Password, TokenHeader, read_credential
from chroma_async.auth.keys import Keys
from chroma_async.auth.permission import Permission
from chroma_async.auth.policy import Policy
from chroma_async.auth.provider import Provider, provider_named
from chroma_async.auth.tokens import Tokens, read_tokens
from chroma_async.config.setting import MASK, SettingsError
from chroma_async.config.settings import Settings
from chroma_async.errors import AuthorizationError, ChromaAuthError

#: Said to those who show nothing, where the only key is the one that a first start made.
INITIAL_HINT = "; the file initial-token in the server's data directory holds the first one"


@dataclass(frozen=True, slots=True)
class Authentication:
    """Knows callers by what they show: configured ``tokens``, and the server's own ``keys``. ``header`` is where tokens are expected."""

    tokens: Tokens
    keys: Keys
    header: TokenHeader = TokenHeader.ANY

    @property
    def can_let_in(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.tokens) or bool(self.keys)

    async def caller(self, authorization: Sequence[str], chroma_token: Sequence[str]) -> Caller:
        """Who sends a request with these values of the headers ``Authorization`` and ``X-Chroma-Token``.

        :raises AuthorizationError: nobody who is known here. Its message is the same for all credentials that are well formed.
        """
        try:
            shown = read_credential(authorization, chroma_token, self.header, passwords=False)
        except AuthorizationError as error:
            raise AuthorizationError(error.message() + self._hint()) from None
        found = None if isinstance(shown, Password) else self.keys.caller(shown.text) or self.tokens.caller(shown.text)
        if found is None:
            raise AuthorizationError(f"the credential is not one that is known here{self._hint()}")
        return found

    def _hint(self) -> str:
        return INITIAL_HINT if not self.tokens and self.keys.is_initial_only else ""


class Guard:
    """Who may come in, and what they may do there; both may be replaced while a server serves."""

    def __init__(self, authentication: Authentication, policy: Policy) -> None:
        self.authentication = authentication
        self.policy = policy

    async def permission(self, authorization: Sequence[str], chroma_token: Sequence[str], actions: Sequence[str]) -> Permission:
        """What the sender of a request may do; see :meth:`Authentication.caller`.

        :param actions: those that the request may be about.
        :raises AuthorizationError: the sender is not known. :raises ChromaAuthError: none of the actions is allowed to it anywhere.
        """
        caller = await self.authentication.caller(authorization, chroma_token)
        permission = self.policy.permission(caller)
        if not permission.somewhere(actions):
            raise ChromaAuthError(f"{caller.user!r:.200} may not do {' or '.join(actions) or 'this'}")
        return permission


def authentication_from(settings: Settings, keys: Keys) -> Authentication:
    """What settings and keys ask for. Credentials without a provider are tokens.

    :raises SettingsError: an unknown provider, one without credentials, or credentials that cannot be read. No message holds a credential.
    """
    provider = provider_named(settings.auth_provider, settings.auth_credentials_provider)
    header = TokenHeader(settings.auth_token_header.replace("_", "-"))
    if not settings.auth_credentials:
        if provider is None:
            return Authentication(Tokens({}), keys, header)
        reason = "there are no credentials for it; set CHROMA_SERVER_AUTHN_CREDENTIALS, or CHROMA_SERVER_AUTHN_CREDENTIALS_FILE"
        key = "auth_provider" if settings.auth_provider else "auth_credentials_provider"
        raise SettingsError(key, settings.auth_provider or settings.auth_credentials_provider, "settings", reason)
    if provider is Provider.BASIC:
        raise SettingsError("auth_provider", settings.auth_provider, "settings", "passwords cannot be checked yet; use tokens")
    try:
        return Authentication(read_tokens(settings.auth_credentials), keys, header)
    except ValueError as error:
        raise SettingsError("auth_credentials", MASK, "settings", str(error)) from None
