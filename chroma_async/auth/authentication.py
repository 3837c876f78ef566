"""From settings to the question that each request is asked: who are you?"""

from __future__ import annotations

from collections.abc import Sequence

from chroma_async.auth.caller import Caller
from chroma_async.auth.credential import Password, TokenHeader, read_credential
from chroma_async.auth.provider import Provider, provider_named
from chroma_async.auth.tokens import Tokens, read_tokens
from chroma_async.config.setting import SettingsError
from chroma_async.config.settings import Settings
from chroma_async.errors import AuthorizationError


class Authentication:
    """Knows callers by what they show."""

    def __init__(self, tokens: Tokens, header: TokenHeader = TokenHeader.ANY) -> None:
        """:param header: where tokens are expected."""
        self._tokens = tokens
        self._header = header

    async def caller(self, authorization: Sequence[str], chroma_token: Sequence[str]) -> Caller:
        """Who sends a request with these values of the headers ``Authorization`` and ``X-Chroma-Token``.

        :raises AuthorizationError: nobody who is known here. Its message is the same for all credentials that are well formed.
        """
        shown = read_credential(authorization, chroma_token, self._header, passwords=False)
        found = None if isinstance(shown, Password) else self._tokens.caller(shown.text)
        if found is None:
            raise AuthorizationError("the credential is not one that is known here")
        return found


def authentication_from(settings: Settings) -> Authentication | None:
    """What the settings ask for; ``None``: nobody is asked. Credentials without a provider are tokens.

    :raises SettingsError: an unknown provider, one without credentials, or credentials that cannot be read. No message holds a credential.
    """
    provider = provider_named(settings.auth_provider, settings.auth_credentials_provider)
    if not settings.auth_credentials:
        if provider is None:
            return None
        reason = "there are no credentials for it; set CHROMA_SERVER_AUTHN_CREDENTIALS, or CHROMA_SERVER_AUTHN_CREDENTIALS_FILE"
        key = "auth_provider" if settings.auth_provider else "auth_credentials_provider"
        raise SettingsError(key, settings.auth_provider or settings.auth_credentials_provider, "settings", reason)
    if provider is Provider.BASIC:
        raise SettingsError("auth_provider", settings.auth_provider, "settings", "passwords cannot be checked yet; use tokens")
    header = TokenHeader(settings.auth_token_header.replace("_", "-"))
    try:
        return Authentication(read_tokens(settings.auth_credentials), header)
    except ValueError as error:
        raise SettingsError("auth_credentials", "********", "settings", str(error)) from None
