"""The graph: FAISS's HNSW over coded vectors, as a file that is built once, checked, and then only searched.

A graph proposes rows; exact distances come from :mod:`chroma_async.index.kernels`. It is derived: losing it costs time, not data.

FAISS ends the process where Python would raise, so nothing reaches it unproven: a file's bytes are checked against their checksum before
FAISS parses them, arrays are checked before their address is taken, and rows are never added to an index that is mapped or being searched.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import faiss as _faiss
import numpy as np

from chroma_async.errors import CorruptionError
from chroma_async.format.frame import Frame, FrameWriter, Sink
from chroma_async.index.base import Advice, Codec, GraphOptions, SegmentVectors, VectorChunk, Verdict, default_codec, default_degree
from chroma_async.index.codes import ChunkCodes, Encoding, scan, search
from chroma_async.index.effort import FEW, Efforts, Zone
from chroma_async.index.node_map import NodeMap, NodeMapBuilder
from chroma_async.index.recall_check import EFS, examine, judge
from chroma_async.types import Bytes, Floats, Ints, Json, Space

#: Its type stubs lack most of what is used here.
faiss: Any = _faiss

KIND = "graph"
#: Values outside the trained ranges, and rows that the codec cannot carry, above which the ranges no longer describe the data.
RETRAIN_SHARE = 0.01
#: Rows to see before that is judged.
RETRAIN_ROWS = 1000
_BLOCK_ROWS = 4096


class Graph:
    """A searchable graph. Immutable, shared by threads.

    :ivar covers: rows at positions below this were considered: each is found through the graph, or was dead when it was built.
    :ivar navigable: whether its links may be followed; if not, only :meth:`scan` gives good answers.
    :ivar efforts: how far to search so that the recall that was asked for when it was built is reached.
    :ivar bytes: size of the file.
    """

    def __init__(self, index: Any, frame: Frame, encoding: Encoding, node_map: NodeMap, length: int) -> None:
        extra = frame.extra
        self._index = index
        self._frame = frame  # the index reads the frame's memory
        self._storage = faiss.downcast_index(index.storage)
        self.encoding = encoding
        self.node_map = node_map
        self.covers = int(extra["covers"])
        self.degree = int(extra["degree"])
        self.navigable = bool(extra["navigable"])
        self.efforts = _efforts(extra)
        self.bytes = length

    @classmethod
    def open(cls, buffer: memoryview, file: str) -> Graph:
        """Open a saved graph over a buffer, usually a memory map, which must stay as it is. Reads every byte once.

        :raises CorruptionError: the file is damaged or contradicts itself; names the file.
        """
        frame, encoding, node_map = _read(buffer, file)
        content = frame.array("faiss")
        try:
            index = faiss.read_index(faiss.ZeroCopyIOReader(faiss.swig_ptr(content), content.size))
        except RuntimeError as error:
            raise CorruptionError(f"{file}: the graph cannot be read: {error}", file) from error
        _check(index, encoding, node_map, file)
        return cls(index, frame, encoding, node_map, len(buffer))

    @property
    def rows(self) -> int:
        """Rows that can be found through the graph."""
        return self.node_map.rows

    @property
    def nodes(self) -> int:
        return len(self.node_map.positions)

    @property
    def space(self) -> Space:
        return self.encoding.space

    def search(self, query: Floats, k: int, ef: int, chosen: Bytes | None = None) -> Ints:
        """Follow the links: at most ``k`` nodes, nearest first.

        :param query: float32 ``(d,)`` as a :class:`~chroma_async.index.kernels.Scorer` prepared it.
        :param chosen: packed bits of the nodes that may be found (:meth:`NodeMap.selection`), or ``None`` for all.
        """
        return search(self._index, query, min(k, self.nodes), faiss.SearchParametersHNSW, chosen, efSearch=ef)[0]

    def explore(self, query: Floats, k: int, ef: int) -> tuple[Ints, Zone]:
        """As :meth:`search` among all nodes; and the zone of the query, judged by its tenth neighbour."""
        nodes, values = search(self._index, query, min(k, self.nodes), faiss.SearchParametersHNSW, None, efSearch=ef)
        last = min(FEW, len(values)) - 1
        if last < 0:
            return nodes, Zone.NEAR
        return nodes, self.efforts.zone(self.encoding.remoteness(query, float(values[last])))

    def scan(self, query: Floats, k: int, chosen: Bytes | None = None) -> Ints:
        """Compare with the codes of all chosen nodes: the nearest ``k``, nearest first."""
        return scan(self._storage, query, k, chosen)


class GraphBuilder:
    """A private, growing copy of a graph. Used by one thread; FAISS uses as many cores as that thread allows it."""

    def __init__(self, index: Any, encoding: Encoding, numbers: NodeMapBuilder, covers: int, degree: int) -> None:
        self._index = index
        self._storage = faiss.downcast_index(index.storage)
        self._numbers = numbers
        self.encoding = encoding
        self.covers = covers
        self.degree = degree
        self._seen = self._values = self._clipped = self._uncarried = 0
        self._verdict: Verdict | None = None

    @classmethod
    def new(cls, space: Space, dimension: int, options: GraphOptions, sample: Floats, rows: int) -> GraphBuilder:
        """An empty graph whose codec is trained on ``sample`` ``(n, d)``: raw rows spread over the whole segment.

        :param rows: how many rows it is to begin with; decides the number of links unless ``options`` does.
        :raises ValueError: the sample is empty or has another dimension.
        """
        if sample.ndim != 2 or sample.shape[1] != dimension:
            raise ValueError(f"a sample of shape {sample.shape} for {dimension} dimensions")
        encoding = Encoding.train(space, options.codec or default_codec(dimension), sample)
        degree = max(2, options.degree or default_degree(dimension, rows))
        if encoding.codec is Codec.FLOAT32:
            index = faiss.IndexHNSWFlat(dimension, degree, encoding.metric)
        else:
            index = faiss.IndexHNSWSQ(dimension, encoding.quantiser, degree, encoding.metric)
            encoding.teach(faiss.downcast_index(index.storage))
        index.is_trained = True
        index.hnsw.efConstruction = max(1, options.ef_construction)
        return cls(index, encoding, NodeMapBuilder(), 0, degree)

    @classmethod
    def load(cls, buffer: memoryview, file: str) -> GraphBuilder:
        """A private copy of a saved graph, to be added to. :raises CorruptionError: the file is damaged; names the file."""
        frame, encoding, node_map = _read(buffer, file)
        content = frame.bytes("faiss")
        offset = 0

        def following(size: int) -> bytes:
            nonlocal offset
            part = bytes(content[offset : offset + size])
            offset += len(part)
            return part

        try:
            index = faiss.read_index(faiss.PyCallbackIOReader(following))
        except RuntimeError as error:
            raise CorruptionError(f"{file}: the graph cannot be read: {error}", file) from error
        _check(index, encoding, node_map, file)
        numbers = NodeMapBuilder(node_map, _codes(faiss.downcast_index(index.storage)))
        builder = cls(index, encoding, numbers, int(frame.extra["covers"]), int(frame.extra["degree"]))
        counts = frame.extra["counts"]
        builder._seen, builder._values, builder._clipped, builder._uncarried = (int(count) for count in counts)
        return builder

    @property
    def needs_retraining(self) -> bool:
        """Over 1 % of the values added since training lie outside the ranges, or over 1 % of the rows cannot be carried: build anew."""
        if self._seen < RETRAIN_ROWS:
            return False
        return self._clipped > RETRAIN_SHARE * self._values or self._uncarried > RETRAIN_SHARE * self._seen

    @property
    def nodes(self) -> int:
        return self._numbers.nodes

    def add(self, vectors: Floats, norms: Floats, positions: Ints) -> None:
        """Add live rows: ``vectors`` ``(n, d)`` raw float32, their lengths ``(n,)``, and where they lie.

        :raises ValueError: the shapes do not fit, or ``positions`` do not ascend from :attr:`covers`.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self.encoding.dimension or not len(vectors) == len(norms) == len(positions):
            raise ValueError(f"{len(positions)} positions and {len(norms)} norms for vectors of shape {vectors.shape}")
        if not len(positions):
            return
        if int(positions[0]) < self.covers or not (np.diff(positions) > 0).all():
            raise ValueError(f"positions must ascend from {self.covers}")
        for start in range(0, len(vectors), _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            self._add_block(vectors[block], norms[block], positions[block])
        self.cover(int(positions[-1]) + 1)

    def _add_block(self, vectors: Floats, norms: Floats, positions: Ints) -> None:
        prepared = self.encoding.prepare(vectors, norms)
        self._seen += len(vectors)
        self._values += prepared.values
        self._clipped += prepared.clipped
        self._uncarried += len(prepared.exact)
        self._numbers.put_aside(positions[prepared.zeros], positions[prepared.exact])
        if not len(prepared.vectors):
            return
        new = self._numbers.assign(self._storage.sa_encode(prepared.vectors), positions[prepared.kept], self._codes_of)
        if len(new):
            self._index.add(prepared.vectors[new])

    def cover(self, bound: int) -> None:
        """Declare that every row below ``bound`` was considered: those that were not added are dead."""
        self.covers = max(self.covers, bound)
        self._verdict = None

    def check(self, segment: SegmentVectors, target: float = 0.99, floor: float = 0.98) -> Verdict:
        """Compare with an exact scan (see :mod:`chroma_async.index.recall_check`), measure the efforts, and advise. Reads all raw rows
        of the graph once.

        :param target: recall at which an ef is chosen.
        :param floor: recall at the largest ef below which links are not to be followed.
        """

        def propose(query: Floats, k: int, ef: int) -> tuple[Ints, Floats]:
            return search(self._index, query, min(k, self.nodes), faiss.SearchParametersHNSW, None, efSearch=ef)

        def compare(query: Floats, k: int) -> Ints:
            return scan(self._storage, query, k, None)

        findings = examine(propose, compare, self._numbers.freeze(), segment, self.encoding, target, floor)
        self._verdict = judge(findings, self.encoding, floor)
        return self._verdict

    def save(self, sink: Sink) -> None:
        """Write the file. Committing ``sink`` is the caller's business.

        :raises ValueError: rows were added since the last :meth:`check`, or it advised against keeping the graph.
        """
        verdict = self._verdict
        if verdict is None or verdict.advice not in (Advice.KEEP, Advice.SCAN_CODES):
            raise ValueError("only a graph that passed its check is saved")
        writer = FrameWriter(sink, KIND)
        writer.begin("faiss", np.uint8)
        failures: list[BaseException] = []

        def write(data: bytes) -> None:
            try:
                writer.append(np.frombuffer(data, np.uint8))
            except BaseException as error:
                failures.append(error)  # FAISS reports a failed callback without its cause
                raise

        try:
            faiss.write_index(self._index, faiss.PyCallbackIOWriter(write))
        except Exception:
            if failures:
                # Popped: FAISS holds the callback where no garbage collector looks, and with it would hold traceback, rows and files.
                raise failures.pop() from None
            raise
        writer.end()
        writer.section("ranges", self.encoding.ranges)
        self._numbers.freeze().write(writer)
        writer.finish(self._extra(verdict))

    def _extra(self, verdict: Verdict) -> Mapping[str, Json]:
        return {
            "encoding": self.encoding.to_json(),
            "covers": self.covers,
            "degree": self.degree,
            "navigable": verdict.advice is Advice.KEEP,
            # What a reader from before the efforts goes by.
            "ef": verdict.efforts.near.few or EFS[-1],
            "reach": None if math.isinf(verdict.efforts.reach) else verdict.efforts.reach,
            "efforts": verdict.efforts.to_json(),
            "recalls": {str(ef): recall for ef, recall in verdict.recalls.items()},
            "counts": [self._seen, self._values, self._clipped, self._uncarried],
        }

    def _codes_of(self, nodes: Ints) -> Bytes:
        return np.asarray(_codes(self._storage)[nodes])


def encode_chunk(chunk: VectorChunk, graph: Graph | None, space: Space) -> ChunkCodes:
    """The codes of a chunk that ``graph``, if there is one, does not cover, in the graph's own codec."""
    return ChunkCodes(chunk, None if graph is None else graph.encoding, space)


def _codes(storage: Any) -> Bytes:
    """A view of a flat index's codes ``(n, bytes)``; valid until rows are added."""
    width = int(storage.sa_code_size())
    if not storage.ntotal:
        return np.empty((0, width), np.uint8)
    codes: Bytes = faiss.rev_swig_ptr(storage.codes.data(), storage.ntotal * width)
    return codes.reshape(storage.ntotal, width)


def _efforts(extra: Mapping[str, Json]) -> Efforts:
    """What the graph's check measured; a graph that was checked before efforts were tells less."""
    if "efforts" in extra:
        return Efforts.from_json(extra["efforts"])
    reach = math.inf if extra.get("reach") is None else float(extra["reach"])
    return Efforts.unmeasured(int(extra["ef"]) if extra["navigable"] else 0, reach)


def _read(buffer: memoryview, file: str) -> tuple[Frame, Encoding, NodeMap]:
    """Prove every byte and read all but the FAISS part."""
    frame = Frame.open(buffer, KIND, file)
    frame.verify()
    try:
        encoding = Encoding.from_json(frame.extra["encoding"], frame.array("ranges"))
    except (KeyError, ValueError) as error:
        raise CorruptionError(f"{file}: the codec is described wrongly: {error}", file) from error
    return frame, encoding, NodeMap.read(frame, int(frame.extra["covers"]))


def _check(index: Any, encoding: Encoding, node_map: NodeMap, file: str) -> None:
    """What FAISS read is what the rest of the file speaks of."""
    expected = (encoding.dimension, encoding.metric, len(node_map.positions))
    if (index.d, index.metric_type, index.ntotal) != expected or not isinstance(index, faiss.IndexHNSW):
        raise CorruptionError(
            f"{file}: the graph holds {index.ntotal} nodes of {index.d} dimensions, not {expected[2]} of {expected[0]}", file
        )
