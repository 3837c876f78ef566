"""What is encrypted, and with which keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import orjson

from chroma_async.encryption.cipher import Cipher, key_id_of
from chroma_async.encryption.filters import FilterRewriter
from chroma_async.encryption.keyring import Keyring, Keys, check_key_id
from chroma_async.errors import EncryptionError, ValidationError, ValidationTypeError
from chroma_async.refusing import guarded_class
from chroma_async.threads import Run
from chroma_async.types import Json, Metadata, MetadataPatch, MetadataValue, RecordBatch, Rows

#: The place of a document; a field's is its name behind ``_FIELD``.
_DOCUMENT, _FIELD = "document", "field "


@guarded_class
class Encryption:
    """Given to a client as ``encryption=``: its collections encrypt what they write and decrypt what they read.

    Embedding functions see clear texts, the store never does. A value is bound to its record and field: one that somebody changed in the
    store, or moved from another record, is refused when it is read.

    :param keys: 32 random bytes for each id: a dict, or a callable that gives them (at once, from a thread; or a coroutine).
    :param current: the id of the key that encrypts. Others are still asked for to decrypt.
    :param documents: whether documents are encrypted. Nothing can be searched in them then.
    :param fields: metadata fields that are encrypted. They cannot be filtered by.
    :param deterministic_fields: metadata fields that are encrypted so that equal values (of one type) have equal texts: they can be
        filtered by equality, and whoever reads the store sees which records share a value.
    :param previous: ids of the keys before ``current``: filters by equality find what those encrypted too.
    :param allow_plaintext: read documents and fields that are not encrypted as they are, for a collection from before; refused otherwise,
        since whoever can write to the store could put them there.
    :raises ValidationError, ValidationTypeError: the arguments.
    """

    def __init__(
        self,
        keys: Keys,
        current: str,
        *,
        documents: bool = True,
        fields: Iterable[str] = (),
        deterministic_fields: Iterable[str] = (),
        previous: Iterable[str] = (),
        allow_plaintext: bool = False,
    ) -> None:
        self._keyring = Keyring(keys)
        self._cipher = Cipher(self._keyring)
        self._current = check_key_id(current, "current")
        self._ids = list(dict.fromkeys([current, *(check_key_id(id, "previous") for id in _names(previous, "previous"))]))
        self._documents = documents
        self._deterministic = frozenset(_names(deterministic_fields, "deterministic_fields"))
        self._fields = frozenset(_names(fields, "fields")) | self._deterministic
        both = self._deterministic.intersection(_names(fields, "fields"))
        if both:
            raise ValidationError(f"fields and deterministic_fields both name {', '.join(sorted(both))}; name each field once")
        if not documents and not self._fields:
            raise ValidationError("nothing is to be encrypted: documents is False, and there are no fields")
        self._allow_plaintext = allow_plaintext
        #: Rewrites filters; the keys must be loaded.
        self.filters = FilterRewriter(self._fields, self._deterministic, documents, self._texts)

    def __repr__(self) -> str:
        return f"Encryption(current={self._current!r}, documents={self._documents}, fields={sorted(self._fields)})"

    async def ready(self, run: Run) -> None:
        """Have the keys at hand that encrypt and that filters need.

        :param run: a way to a thread. :raises EncryptionError: there is no key of an id.
        """
        await self._keyring.load(self._ids, run)

    async def ready_for(self, rows: Rows, run: Run) -> None:
        """Have the keys at hand that these rows were encrypted with. As :meth:`ready`."""
        await self._keyring.load({id for text in self._sealed_in(rows) if (id := key_id_of(text)) is not None}, run)

    # ---------------------------------------------------------------------------------------------------------------------------- writing

    def sealed(self, batch: RecordBatch) -> RecordBatch:
        """The batch as the store gets it. The keys must be loaded. Blocking.

        :raises ValidationError: a sparse vector in an encrypted field, which no index would find.
        """
        documents, metadatas = batch.documents, batch.metadatas
        if documents is not None and self._documents:
            documents = [
                None if text is None else self._cipher.seal(self._current, text.encode(), _DOCUMENT, id)
                for id, text in zip(batch.ids, documents, strict=True)
            ]
        if metadatas is not None and self._fields:
            metadatas = [self._sealed_metadata(id, metadata) for id, metadata in zip(batch.ids, metadatas, strict=True)]
        return replace(batch, documents=documents, metadatas=metadatas)

    def _sealed_metadata(self, id: str, metadata: MetadataPatch | None) -> MetadataPatch | None:
        if metadata is None or self._fields.isdisjoint(metadata):
            return metadata
        return {key: self._sealed_value(id, key, value) if key in self._fields else value for key, value in metadata.items()}

    def _sealed_value(self, id: str, key: str, value: Any) -> Any:
        if value is None:  # removes the field
            return None
        if isinstance(value, dict):
            raise ValidationError(f"metadata: {key!r} is to be encrypted, and holds a sparse vector, which could not be searched then")
        if key in self._deterministic:
            return self._cipher.seal_equal(self._current, orjson.dumps(value), _FIELD + key)
        return self._cipher.seal(self._current, orjson.dumps(value), _FIELD + key, id)

    def _texts(self, key: str, value: Any) -> list[str]:
        return [self._cipher.seal_equal(id, orjson.dumps(value), _FIELD + key) for id in self._ids]

    # ---------------------------------------------------------------------------------------------------------------------------- reading

    def _sealed_in(self, rows: Rows) -> Iterator[str]:
        if self._documents:
            yield from (text for text in rows.documents or () if text is not None)
        for metadata in rows.metadatas or ():
            for key in self._fields.intersection(metadata or ()):
                value = (metadata or {})[key]
                if isinstance(value, str):
                    yield value

    def opened(self, rows: Rows) -> Rows:
        """The rows in the clear. The keys must be loaded. Blocking. :raises EncryptionError: a value does not open, or is not encrypted."""
        return replace(rows, documents=self._opened_documents(rows), metadatas=self._opened_metadatas(rows))

    def _opened_documents(self, rows: Rows) -> list[str | None] | None:
        if rows.documents is None or not self._documents:
            return rows.documents
        found = zip(rows.ids, rows.documents, strict=True)
        return [None if text is None else self._opened_document(id, text) for id, text in found]

    def _opened_document(self, id: str, text: str) -> str:
        if key_id_of(text) is None:
            self._check_plaintext(_DOCUMENT, id)
            return text
        return self._cipher.open(text, _DOCUMENT, id).decode()

    def _opened_metadatas(self, rows: Rows) -> list[Metadata | None] | None:
        if rows.metadatas is None or not self._fields:
            return rows.metadatas
        return [self._opened_metadata(id, metadata) for id, metadata in zip(rows.ids, rows.metadatas, strict=True)]

    def _opened_metadata(self, id: str, metadata: Metadata | None) -> Metadata | None:
        if metadata is None or self._fields.isdisjoint(metadata):
            return metadata
        return {key: self._opened_value(id, key, value) if key in self._fields else value for key, value in metadata.items()}

    def _opened_value(self, id: str, key: str, value: MetadataValue) -> MetadataValue:
        if not isinstance(value, str) or key_id_of(value) is None:
            self._check_plaintext(_FIELD + key, id)
            return value
        opened: MetadataValue = orjson.loads(self._cipher.open(value, _FIELD + key, id))
        return opened

    def _check_plaintext(self, place: str, id: str) -> None:
        if not self._allow_plaintext:
            raise EncryptionError(
                f"{place} of record {id!r:.80} is not encrypted; if the collection is from before, read it with allow_plaintext=True"
            )

    # --------------------------------------------------------------------------------------------------------------------------- searches

    def search(self, search: Json) -> Json:
        """A search as the store must be asked. What is of the wrong shape stays, for the store to refuse.

        :raises ValidationError: it filters, groups or orders by what is encrypted.
        """
        if not isinstance(search, dict):
            return search
        group_by = search.get("group_by")
        if isinstance(group_by, dict):
            self.filters.refuse_order(_texts_in(group_by.get("keys")), "group_by")
            aggregates = group_by.get("aggregate")
            for aggregate in aggregates.values() if isinstance(aggregates, dict) else ():
                self.filters.refuse_order(_texts_in(aggregate.get("keys")) if isinstance(aggregate, dict) else [], "group_by")
        return {**search, "filter": self.filters.where(search["filter"])} if "filter" in search else search


def _names(given: Iterable[str], what: str) -> list[str]:
    """:raises ValidationTypeError: one text in the place of several, or what is none."""
    names = [] if isinstance(given, str | bytes) else list(given)
    if isinstance(given, str | bytes) or not all(type(name) is str and name for name in names):
        raise ValidationTypeError(f"{what}: expected a list of non-empty strings, got {given!r:.80}")
    return names


def _texts_in(value: Json) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
