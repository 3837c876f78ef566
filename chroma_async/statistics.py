"""How a store is at one moment, in plain numbers: what :meth:`chroma_async.api.Inspectable.statistics` tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from chroma_async.measures import Histogram, Work
from chroma_async.types import Scope


@dataclass(frozen=True, slots=True)
class CollectionStatistics:
    """A loaded collection. Sizes in bytes, times in seconds.

    ``rows`` are alive, ``dead_rows`` deleted or replaced and still in files or memtables, ``unindexed_rows`` those of segments that no
    graph covers. ``lag_rows`` operations are in the log alone, the oldest for ``lag_s``.
    """

    id: UUID
    scope: Scope
    name: str
    rows: int
    dead_rows: int
    unindexed_rows: int
    segments: int
    memory_bytes: int
    file_bytes: int
    lag_rows: int
    lag_s: float
    queue_requests: int
    queue_bytes: int


@dataclass(frozen=True, slots=True)
class LogStatistics:
    """The write-ahead log. ``rows`` and ``bytes`` were appended since the opening; ``size_bytes`` is what it takes on the disk now."""

    appends: Histogram
    syncs: Histogram
    rows: int
    bytes: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class LaneStatistics:
    """A lane of threads. ``jobs`` wait or run, on at most ``workers`` threads; ``waits`` are the seconds until one began."""

    name: str
    workers: int
    jobs: int
    waits: Histogram


@dataclass(frozen=True, slots=True)
class CacheStatistics:
    """A cache, and how often what it was asked for was there."""

    bytes: int
    limit_bytes: int
    hits: int
    misses: int


@dataclass(frozen=True, slots=True)
class DiskStatistics:
    """The file system that a store lies on, as its owner may use it."""

    free_bytes: int
    total_bytes: int


@dataclass(frozen=True, slots=True)
class StoreStatistics:
    """A store. ``collections`` are those that are loaded, ``total_collections`` counts all; ``damaged`` could not be loaded.

    ``work`` has background work by kind; ``memory_limit_bytes`` is where loaded collections begin to be unloaded; ``disk`` is ``None`` for
    a store in memory. ``poisoned``: a write failed in doubt.
    """

    collections: tuple[CollectionStatistics, ...]
    total_collections: int
    damaged: int
    memory_limit_bytes: int
    log: LogStatistics
    lanes: tuple[LaneStatistics, ...]
    work: Mapping[str, Work]
    filter_cache: CacheStatistics
    disk: DiskStatistics | None
    poisoned: bool
    #: By which instructions vectors are compared, such as ``AVX2``.
    simd: str = ""
