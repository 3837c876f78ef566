"""Rows as text embeddings lie: topics of very unequal size, each a cloud of few directions, with noise in all dimensions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from chroma_async.engine.read.nearest import NearestRequest, Searchable, nearest
from chroma_async.engine.read.search_plan import PlanSettings
from chroma_async.format.bitmap import Bitmap
from chroma_async.index.base import Advice, Codec, GraphOptions, SegmentVectors, VectorChunk, Verdict
from chroma_async.index.hnsw import Graph, GraphBuilder
from chroma_async.index.kernels import set_threads
from chroma_async.types import Bools, Floats, Ints, Space

DIMENSION = 384
#: Search the graph wherever the links may be followed at all, also where a scan of so few rows would be cheaper.
GRAPH_FIRST = PlanSettings(cheap_exact_us=0.0, row_ns_per_dimension=100.0, code_ns_per_dimension=100.0)


@dataclass(frozen=True)
class Mixture:
    """``vectors`` ``(n, d)`` with the topic of each row, and ``queries`` from the same topics. No row has length 1."""

    vectors: Floats
    topics: Ints
    queries: Floats


def mixture(rows: int, *, topics: int = 120, queries: int = 100, seed: int = 7) -> Mixture:
    random = np.random.default_rng(seed)
    shares = 1.0 / np.arange(1, topics + 1) ** 0.8
    centres = random.normal(size=(topics, DIMENSION)).astype(np.float32)
    directions = random.normal(size=(topics, 24, DIMENSION)).astype(np.float32) / 5
    owners = random.choice(topics, rows + queries, p=shares / shares.sum())
    points = np.empty((rows + queries, DIMENSION), np.float32)
    for topic in range(topics):
        mine = np.flatnonzero(owners == topic)
        inside = random.normal(size=(len(mine), 24)).astype(np.float32) @ directions[topic]
        points[mine] = centres[topic] + inside + 0.25 * random.normal(size=(len(mine), DIMENSION)).astype(np.float32)
    return Mixture(points[:rows], owners[:rows], points[rows:])


class Sink:
    """A staged file in memory."""

    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.content += data

    def tell(self) -> int:
        return len(self.content)


@dataclass(frozen=True)
class Built:
    """A segment with its graph, as a store would hold them, and the graph's file."""

    space: Space
    segment: SegmentVectors
    graph: Graph | None
    verdict: Verdict
    file: bytes

    def recall(self, queries: Floats, allowed: Bitmap | None = None, *, k: int = 10, settings: PlanSettings = GRAPH_FIRST) -> float:
        """Share of the true nearest that are found. Every answer must be of full length."""
        hits = expected = 0
        for query in queries:
            request = NearestRequest(self.space, settings, queries=query[None], k=k)
            (truth, _), (found, _) = (nearest(request, Searchable(self.segment, graph), allowed)[0] for graph in (None, self.graph))
            assert len(found) == len(truth)
            hits += len(np.intersect1d(truth, found))
            expected += len(truth)
        return hits / max(1, expected)


def chunks(vectors: Floats, *cuts: int) -> SegmentVectors:
    """``vectors`` as a segment of chunks that are cut at ``cuts``."""
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1).astype(np.float32)
    bounds = [0, *cuts, len(vectors)]
    parts = [
        VectorChunk(start, np.ascontiguousarray(vectors[start:stop]), np.ascontiguousarray(norms[start:stop]))
        for start, stop in pairwise(bounds)
    ]
    return SegmentVectors(parts, vectors.shape[1])


def fill(builder: GraphBuilder, segment: SegmentVectors, start: int, stop: int, alive: Bools | None = None) -> None:
    """Add the live rows of ``range(start, stop)``."""
    positions = np.arange(start, stop)
    if alive is not None:
        positions = positions[alive[start:stop]]
    builder.add(*segment.take(positions), positions)
    builder.cover(stop)


def finish(builder: GraphBuilder, segment: SegmentVectors) -> Built:
    """Check, save and open."""
    verdict = builder.check(segment)
    sink = Sink()
    builder.save(sink)
    file = bytes(sink.content)
    graph = Graph.open(memoryview(file), "test.graph")
    return Built(graph.space, segment, graph, verdict, file)


def build(space: Space, vectors: Floats, options: GraphOptions | None = None, alive: Bools | None = None) -> Built:
    """A segment of three chunks, and a graph of all its live rows; with one core, as in a query worker.

    As the engine does, a graph whose check advises so is built again in 16 bits, and one that is to be dropped is not searched.
    """
    set_threads(1)
    rows = len(vectors)
    segment = chunks(vectors, rows // 2, rows // 2 + rows // 4)
    given = options or GraphOptions()
    for codec in (given.codec, Codec.FP16):
        finer = GraphOptions(given.degree, given.ef_construction, codec)
        builder = GraphBuilder.new(space, vectors.shape[1], finer, vectors[:: max(1, rows // 20_000)], rows)
        fill(builder, segment, 0, rows, alive)
        verdict = builder.check(segment)
        if verdict.advice in (Advice.KEEP, Advice.SCAN_CODES):
            return finish(builder, segment)
    return Built(space, segment, None, verdict, b"")
