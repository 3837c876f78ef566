"""The seams of one store, together."""

from __future__ import annotations

from dataclasses import dataclass, field

from chroma_async.storage.base.catalog import Catalog
from chroma_async.storage.base.lease import WriterLease
from chroma_async.storage.base.log import Log
from chroma_async.storage.base.segments import SegmentStore
from chroma_async.storage.poison import Poison


@dataclass(frozen=True, slots=True)
class Backends:
    """One store's seams, opened together by :func:`chroma_async.storage.open.open_backends`."""

    catalog: Catalog
    log: Log
    segments: SegmentStore
    lease: WriterLease
    #: The real path of the data directory; ``None`` for a store in memory.
    location: str | None
    #: Set by whichever of them fails in doubt, and asked by all of them before they write.
    poison: Poison = field(default_factory=Poison)
    #: Files that this process may hold open; 0 for a store in memory, which needs none.
    descriptors: int = 0
