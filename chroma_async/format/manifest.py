"""The manifest: one collection's list of everything that is true. Whatever no manifest names is garbage.

Stored as JSON in the catalog, replaced as a whole by each commit. Byte layout and crash paragraphs: FORMAT.md, "Manifest".
Its rules are the small predicates at the end; they are checked before every commit and again at every open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import orjson

from chroma_async.errors import CorruptionError
from chroma_async.format.files import FileRef
from chroma_async.types import Seq

#: Raised when an older reader could misread what a newer writer wrote.
MANIFEST_FORMAT = 1


@dataclass(frozen=True, slots=True)
class ChunkEntry:
    """One chunk: an immutable run of rows. Its place in the segment is given by the rows of the chunks before it."""

    rows: int
    vectors: FileRef
    columns: FileRef
    documents: FileRef
    #: ``None``: no row holds a sparse vector.
    postings: FileRef | None = None

    @property
    def files(self) -> tuple[FileRef, ...]:
        """Its three or four files: vectors, columns, documents, and postings where there are any."""
        always = (self.vectors, self.columns, self.documents)
        return always if self.postings is None else (*always, self.postings)

    @property
    def bytes(self) -> int:
        """Stored size of its files."""
        return sum(file.bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class GraphEntry:
    """A segment's graph: every row at a position below ``covers`` was considered when it was built."""

    file: FileRef
    covers: int
    #: Rows of the graph; fewer than ``covers`` by those that were dead.
    rows: int


@dataclass(frozen=True, slots=True)
class TrigramEntry:
    """A trigram index over the documents at positions ``start`` to ``stop`` (exclusive)."""

    file: FileRef
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """A run of chunks with at most one graph, and the rows of it that were alive at the manifest's seq."""

    key: str
    chunks: tuple[ChunkEntry, ...]
    #: ``None``: every row is alive.
    alive: FileRef | None = None
    dead: int = 0
    graph: GraphEntry | None = None
    trigrams: tuple[TrigramEntry, ...] = ()

    @property
    def rows(self) -> int:
        """Positions in use, dead ones included."""
        return sum(chunk.rows for chunk in self.chunks)

    def files(self) -> Iterator[FileRef]:
        """Every file that it names."""
        for chunk in self.chunks:
            yield from chunk.files
        if self.alive is not None:
            yield self.alive
        if self.graph is not None:
            yield self.graph.file
        for trigram in self.trigrams:
            yield trigram.file


@dataclass(frozen=True, slots=True)
class Tail:
    """Rows of a fork that only the log of its source holds: the entries of ``source`` behind ``after``, up to ``upto``."""

    source: UUID
    after: Seq
    upto: Seq


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a collection consists of as of ``flushed_seq``; everything later is in the log."""

    collection: UUID
    version: int = 0
    flushed_seq: Seq = 0
    dimension: int | None = None
    segments: tuple[SegmentEntry, ...] = ()
    #: In order of seq; only a fork that has not flushed yet has any.
    tails: tuple[Tail, ...] = ()

    @property
    def reached(self) -> Seq:
        """The last operation that it accounts for: in segments, or for a fork in the log of the collection that it came from."""
        return self.tails[-1].upto if self.tails else self.flushed_seq

    def files(self) -> frozenset[str]:
        """Names of all files that it needs."""
        return frozenset(file.name for segment in self.segments for file in segment.files())

    def segment(self, key: str) -> SegmentEntry:
        """The segment of that key. :raises KeyError: there is none."""
        for segment in self.segments:
            if segment.key == key:
                return segment
        raise KeyError(key)

    def with_segment(self, changed: SegmentEntry) -> Manifest:
        """With the segment of the same key replaced, or added at the end."""
        if any(segment.key == changed.key for segment in self.segments):
            segments = tuple(changed if segment.key == changed.key else segment for segment in self.segments)
        else:
            segments = (*self.segments, changed)
        return replace(self, segments=segments)

    def to_bytes(self) -> bytes:
        """JSON, after checking every invariant. :raises CorruptionError: one does not hold."""
        check(self)
        return orjson.dumps(
            {
                "format": MANIFEST_FORMAT,
                "collection": str(self.collection),
                "version": self.version,
                "flushed_seq": self.flushed_seq,
                "dimension": self.dimension,
                "segments": [_segment_json(segment) for segment in self.segments],
                "tails": [[str(tail.source), tail.after, tail.upto] for tail in self.tails],
            }
        )

    @classmethod
    def from_bytes(cls, body: bytes, collection: UUID) -> Manifest:
        """:raises CorruptionError: it does not parse, is of a newer format, or breaks an invariant; names the collection."""
        name = f"manifest of collection {collection}"
        try:
            data = orjson.loads(body)
            if data["format"] > MANIFEST_FORMAT:
                raise CorruptionError(f"{name} has format {data['format']}; this release reads up to {MANIFEST_FORMAT}", name)
            manifest = cls(
                collection=UUID(data["collection"]),
                version=data["version"],
                flushed_seq=data["flushed_seq"],
                dimension=data["dimension"],
                segments=tuple(_segment_from(segment) for segment in data["segments"]),
                tails=tuple(Tail(UUID(source), after, upto) for source, after, upto in data["tails"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptionError(f"{name} does not parse: {error}", name) from error
        if manifest.collection != collection:
            raise CorruptionError(f"{name} belongs to collection {manifest.collection}", name)
        check(manifest)
        return manifest


def _file_json(file: FileRef) -> list[Any]:
    return [file.name, file.bytes, file.crc32]


def _file_from(data: list[Any]) -> FileRef:
    name, size, crc32 = data
    return FileRef(name, size, crc32)


def _segment_json(segment: SegmentEntry) -> dict[str, Any]:
    graph = segment.graph
    return {
        "key": segment.key,
        "chunks": [[chunk.rows, *(_file_json(file) for file in chunk.files)] for chunk in segment.chunks],
        "alive": None if segment.alive is None else _file_json(segment.alive),
        "dead": segment.dead,
        "graph": None if graph is None else [_file_json(graph.file), graph.covers, graph.rows],
        "trigrams": [[_file_json(entry.file), entry.start, entry.stop] for entry in segment.trigrams],
    }


def _segment_from(data: dict[str, Any]) -> SegmentEntry:
    return SegmentEntry(
        key=data["key"],
        chunks=tuple(
            ChunkEntry(rows, _file_from(vectors), _file_from(columns), _file_from(documents), *map(_file_from, postings))
            for rows, vectors, columns, documents, *postings in data["chunks"]
        ),
        alive=None if data["alive"] is None else _file_from(data["alive"]),
        dead=data["dead"],
        graph=None if data["graph"] is None else GraphEntry(_file_from(data["graph"][0]), data["graph"][1], data["graph"][2]),
        trigrams=tuple(TrigramEntry(_file_from(file), start, stop) for file, start, stop in data["trigrams"]),
    )


# ---------------------------------------------------------------------------------------------------------------------- invariants


def every_chunk_holds_rows(manifest: Manifest) -> bool:
    """An empty chunk would make two chunks share a base position."""
    return all(chunk.rows > 0 for segment in manifest.segments for chunk in segment.chunks)


def no_file_is_named_twice(manifest: Manifest) -> bool:
    """A file with two roles would be read as something that it is not."""
    names = [file.name for segment in manifest.segments for file in segment.files()]
    return len(names) == len(set(names))


def segment_keys_are_unique(manifest: Manifest) -> bool:
    """Two segments of one key would swap their alive bits."""
    return len({segment.key for segment in manifest.segments}) == len(manifest.segments)


def dead_rows_have_a_bitmap(manifest: Manifest) -> bool:
    """A count without bits would bring deleted rows back at the next open."""
    return all((segment.dead > 0) == (segment.alive is not None) and segment.dead <= segment.rows for segment in manifest.segments)


def graphs_cover_rows_that_exist(manifest: Manifest) -> bool:
    """A graph ahead of its chunks would answer with rows that nobody holds."""
    return all(segment.graph is None or 0 < segment.graph.rows <= segment.graph.covers <= segment.rows for segment in manifest.segments)


def trigrams_cover_rows_that_exist(manifest: Manifest) -> bool:
    """Ranges ascend without overlap; a gap is scanned, an overlap would answer twice."""
    for segment in manifest.segments:
        reached = 0
        for entry in segment.trigrams:
            if not reached <= entry.start < entry.stop <= segment.rows:
                return False
            reached = entry.stop
    return True


def tails_continue_the_manifest(manifest: Manifest) -> bool:
    """A gap would lose rows that were acknowledged, an overlap would bring rows twice."""
    reached = manifest.flushed_seq
    for tail in manifest.tails:
        if tail.after != reached or tail.upto <= tail.after:
            return False
        reached = tail.upto
    return True


def rows_have_a_dimension(manifest: Manifest) -> bool:
    """Without it the vectors file cannot be read."""
    return not manifest.segments or (manifest.dimension is not None and manifest.dimension > 0)


INVARIANTS: tuple[Callable[[Manifest], bool], ...] = (
    every_chunk_holds_rows,
    no_file_is_named_twice,
    segment_keys_are_unique,
    dead_rows_have_a_bitmap,
    graphs_cover_rows_that_exist,
    trigrams_cover_rows_that_exist,
    tails_continue_the_manifest,
    rows_have_a_dimension,
)


def check(manifest: Manifest) -> None:
    """:raises CorruptionError: an invariant does not hold; names it and the collection."""
    for invariant in INVARIANTS:
        if not invariant(manifest):
            name = f"manifest of collection {manifest.collection}"
            raise CorruptionError(f"{name}, version {manifest.version}, breaks the rule {invariant.__name__}", name)
