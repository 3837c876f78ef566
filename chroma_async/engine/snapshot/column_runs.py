"""Runs of rows whose metadata is in columns: what a part is made of, be it a segment's chunks or a memtable's blocks.

Who goes through all metadata of a part asks it for its runs, and need not know which kind of part it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Protocol

from chroma_async.engine.snapshot.expiry_index import ExpiryIndex, expiry_index
from chroma_async.format.columns import Columns
from chroma_async.format.postings import Postings
from chroma_async.types import Metadata


class ColumnRun(Protocol):
    """Consecutive rows of a part: a chunk, a block, or the newest rows of a memtable."""

    @property
    def columns(self) -> Columns:
        """Their metadata."""

    @property
    def postings(self) -> Postings:
        """Their sparse vectors."""

    @property
    def expiry_index(self) -> ExpiryIndex:
        """When they expire."""


class UnsealedRun:
    """The newest rows of a memtable as a run: made of their metadata when somebody asks, each thing once."""

    def __init__(self, metadatas: Sequence[Metadata | None]) -> None:
        self._metadatas = metadatas

    @cached_property
    def columns(self) -> Columns:
        """Their metadata."""
        return Columns.build(self._metadatas)

    @cached_property
    def postings(self) -> Postings:
        """Their sparse vectors."""
        return Postings.build(self._metadatas)

    @cached_property
    def expiry_index(self) -> ExpiryIndex:
        """When they expire."""
        return expiry_index(self.columns)
