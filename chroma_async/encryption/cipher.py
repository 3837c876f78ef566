"""One value as text that a store can keep, and back.

``enc1:<key id>:<base64url of nonce (12 bytes), ciphertext, tag (16 bytes)>`` is AES-256-GCM with a random nonce, bound to its record and
place: moved to another record, another field, or between document and field, it does not open. ``det1:<key id>:<base64url of tag (16 bytes)
and ciphertext>`` is AES-256-SIV, bound to its field: equal values are equal texts, in all records.
"""

from __future__ import annotations

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error

from chroma_async.encryption.keyring import Keyring
from chroma_async.errors import EncryptionError

RANDOM, DETERMINISTIC = "enc1", "det1"
_NONCE_BYTES = 12


def key_id_of(text: str) -> str | None:
    """Under which key a text was encrypted; ``None`` for one that was not."""
    form, _, rest = text.partition(":")
    id, colon, _ = rest.partition(":")
    return id if colon and form in (RANDOM, DETERMINISTIC) else None


class Cipher:
    """Encrypts under one key, decrypts under any. The keys must be loaded. Blocking; thread-safe."""

    def __init__(self, keyring: Keyring) -> None:
        """:raises ModuleNotFoundError: the extra is not installed; names it."""
        try:
            from cryptography.exceptions import InvalidTag
        except ModuleNotFoundError as error:
            remedy = "encryption needs the package cryptography: pip install 'chroma-async[encryption]'"
            raise ModuleNotFoundError(remedy, name="cryptography") from error
        self._keyring = keyring
        self._refusals = (InvalidTag, ValueError, Base64Error)

    def seal(self, key_id: str, value: bytes, place: str, record: str) -> str:
        """``value`` at a ``place`` ("document", or a field) of a record; another text each time."""
        nonce = os.urandom(_NONCE_BYTES)
        body = self._keyring.gcm(key_id, place).encrypt(nonce, value, _bound(place, record))
        return f"{RANDOM}:{key_id}:{urlsafe_b64encode(nonce + body).decode()}"

    def seal_equal(self, key_id: str, value: bytes, place: str) -> str:
        """``value`` in a field; the same text each time. Empty values have a text too."""
        # RFC 5297 allows none, the library does not: the marker makes sure that there is a byte.
        body = self._keyring.siv(key_id, place).encrypt(b"=" + value, [place.encode()])
        return f"{DETERMINISTIC}:{key_id}:{urlsafe_b64encode(body).decode()}"

    def open(self, text: str, place: str, record: str) -> bytes:
        """What was sealed. :raises EncryptionError: it was changed, or is another record's, another place's or another key's."""
        form, key_id, body = text.split(":", 2)
        try:
            raw = urlsafe_b64decode(body)
            if form == DETERMINISTIC:
                return self._keyring.siv(key_id, place).decrypt(raw, [place.encode()])[1:]
            nonce, sealed = raw[:_NONCE_BYTES], raw[_NONCE_BYTES:]
            return self._keyring.gcm(key_id, place).decrypt(nonce, sealed, _bound(place, record))
        except self._refusals:
            raise EncryptionError(
                f"{place} of record {record!r:.80} does not open with the key {key_id!r}: it was changed, moved here from another place, "
                "or encrypted with another key of that id"
            ) from None


def _bound(place: str, record: str) -> bytes:
    return place.encode() + b"\0" + record.encode()
