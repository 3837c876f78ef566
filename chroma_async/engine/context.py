"""What all collections of one engine share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from chroma_async.config.settings import Settings
from chroma_async.engine.read.search_plan import PlanSettings
from chroma_async.engine.snapshot.file_pins import PinningStore
from chroma_async.engine.snapshot.segment import SegmentOpener
from chroma_async.engine.tasks import Tasks
from chroma_async.engine.write.log_writer import LogWriter
from chroma_async.engine.write.retention import Retention
from chroma_async.measures import Work
from chroma_async.spans import Spans
from chroma_async.storage.base.backends import Backends
from chroma_async.threads import Threads

#: The kinds of background work that are counted.
WORK = ("flush", "merge", "vacuum", "index", "text_index")


@dataclass(frozen=True)
class Context:
    """Components and numbers of one engine. Immutable."""

    settings: Settings
    backends: Backends
    threads: Threads
    tasks: Tasks
    log_writer: LogWriter
    retention: Retention
    store: PinningStore
    opener: SegmentOpener
    plan: PlanSettings
    #: Seconds that only go forward; for idleness and age.
    monotonic: Callable[[], float]
    #: Nanoseconds since the epoch; for what is stored.
    clock: Callable[[], int]
    #: A new random key of 32 hexadecimal digits.
    new_key: Callable[[], str]
    #: Whether a full queue refuses (a server says 429) instead of waiting (in process).
    refuse_when_full: bool = False
    #: Whether flush and maintenance start by themselves; off, they run when asked.
    automatic: bool = True
    #: What makes spans of the engine's work.
    spans: Spans = field(default_factory=Spans)
    #: What became of background work, by kind.
    work: Mapping[str, Work] = field(default_factory=lambda: {kind: Work() for kind in WORK})
