"""Vectors in few bytes: how a quantiser is trained, which rows it can carry, and exact scans over the codes.

The ranges of the 8-bit codec are quantiles of a sample, dimension by dimension, so that one outlier does not flatten all other rows. They
are computed here and handed to FAISS: its own ``RS_quantiles`` gets many lower bounds wrong (it selects the second quantile in a buffer
that the first selection has reordered; seen in 1.15.1), at five to ten times the error on real embeddings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import faiss as _faiss
import numpy as np

from chroma_async.index.base import Codec, VectorChunk
from chroma_async.types import Bools, Bytes, Floats, Ints, Json, Space

#: Its type stubs lack most of what is used here.
faiss: Any = _faiss

#: Rows that ranges are trained on at the most; more do not change a quantile that matters.
SAMPLE_ROWS = 50_000
#: Share of a dimension's values below, and above, its range.
TRIM = 0.001
#: Lengths that differ by less than this share make the inner product order rows as the Euclidean distance does.
EQUAL_LENGTHS = 0.01
#: A row is carried when what clipping takes from it is less than this share of the sample's variance (real embeddings: at most 0.01).
CLIP_TOLERANCE = 0.05
FP16_LIMIT = 65504.0
#: Rows encoded at a time.
_BLOCK_ROWS = 8192


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows as the codec sees them. ``vectors`` holds only those that it carries: row ``i`` of it came from ``kept[i]`` of the input.

    ``zeros`` and ``exact`` are the input rows that it does not carry: zero vectors under cosine, and rows it would distort.
    ``clipped`` is the number of values outside the trained ranges, of ``values`` in all.
    """

    vectors: Floats
    kept: Ints
    zeros: Ints
    exact: Ints
    clipped: int
    values: int


class Encoding:
    """A trained codec for one space and dimension. Immutable.

    Under cosine it sees rows scaled to length 1 and compares them by Euclidean distance. Under ip it does the same with the rows as they
    are when the sample's lengths are nearly equal, since the order is then the same and the graph finds more; ``band`` is then the range of
    lengths for which this holds, else ``None``. ``ranges`` is ``(2, d)``: lower and upper bound (8-bit codec only, else empty ``(2, 0)``).
    """

    __slots__ = ("_lower", "_upper", "band", "by_product", "codec", "dimension", "ranges", "space", "variance")

    def __init__(
        self, space: Space, dimension: int, codec: Codec, ranges: Floats, variance: float, band: tuple[float, float] | None
    ) -> None:
        self.space = space
        self.dimension = dimension
        self.codec = codec
        self.ranges = ranges
        self.variance = variance
        self.band = band
        self.by_product = space is Space.IP and band is None
        self._lower, self._upper = ranges

    @classmethod
    def train(cls, space: Space, codec: Codec, sample: Floats) -> Encoding:
        """Learn from ``sample`` ``(n, d)``, raw rows spread over the whole segment; at most 50,000 of them are looked at.

        A sample that fp16 cannot carry makes the codec float32. :raises ValueError: the sample is empty.
        """
        if sample.ndim != 2 or not sample.size:
            raise ValueError(f"a codec cannot be trained on a sample of shape {sample.shape}")
        step = -(-len(sample) // SAMPLE_ROWS)
        rows = np.asarray(sample[::step], np.float32)
        norms = np.linalg.norm(rows.astype(np.float64), axis=1).astype(np.float32)
        if space is Space.COSINE:
            directed = norms > 0
            rows = (rows[directed] / norms[directed, None]).astype(np.float32, copy=False)
            rows = rows if len(rows) else np.zeros((1, sample.shape[1]), np.float32)
        if codec is Codec.FP16 and (np.abs(rows) > FP16_LIMIT).any(axis=1).mean() > 0.01:
            codec = Codec.FLOAT32
        columns = rows.T.copy(order="C")  # always a copy: a single row, transposed, is contiguous as it is
        low = int(TRIM * len(rows))
        high = len(rows) - 1 - low
        columns.partition((low, high), axis=1)
        bounds = np.stack([columns[:, low], columns[:, high]])
        np.clip(columns, bounds[0][:, None], bounds[1][:, None], out=columns)
        variance = float(columns.var(axis=1, dtype=np.float64).sum())
        kept = bounds if codec is Codec.SQ8 else np.empty((2, 0), np.float32)
        return cls(space, sample.shape[1], codec, kept, variance, _equal_lengths(space, norms))

    def prepare(self, vectors: Floats, norms: Floats) -> Prepared:
        """Sort ``vectors`` ``(n, d)`` into what the codec carries and what it does not."""
        count = len(vectors)
        carried: Bools = np.ones(count, np.bool_)
        zeros: Ints = np.empty(0, np.int64)
        rows = vectors
        if self.space is Space.COSINE:
            carried = norms > 0
            zeros = np.flatnonzero(~carried)
            rows = np.divide(vectors, np.where(carried, norms, np.float32(1))[:, None], dtype=np.float32)
        elif self.band is not None:
            carried &= (norms >= self.band[0]) & (norms <= self.band[1])
        clipped = 0
        if self.codec is Codec.SQ8:
            excess = rows - np.clip(rows, self._lower, self._upper)
            clipped = int(np.count_nonzero(excess))
            with np.errstate(over="ignore"):
                carried &= np.einsum("nd,nd->n", excess, excess) <= CLIP_TOLERANCE * self.variance
        elif self.codec is Codec.FP16:
            beyond = np.abs(rows) > FP16_LIMIT
            clipped = int(np.count_nonzero(beyond))
            carried &= ~beyond.any(axis=1)
        kept = np.flatnonzero(carried)
        lost = ~carried
        lost[zeros] = False
        if len(kept) < count:
            rows = rows[kept]
        return Prepared(np.ascontiguousarray(rows, np.float32), kept, zeros, np.flatnonzero(lost), clipped, vectors.size)

    def storage(self) -> Any:
        """A new, empty flat FAISS index of this codec."""
        if self.codec is Codec.FLOAT32:
            return faiss.IndexFlat(self.dimension, self.metric)
        index = faiss.IndexScalarQuantizer(self.dimension, self.quantiser, self.metric)
        self.teach(index)
        return index

    @property
    def metric(self) -> int:
        """FAISS's metric."""
        return int(faiss.METRIC_INNER_PRODUCT if self.by_product else faiss.METRIC_L2)

    @property
    def quantiser(self) -> int:
        """FAISS's quantiser type; only for the codecs that have one."""
        return int(faiss.ScalarQuantizer.QT_8bit if self.codec is Codec.SQ8 else faiss.ScalarQuantizer.QT_fp16)

    def teach(self, index: Any) -> None:
        """Give an untrained ``IndexScalarQuantizer`` this training."""
        if self.codec is Codec.SQ8:
            faiss.copy_array_to_vector(np.concatenate([self._lower, self._upper - self._lower]), index.sq.trained)
        index.is_trained = True

    def remoteness(self, query: Floats, value: float) -> float:
        """How far a row lies from a query, as a number that may be compared between queries of any length; more is further.

        :param query: float32 ``(d,)``, as a :class:`~chroma_async.index.kernels.Scorer` prepared it.
        :param value: what FAISS says of the row: a squared Euclidean distance, or a product.
        """
        if self.space is not Space.IP:
            return value
        length = math.sqrt(float(query @ query))
        if not length:
            return -math.inf
        if self.band is None:
            return -value / length
        middle = (self.band[0] + self.band[1]) / 2
        return (value - length * length - middle * middle) / (2 * length)

    def to_json(self) -> dict[str, Json]:
        """All but ``ranges``, which belong in a section of their own."""
        return {
            "space": self.space.value,
            "dimension": self.dimension,
            "codec": self.codec.value,
            "variance": self.variance,
            "band": self.band,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Json], ranges: Floats) -> Encoding:
        """What :meth:`to_json` wrote. :raises ValueError: it does not fit together."""
        codec = Codec(stored["codec"])
        dimension = int(stored["dimension"])
        if ranges.shape != (2, dimension if codec is Codec.SQ8 else 0):
            raise ValueError(f"ranges of shape {ranges.shape} for {dimension} dimensions of {codec}")
        band = stored["band"]
        return cls(
            Space(stored["space"]), dimension, codec, ranges, float(stored["variance"]), None if band is None else (band[0], band[1])
        )


def _equal_lengths(space: Space, norms: Floats) -> tuple[float, float] | None:
    """The range of lengths for which ip may stand for l2, or ``None``. A few odd rows do not matter: they are kept apart."""
    if space is not Space.IP:
        return None
    low, middle, high = np.quantile(norms, [TRIM, 0.5, 1 - TRIM]).tolist()
    if not middle > 0 or high - low >= EQUAL_LENGTHS * middle:
        return None
    margin = EQUAL_LENGTHS * middle / 2
    return float(middle - margin), float(middle + margin)


def scan(storage: Any, query: Floats, k: int, chosen: Bytes | None) -> Ints:
    """The nearest stored rows by their codes: at most ``k``, nearest first.

    :param query: float32 ``(d,)``, as a :class:`~chroma_async.index.kernels.Scorer` prepared it.
    :param chosen: packed bits (least significant first) of the rows that may be found, or ``None`` for all.
    """
    return search(storage, query, min(k, storage.ntotal), faiss.SearchParameters, chosen)[0]


def search(index: Any, query: Floats, k: int, parameters: Any, chosen: Bytes | None, **settings: int) -> tuple[Ints, Floats]:
    """Search any FAISS index with parameters of class ``parameters``: the labels that were found, nearest first, and FAISS's values.

    :raises ValueError: the query has another dimension, or ``chosen`` is too short.
    """
    if query.shape != (index.d,) or query.dtype != np.float32 or not query.flags.c_contiguous:
        raise ValueError(f"a query of shape {query.shape} meets an index of {index.d} dimensions")
    if k <= 0:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    if chosen is None:
        given = parameters(**settings) if settings else None
    else:
        if len(chosen) * 8 < index.ntotal:
            raise ValueError(f"a selection of {len(chosen)} bytes is too short for {index.ntotal} rows")
        selector = faiss.IDSelectorBitmap(len(chosen), faiss.swig_ptr(chosen))
        given = parameters(sel=selector, **settings)
    values = np.empty(k, np.float32)
    labels = np.empty(k, np.int64)
    index.search_c(1, faiss.swig_ptr(query), k, faiss.swig_ptr(values), faiss.swig_ptr(labels), given)
    if labels[-1] >= 0:
        return labels, values
    found = labels >= 0
    return labels[found], values[found]


class ChunkCodes:
    """The codes of one chunk, held in memory, for scanning rows that no graph covers yet. Immutable.

    ``base`` is the chunk's, ``bytes`` what it costs to hold.
    """

    __slots__ = ("_identity", "_kept", "_storage", "always", "base", "bytes", "rows")

    def __init__(self, chunk: VectorChunk, encoding: Encoding | None, space: Space) -> None:
        """Encode ``chunk`` with a graph's ``encoding``, or with one trained on the chunk itself when there is none or it does not fit."""
        trained = encoding or Encoding.train(space, Codec.SQ8, chunk.vectors)
        kept, always, storage = _encode(chunk, trained)
        if encoding is not None and len(always) * 100 > chunk.rows:
            kept, always, storage = _encode(chunk, Encoding.train(space, Codec.SQ8, chunk.vectors))
        self._storage = storage
        self._kept = kept
        self._identity = len(kept) == chunk.rows
        #: Rows of the chunk that have no code and are to be compared exactly each time.
        self.always = always
        self.base = chunk.base
        self.rows = chunk.rows
        self.bytes = int(storage.sa_code_size()) * int(storage.ntotal)

    def candidates(self, query: Floats, k: int, allowed: Bools | None) -> Ints:
        """Rows of the chunk (numbered inside it) that the nearest ``k`` are among: about ``k`` by their codes, and :attr:`always`.

        :param allowed: a bool per row of the chunk, or ``None`` for all.
        """
        chosen = None
        always = self.always
        if allowed is not None:
            chosen = np.packbits(allowed if self._identity else allowed[self._kept], bitorder="little")
            always = always[allowed[always]]
        found = scan(self._storage, query, k, chosen)
        return np.concatenate([found if self._identity else self._kept[found], always])


def _encode(chunk: VectorChunk, encoding: Encoding) -> tuple[Ints, Ints, Any]:
    """Rows with a code, rows without, and the flat index of the codes."""
    storage = encoding.storage()
    kept: list[Ints] = []
    always: list[Ints] = []
    for start in range(0, chunk.rows, _BLOCK_ROWS):
        prepared = encoding.prepare(chunk.vectors[start : start + _BLOCK_ROWS], chunk.norms[start : start + _BLOCK_ROWS])
        if len(prepared.vectors):
            storage.add(prepared.vectors)
        kept.append(prepared.kept + start)
        always += [prepared.zeros + start, prepared.exact + start]
    return np.concatenate(kept), np.sort(np.concatenate(always)), storage
