"""Key discovery: a metadata key that a record brings for the first time gets its entry in the schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from chroma_async.schema.record import HIDDEN_PREFIX
from chroma_async.types import Json, MetadataPatch

#: Python type of a metadata value -> its name in a schema.
_TYPE_NAMES: dict[type, str] = {str: "string", int: "int", float: "float", bool: "bool", dict: "sparse_vector"}


class KnownKeys:
    """The keys, each with its value types, that a schema already names. Made for asking once per batch, over every value in it."""

    def __init__(self, schema: Mapping[str, Json], limit: int | None = None) -> None:
        """:param limit: entries (a key with a type) that discovery fills a schema up to; ``None`` for no bound. Keys that found no place
        are stored and filtered all the same, by the schema's defaults.
        """
        self._limit = limit
        # One set per Python type; lists find theirs through their first element.
        self._known: dict[type, set[str]] = {kind: set() for kind in _TYPE_NAMES}
        names = {name: kind for kind, name in _TYPE_NAMES.items()}
        for key, types in schema["keys"].items():
            for name in types.keys() & names.keys():
                self._known[names[name]].add(key)

    def new(self, metadatas: Iterable[MetadataPatch | None]) -> dict[str, list[str]]:
        """What these (normalised) metadatas bring: key -> value types in ascending order; empty when nothing is new.

        A list counts as its element type; a null, an empty list, and hidden keys count as nothing. Nothing is remembered: call
        :meth:`learn` once the write is durable.
        """
        known = self._known
        strange: set[tuple[str, type]] = set()
        for metadata in metadatas:
            if not metadata:
                continue
            for key, value in metadata.items():
                kind = value.__class__
                if kind is list:
                    kind = value[0].__class__ if value else None.__class__  # type: ignore[index]
                seen = known.get(kind)
                if seen is not None and key not in seen:
                    strange.add((key, kind))
        if self._limit is not None and strange:
            strange = self._fitting(strange, self._limit)
        found: dict[str, list[str]] = {}
        for key, kind in strange:
            if not key.startswith(HIDDEN_PREFIX):
                found.setdefault(key, []).append(_TYPE_NAMES[kind])
        return {key: sorted(found[key]) for key in sorted(found)}

    def _fitting(self, strange: set[tuple[str, type]], limit: int) -> set[tuple[str, type]]:
        """Those that there is room for; sparse vectors always, as they are searched by what the schema says of them."""
        room = limit - sum(map(len, self._known.values()))
        if len(strange) <= room:
            return strange
        sparse = {(key, kind) for key, kind in strange if kind is dict}
        others = [(key, kind) for key, kind in strange - sparse if not key.startswith(HIDDEN_PREFIX)]
        others.sort(key=lambda entry: (entry[0], _TYPE_NAMES[entry[1]]))
        return sparse.union(others[: max(0, room - len(sparse))])

    def learn(self, keys: Mapping[str, Sequence[str]]) -> None:
        """Take in what :meth:`new` found, or what a log entry says was found."""
        for kind, name in _TYPE_NAMES.items():
            self._known[kind].update(key for key, types in keys.items() if name in types)


def discover(schema: dict[str, Json], keys: Mapping[str, Sequence[str]]) -> dict[str, Json]:
    """The schema with ``keys`` (key -> value types) in it, each new type copied from ``defaults``.

    What a schema says already, it keeps. The schema given is returned when there is nothing new, and never touched.
    """
    missing = {key: [name for name in types if name not in schema["keys"].get(key, {})] for key, types in keys.items()}
    if not any(missing.values()):
        return schema
    entries = dict(schema["keys"])
    for key, names in missing.items():
        if names:
            entries[key] = {**entries.get(key, {}), **{name: schema["defaults"][name] for name in names}}
    return {**schema, "keys": entries}
