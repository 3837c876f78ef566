"""Rows of many owners (parts of a version, chunks of a segment): sorting them out, and putting together what each owner says of its own."""

from __future__ import annotations

from typing import TypeAlias, TypeVar

import numpy as np

from chroma_async.types import Ints, Metadata

T = TypeVar("T")

#: Documents, uris and metadata of rows; ``None`` for what was not asked.
ContentColumns: TypeAlias = tuple[list[str | None] | None, list[str | None] | None, list[Metadata | None] | None]
#: Which rows an owner has, by their places in what was asked; ``None`` stands for all of them.
Share: TypeAlias = Ints | None

#: Up to this many rows are sorted out in Python, which is quicker for a page of results than numpy is.
_FEW = 64


def group_by_owner(owners: Ints) -> list[tuple[int, Share]]:
    """Each different owner with its rows, ascending by owner. ``None`` only for the single owner of everything."""
    if not len(owners):
        return []
    if len(owners) > _FEW:
        numbers = np.unique(owners).tolist()
        return [(numbers[0], None)] if len(numbers) == 1 else [(number, np.flatnonzero(owners == number)) for number in numbers]
    shares: dict[int, list[int]] = {}
    for at, owner in enumerate(owners.tolist()):
        if owner in shares:
            shares[owner].append(at)
        else:
            shares[owner] = [at]
    if len(shares) == 1:
        return [(owner, None)]
    return [(owner, np.array(shares[owner])) for owner in sorted(shares)]


def chosen(rows: Ints, share: Share) -> Ints:
    """The rows of a share."""
    return rows if share is None else rows[share]


def scatter(values: list[T], share: Share, into: list[T] | None, count: int) -> list[T]:
    """``values`` of a share, not empty, at its places of a list of ``count``; ``into`` is the list, once there is one."""
    if share is None:
        return values
    if into is None:
        into = values[:1] * count
    for at, value in zip(share.tolist(), values, strict=True):
        into[at] = value
    return into


class Contents:
    """Documents, uris and metadata of ``count`` rows, as their owners hand them in. ``wanted``: whether anything was asked."""

    __slots__ = ("_asked", "_count", "_documents", "_metadatas", "_uris", "wanted")

    def __init__(self, count: int, *, documents: bool, uris: bool, metadatas: bool) -> None:
        self._count = count
        self._asked = (documents, uris, metadatas)
        self._documents: list[str | None] | None = None
        self._uris: list[str | None] | None = None
        self._metadatas: list[Metadata | None] | None = None
        self.wanted = count > 0 and (documents or uris or metadatas)

    def put(self, share: Share, columns: ContentColumns) -> None:
        """What an owner says of its share."""
        documents, uris, metadatas = columns
        if documents is not None:
            self._documents = scatter(documents, share, self._documents, self._count)
        if uris is not None:
            self._uris = scatter(uris, share, self._uris, self._count)
        if metadatas is not None:
            self._metadatas = scatter(metadatas, share, self._metadatas, self._count)

    @property
    def columns(self) -> ContentColumns:
        """All that was handed in."""
        documents, uris, metadatas = self._asked
        return (
            (self._documents or []) if documents else None,
            (self._uris or []) if uris else None,
            (self._metadatas or []) if metadatas else None,
        )
