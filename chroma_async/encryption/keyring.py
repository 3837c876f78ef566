"""Keys by their ids, each asked for once, and what is derived from each for one purpose.

One key encrypts documents and many fields, so each purpose has a key of its own (HKDF with SHA-256, RFC 5869): what is learnt of one says
nothing of another, and the number of values that AES-GCM may encrypt under one key (2**32, NIST SP 800-38D) counts for each by itself.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from chroma_async.errors import EncryptionError, ValidationError, ValidationTypeError
from chroma_async.threads import Run

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV

#: Keys by their ids, or what gives one for an id: at once, or to be awaited.
Keys: TypeAlias = Mapping[str, bytes] | Callable[[str], bytes | Awaitable[bytes]]

KEY_BYTES = 32
#: AES-SIV takes two keys of 256 bits in one.
SIV_KEY_BYTES = 64
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LABEL = b"chroma-async encryption 1 "


def check_key_id(value: Any, what: str) -> str:
    """:raises ValidationError: no id of a key."""
    if type(value) is not str or not _ID.fullmatch(value):
        raise ValidationError(f"{what}: expected 1-64 characters from [A-Za-z0-9._-], got {value!r:.80}")
    return value


class Keyring:
    """The keys of one :class:`~chroma_async.encryption.encryption.Encryption`. Belongs to any number of threads and loops."""

    def __init__(self, keys: Keys) -> None:
        """:raises ValidationTypeError: ``keys`` neither holds keys nor gives one."""
        if not isinstance(keys, Mapping) and not callable(keys):
            raise ValidationTypeError(f"keys: expected a dict of keys by their ids, or a callable, got {type(keys).__name__}")
        self._keys = keys
        self._held: dict[str, bytes] = {}
        self._gcm: dict[tuple[str, str], AESGCM] = {}
        self._siv: dict[tuple[str, str], AESSIV] = {}

    async def load(self, ids: Iterable[str], run: Run) -> None:
        """Have these keys at hand. What the callable raises goes through.

        :param run: a way to a thread. :raises EncryptionError: there is no key of an id, or it has not 32 bytes.
        """
        for id in ids:
            if id not in self._held:
                self._held[id] = await self._asked(id, run)

    async def _asked(self, id: str, run: Run) -> bytes:
        if isinstance(self._keys, Mapping):
            key = self._keys.get(id)
        elif inspect.iscoroutinefunction(self._keys):
            key = await self._keys(id)
        else:
            # It may read a file or ask a service.
            given = await run(self._keys, id)
            key = await given if inspect.isawaitable(given) else given
        if not isinstance(key, bytes | bytearray):
            raise EncryptionError(f"there is no key {id!r}: keys gave {type(key).__name__}, expected {KEY_BYTES} bytes")
        if len(key) != KEY_BYTES:
            raise EncryptionError(f"the key {id!r} has {len(key)} bytes, expected {KEY_BYTES}")
        return bytes(key)

    def gcm(self, id: str, purpose: str) -> AESGCM:
        """AES-256-GCM for one purpose under a key that was loaded."""
        found = self._gcm.get((id, purpose))
        if found is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            found = self._gcm[id, purpose] = AESGCM(self._derived(id, f"gcm {purpose}", KEY_BYTES))
        return found

    def siv(self, id: str, purpose: str) -> AESSIV:
        """AES-256-SIV (RFC 5297) for one purpose under a key that was loaded."""
        found = self._siv.get((id, purpose))
        if found is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESSIV

            found = self._siv[id, purpose] = AESSIV(self._derived(id, f"siv {purpose}", SIV_KEY_BYTES))
        return found

    def _derived(self, id: str, purpose: str, length: int) -> bytes:
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(SHA256(), length, salt=None, info=_LABEL + purpose.encode()).derive(self._held[id])
