"""From settings to the question that each request is asked: who are you?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chroma_async.auth.caller import Caller
from chroma_async.auth.credential import Password, Token, TokenHeader
from chroma_async.auth.keys import Keys
from chroma_async.auth.passwords import Passwords, read_passwords
from chroma_async.auth.plugin import TokenJudge, plugin_named
from chroma_async.auth.provider import PROVIDERS, Provider, provider_named
from chroma_async.auth.signed_tokens import signed_tokens_from
from chroma_async.auth.tokens import Tokens, read_tokens
from chroma_async.config.setting import MASK, SettingsError
from chroma_async.config.settings import Settings
from chroma_async.threads import Run


@dataclass(frozen=True, slots=True)
class Authentication:
    """Knows callers by what they show: configured ``tokens`` or ``passwords``, the server's own ``keys``, and what ``others`` know.

    ``header`` is where tokens are expected.
    """

    tokens: Tokens
    keys: Keys
    header: TokenHeader = TokenHeader.ANY
    passwords: Passwords | None = None
    others: tuple[TokenJudge, ...] = ()

    @property
    def can_let_in(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.tokens) or bool(self.keys) or self.passwords is not None or bool(self.others)

    @property
    def is_initial_only(self) -> bool:
        """Whether the key that a first start made is the only thing to show."""
        return not self.tokens and self.passwords is None and not self.others and self.keys.is_initial_only

    async def caller(self, shown: Token | Password) -> Caller | None:
        """Who shows it; ``None``: nobody who is known here. :raises UnavailableError: that cannot be told at present."""
        if isinstance(shown, Password):
            return None if self.passwords is None else await self.passwords.caller(shown)
        found = self.keys.caller(shown.text) or self.tokens.caller(shown.text)
        for judge in self.others:
            found = found or await judge.caller(shown.text)
        return found


def authentication_from(settings: Settings, keys: Keys, run: Run) -> Authentication:
    """What settings and keys ask for. Credentials without a provider are tokens.

    :param run: a way to a thread, for passwords and for keys that are fetched.
    :raises SettingsError: an unknown provider, one without credentials, or credentials that cannot be read. No message holds a credential.
    """
    signed = signed_tokens_from(settings, run)
    others = () if signed is None else (signed,)
    header = TokenHeader(settings.auth_token_header.replace("_", "-"))
    text = settings.auth_credentials
    if (make := _plugin(settings)) is not None:
        return Authentication(Tokens({}), keys, header, others=(*others, _made(make, text)))
    provider = provider_named(settings.auth_provider, settings.auth_credentials_provider)
    if not text:
        if provider is None:
            return Authentication(Tokens({}), keys, header, others=others)
        reason = "there are no credentials for it; set CHROMA_SERVER_AUTHN_CREDENTIALS, or CHROMA_SERVER_AUTHN_CREDENTIALS_FILE"
        key = "auth_provider" if settings.auth_provider else "auth_credentials_provider"
        raise SettingsError(key, settings.auth_provider or settings.auth_credentials_provider, "settings", reason)
    try:
        if provider is Provider.BASIC:
            return Authentication(Tokens({}), keys, header, read_passwords(text, run), others)
        return Authentication(read_tokens(text), keys, header, others=others)
    except ValueError as error:
        raise SettingsError("auth_credentials", MASK, "settings", str(error)) from None


def _plugin(settings: Settings) -> Callable[[str], TokenJudge] | None:
    """The provider of an installed package, where the one that is named is none of ours."""
    name = settings.auth_provider
    if not name or name in PROVIDERS:
        return None
    try:
        return plugin_named(name)
    except ValueError as error:
        raise SettingsError("auth_provider", name, "settings", str(error)) from error


def _made(make: Callable[[str], TokenJudge], credentials: str) -> TokenJudge:
    try:
        return make(credentials)
    except ValueError as error:
        # Others' words may quote the credentials.
        raise SettingsError("auth_credentials", MASK, "settings", "the provider refuses them") from error
