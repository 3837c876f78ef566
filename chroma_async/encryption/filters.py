"""Filters over encrypted fields: equality of deterministic fields is asked by their texts, everything else is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from chroma_async.errors import ValidationError
from chroma_async.types import DOCUMENT_KEY, Json

_LOGICAL = ("$and", "$or")
#: What a deterministic field can be asked, and as what: under each key that may have encrypted a value, the text is another.
_EQUALITY = {"$eq": "$in", "$in": "$in", "$ne": "$nin", "$nin": "$nin"}
_PRESENCE = "$exists"


class FilterRewriter:
    """Puts texts in the place of values. Never changes what it is given."""

    def __init__(self, encrypted: Collection[str], deterministic: Collection[str], documents: bool, texts: Callable[[str, Any], list[str]]):
        """
        :param encrypted: the fields that are, the ``deterministic`` ones among them. :param documents: whether documents are.
        :param texts: all texts that a value may have in a deterministic field.
        """
        self._encrypted = encrypted
        self._deterministic = deterministic
        self._documents = documents
        self._texts = texts

    def where(self, where: Json) -> Json:
        """A where object as the store must be asked. What is of the wrong shape stays, for the store to refuse.

        :raises ValidationError: it asks an encrypted field, or the encrypted document, what only the clear text could answer.
        """
        if not isinstance(where, Mapping):
            return where
        return {key: self._member(key, value) for key, value in where.items()}

    def where_document(self, where_document: Json) -> Json:
        """:raises ValidationError: there is one, and documents are encrypted."""
        if where_document is not None and self._documents:
            raise ValidationError("where_document: documents are encrypted, so nothing can be searched in them; filter by a metadata field")
        return where_document

    def refuse_order(self, keys: Collection[str], what: str) -> None:
        """:raises ValidationError: one of ``keys`` is encrypted, and ``what`` needs its clear values."""
        for key in keys:
            if key in self._encrypted or (key == DOCUMENT_KEY and self._documents):
                raise ValidationError(f"{what}: {key!r} is encrypted, and {what} needs its clear values; use a field that is not")

    def _member(self, key: str, value: Json) -> Json:
        if key in _LOGICAL and isinstance(value, list):
            return [self.where(clause) for clause in value]
        if key == DOCUMENT_KEY and self._documents:
            raise ValidationError(f"where: {DOCUMENT_KEY} is encrypted, so nothing can be searched in it; filter by a metadata field")
        if key not in self._encrypted:
            return value
        conditions = value if isinstance(value, Mapping) else {"$eq": value}
        return dict(self._condition(key, operator, operand) for operator, operand in conditions.items())

    def _condition(self, key: str, operator: str, operand: Json) -> tuple[str, Json]:
        if operator == _PRESENCE:
            return operator, operand
        if key not in self._deterministic:
            raise ValidationError(
                f"where: {key!r} is encrypted, so it cannot be filtered by; name it in deterministic_fields to allow equality on it"
            )
        if operator not in _EQUALITY:
            raise ValidationError(f"where: {key!r} is encrypted, so {operator} cannot be asked; {', '.join(_EQUALITY)} and $exists can")
        values = operand if isinstance(operand, list) else [operand]
        return _EQUALITY[operator], [text for value in values for text in self._texts(key, value)]
