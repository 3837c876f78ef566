"""All of a chunk that is neither vector nor document: who its rows are, when they were written and born, and their metadata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from chroma_async.errors import CorruptionError
from chroma_async.format.columns import Columns
from chroma_async.format.frame import Frame, FrameWriter, Sink
from chroma_async.format.ids import Ids
from chroma_async.types import Ints, Json

KIND = "columns"


@dataclass(frozen=True, slots=True, eq=False)
class RowTable:
    """Immutable; all parts have as many rows. ``seqs`` and ``borns`` are int64 ``(n,)``; ``extra`` is what the writer of the file added."""

    ids: Ids
    seqs: Ints
    borns: Ints
    columns: Columns
    extra: Mapping[str, Json] = field(default_factory=dict)
    _frame: Frame | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not len(self.ids) == len(self.seqs) == len(self.borns) == self.columns.rows:
            raise ValueError(f"{len(self.ids)} ids, {len(self.seqs)} seqs, {len(self.borns)} borns, {self.columns.rows} metadata rows")

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.ids)

    @classmethod
    def concat(cls, parts: Sequence[RowTable]) -> RowTable:
        """The rows of all parts, in order."""
        nothing = np.empty(0, np.int64)
        return cls(
            Ids.concat([part.ids for part in parts]),
            np.concatenate([nothing, *(part.seqs for part in parts)]),
            np.concatenate([nothing, *(part.borns for part in parts)]),
            Columns.concat([part.columns for part in parts]),
        )

    def select(self, rows: Ints) -> RowTable:
        """Some rows, in the order asked for."""
        wanted = np.asarray(rows, np.int64)
        return RowTable(self.ids.select(wanted), self.seqs[wanted], self.borns[wanted], self.columns.select(wanted))

    def write(self, sink: Sink, extra: Mapping[str, Json] | None = None) -> None:
        """Write a frame of kind ``columns``."""
        writer = FrameWriter(sink, KIND)
        writer.section("seqs", self.seqs)
        writer.section("borns", self.borns)
        for name, array in {**self.ids.sections("ids."), **self.columns.sections("column.")}.items():
            writer.section(name, array)
        writer.finish({"columns": self.columns.description(), "extra": dict(extra or {})})

    @classmethod
    def open(cls, buffer: memoryview, file: str) -> RowTable:
        """Views of a written frame: reads trailer and contents only. :raises CorruptionError: they are damaged; names the file."""
        frame = Frame.open(buffer, KIND, file)
        columns = Columns.open(frame, "column.", frame.extra["columns"])
        try:
            return cls(Ids.open(frame, "ids."), frame.array("seqs"), frame.array("borns"), columns, frame.extra["extra"], frame)
        except ValueError as error:
            raise CorruptionError(f"{file}: {error}", file) from error

    def verify(self) -> None:
        """Read every byte of the file, if this was opened from one. :raises CorruptionError: a checksum does not hold; names the file."""
        if self._frame is not None:
            self._frame.verify()
