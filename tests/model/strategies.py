"""What the model is fed: few ids, keys and words, so that requests meet; every type, operator and awkward text."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from chroma_async.types import IncludeField
from tests.model.reference import Row

DIMENSION = 3

IDS = [*"abcdefghij", "ключ", "id with spaces / and ü", "x" * 300]
ids = st.sampled_from(IDS)
absent_ids = st.sampled_from(["nobody", "nö"])

#: Whole numbers: l2 and ip are then exact in float32, and ties are ties.
embeddings = st.lists(st.integers(-3, 3), min_size=DIMENSION, max_size=DIMENSION).map(lambda numbers: np.array(numbers, dtype=np.float32))

STRINGS = ["", "red", "Red", "grün", "𝄞 clef", "a\x00b", "x" * 200]
INTS = [0, 1, -1, 2, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)]
FLOATS = [0.0, -0.0, 1.0, 0.5, -2.5, float(2**53), 1e300, 5e-324]
strings, ints, floats = st.sampled_from(STRINGS), st.sampled_from(INTS), st.sampled_from(FLOATS)
scalars: st.SearchStrategy[Any] = st.one_of(strings, ints, floats, st.booleans())
arrays: st.SearchStrategy[Any] = st.one_of(
    st.lists(strings, min_size=1, max_size=3),
    st.lists(ints, min_size=1, max_size=3),
    st.lists(floats, min_size=1, max_size=3),
    st.lists(st.booleans(), min_size=1, max_size=3),
    st.just([1.5, 2]),
)
values = st.one_of(scalars, scalars, arrays)
keys = st.sampled_from(["k", "n", "tags", "ключ", "chroma:hidden"])
metadatas = st.none() | st.dictionaries(keys, values | st.just([]), max_size=4)
patches = st.none() | st.dictionaries(keys, values | st.sampled_from([None, []]), max_size=4)

WORDS = ["the quick", "Brown fox", "über alles", "日本語のテキスト", "nul\x00inside", "a.c", "100%", "new\nline", "𝄞𝄞𝄞"]
documents = st.none() | st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
uris = st.none() | st.sampled_from(["file:///a", "s3://b/ü"])

NEEDLES = ["", "q", "qu", "quick", "fox über", "日本語", "\x00ins", "%", "𝄞𝄞𝄞", "missing", "Brown", "brown"]
PATTERNS = [
    "a.c",
    r"a\.c",
    "(?i)brown",
    "^the",
    "le$",
    "über",
    r"\d+%",
    "[a-c]row",
    r"\x00",
    "(?s)new.line",
    "𝄞{3}",
    "missing",
    r"\p{Han}+",
    "",
]
document_clauses: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.sampled_from(["$contains", "$not_contains"]).flatmap(lambda op: st.sampled_from(NEEDLES).map(lambda needle: {op: needle})),
    st.sampled_from(["$regex", "$not_regex"]).flatmap(lambda op: st.sampled_from(PATTERNS).map(lambda pattern: {op: pattern})),
)


def _joined(clauses: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from(["$and", "$or"]).flatmap(lambda op: st.lists(clauses, max_size=3).map(lambda listed: {op: listed}))


def _one(operators: list[str], operands: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.sampled_from(operators).flatmap(lambda op: operands.map(lambda value: {op: value}))


where_documents = st.recursive(document_clauses, _joined, max_leaves=4)
_conditions = st.one_of(
    scalars,
    _one(["$eq", "$ne", "$contains", "$not_contains"], scalars),
    _one(["$gt", "$gte", "$lt", "$lte"], ints | floats),
    _one(
        ["$in", "$nin"],
        st.one_of(*(st.lists(kind, min_size=1, max_size=3) for kind in (strings, ints, floats, st.booleans())), st.just([1.5, 1])),
    ),
)
_leaves = st.one_of(
    st.tuples(keys, _conditions).map(lambda pair: {pair[0]: pair[1]}),
    st.tuples(keys, _conditions).map(lambda pair: {pair[0]: pair[1]}),
    document_clauses.map(lambda clause: {"#document": clause}),
    _one(["$eq", "$ne"], ids).map(lambda condition: {"#id": condition}),
    _one(["$in", "$nin"], st.lists(ids, min_size=1, max_size=4)).map(lambda condition: {"#id": condition}),
)
wheres = st.recursive(_leaves, _joined, max_leaves=5)
#: (where, where_document), at least one of them given.
filters = st.one_of(
    st.tuples(wheres, st.none()), st.tuples(wheres, st.none()), st.tuples(st.none(), where_documents), st.tuples(wheres, where_documents)
)
any_filter = st.one_of(st.just((None, None)), filters)

_FIELDS: list[IncludeField] = ["documents", "metadatas", "embeddings", "uris", "distances"]
includes = st.lists(st.sampled_from(_FIELDS), unique=True).map(tuple)
limits = st.none() | st.integers(0, 20)
offsets = st.just(0) | st.integers(0, 30)


def rows(metadata: st.SearchStrategy[Any], embedding: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Row]]:
    """The records of one request; ids may repeat."""
    return st.lists(st.builds(Row, ids, embedding, documents, uris, metadata), min_size=1, max_size=6)


added = rows(metadatas, embeddings)
upserted = rows(patches, embeddings)
updated = rows(patches, st.none() | embeddings)


def many(seed: int, count: int, first: int) -> list[Row]:
    """Enough records at once to fill memtables and graphs; some come again and replace others."""
    rng = np.random.default_rng(seed)
    metadata = [None, {"k": 1}, {"k": "red", "n": 2**53 + 1}, {"tags": ["red", "grün"]}, {"n": 0.5, "chroma:hidden": True}]
    made: list[Row] = []
    for number in range(first, first + count):
        words = rng.choice(WORDS, size=rng.integers(0, 4)).tolist()
        made.append(
            Row(
                id=f"r{number % 97}",
                embedding=rng.integers(-3, 4, DIMENSION).astype(np.float32),
                document=" ".join(words) if words else None,
                uri=None,
                metadata=metadata[int(rng.integers(len(metadata)))],
            )
        )
    return made
