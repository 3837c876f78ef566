"""A chunk's vectors as they came: float32 rows, and the length of each. The only copy that a distance is ever computed from."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from chroma_async.errors import CorruptionError
from chroma_async.format.frame import Frame, FrameWriter, Sink
from chroma_async.types import Floats

KIND = "vectors"

#: Values that are widened to float64 at a time.
_BLOCK_VALUES = 1 << 20


def norms(vectors: Floats) -> Floats:
    """Euclidean lengths ``(n,)`` of rows ``(n, d)``: summed in float64, then rounded to float32."""
    lengths = np.empty(len(vectors), np.float32)
    step = max(1, _BLOCK_VALUES // max(1, vectors.shape[1]))
    for start in range(0, len(vectors), step):
        block = vectors[start : start + step].astype(np.float64)
        lengths[start : start + step] = np.sqrt(np.einsum("ij,ij->i", block, block))
    return lengths


def write_vectors(sink: Sink, parts: Iterable[Floats], dimension: int) -> None:
    """Write a frame of kind ``vectors`` from parts of shape ``(any, dimension)``, one after the other, holding one at a time.

    :raises ValueError: a part has another dimension.
    """
    writer = FrameWriter(sink, KIND)
    lengths: list[Floats] = []
    writer.begin("vectors", np.float32)
    for part in parts:
        if part.ndim != 2 or part.shape[1] != dimension:
            raise ValueError(f"vectors of shape {part.shape} do not go into a chunk of dimension {dimension}")
        writer.append(part)
        lengths.append(norms(part))
    joined = np.concatenate(lengths) if lengths else np.empty(0, np.float32)
    writer.end((len(joined), dimension))
    writer.section("norms", joined)
    writer.finish()


class VectorsFile:
    """An opened ``vectors`` file. ``vectors`` is ``(n, d)`` and ``norms`` ``(n,)``, both float32 read-only views of the buffer."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self.vectors: Floats = frame.array("vectors")
        self.norms: Floats = frame.array("norms")

    @classmethod
    def open(cls, buffer: memoryview, file: str) -> VectorsFile:
        """Reads trailer and contents only. :raises CorruptionError: they are damaged; names the file."""
        opened = cls(Frame.open(buffer, KIND, file))
        shape, lengths = opened.vectors.shape, opened.norms.shape
        single = opened.vectors.dtype == np.float32 == opened.norms.dtype
        if not single or len(shape) != 2 or lengths != (shape[0],):
            raise CorruptionError(f"{file}: vectors of shape {shape} with norms of shape {lengths}", file)
        return opened

    @property
    def rows(self) -> int:
        """How many vectors."""
        return int(self.vectors.shape[0])

    @property
    def dimension(self) -> int:
        """Values in a vector."""
        return int(self.vectors.shape[1])

    def verify(self) -> None:
        """Read every byte. :raises CorruptionError: a checksum does not hold; names the file."""
        self._frame.verify()
