"""What stands between a request and what it asks for: who sends it, how often it was wrong, and what it may do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from chroma_async.auth.attempts import Attempts
from chroma_async.auth.authentication import Authentication
from chroma_async.auth.credential import read_credential
from chroma_async.auth.permission import Permission
from chroma_async.auth.policy import Policy
from chroma_async.errors import AuthorizationError, ChromaAuthError

#: Said to those who show nothing that counts, where the only key is the one that a first start made.
INITIAL_HINT = "; the file initial-token in the server's data directory holds the first one"


class Guard:
    """The guard of a server. ``authentication`` and ``policy`` may be replaced while it serves."""

    def __init__(self, authentication: Authentication, policy: Policy, attempts: Attempts) -> None:
        self.authentication = authentication
        self.policy = policy
        self._attempts = attempts
        #: Held by who replaces what it knows.
        self.turn = asyncio.Lock()

    async def permission(self, authorization: Sequence[str], chroma_token: Sequence[str], address: str) -> Permission:
        """What the sender of a request may do.

        :param authorization: the values of the header ``Authorization``, and ``chroma_token`` those of ``X-Chroma-Token``.
        :param address: where it comes from.
        :raises AuthorizationError: the sender is not known; in the same words for all credentials that are well formed.
        :raises RateLimitError: too many who were not known came from the same address.
        """
        authentication = self.authentication
        try:
            shown = read_credential(authorization, chroma_token, authentication.header, passwords=authentication.passwords is not None)
        except AuthorizationError as error:
            raise self._unknown(error.message()) from None
        with self._attempts.attempt(address, shown.whole) as judged:
            caller = await authentication.caller(shown)
            judged(caller is not None)
        if caller is None:
            raise self._unknown("the credential is not one that is known here")
        return self.policy.permission(caller)

    @staticmethod
    def admit(permission: Permission, actions: Sequence[str]) -> None:
        """:param actions: those that a request may be about. :raises ChromaAuthError: none of them is allowed anywhere."""
        if not permission.somewhere(actions):
            raise ChromaAuthError(f"{permission.caller.user!r:.200} may not do {' or '.join(actions)}")

    def _unknown(self, reason: str) -> AuthorizationError:
        error = AuthorizationError(reason + (INITIAL_HINT if self.authentication.is_initial_only else ""))
        if self.authentication.passwords is not None:
            error.challenge = 'Basic realm="chroma-async", charset="UTF-8"'
        return error
