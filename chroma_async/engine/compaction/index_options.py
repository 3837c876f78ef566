"""How a collection wants to be indexed, read off its row."""

from __future__ import annotations

from dataclasses import dataclass

from chroma_async.engine.write.live_row import LiveRow
from chroma_async.index.base import GraphOptions
from chroma_async.query_language.filter_rules import full_text_enabled
from chroma_async.types import Space

#: Bounds within which the user's HNSW settings are taken at their word.
DEGREE_BOUNDS = (2, 128)
EF_CONSTRUCTION_BOUNDS = (8, 2000)


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """What a build of a graph or a trigram index has to know of the collection."""

    space: Space
    graph: GraphOptions
    full_text: bool


def index_options(row: LiveRow) -> IndexOptions:
    """As the row says now. A degree that the user did not set is left to the build, which knows the size."""
    options = row.options
    degree = _within(options.max_neighbors, DEGREE_BOUNDS) if "max_neighbors" in options.explicit else None
    return IndexOptions(
        space=options.space,
        graph=GraphOptions(degree=degree, ef_construction=_within(options.ef_construction, EF_CONSTRUCTION_BOUNDS)),
        full_text=full_text_enabled(row.row.schema),
    )


def _within(value: int, bounds: tuple[int, int]) -> int:
    low, high = bounds
    return max(low, min(high, value))
