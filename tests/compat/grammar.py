"""Random requests on one collection, from a seed: every verb, every operator, every type of value.

Two things are left out, because the servers are meant to differ in them: fractional literals on keys that may hold integers, and queries by
ids of which one is absent.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from tests.compat.table.probe import EVERYTHING, Call, post

IDS = [f"r{n}" for n in range(28)] + ["é", "é", "日本", "🦊", " ", "a/b", "%", "R1", "0", "-", "x" * 300, "\t"]
STRINGS = [
    "",
    "red",
    "Red",
    "green",
    "ünïcode",
    "日本語",
    "1",
    "1.0",
    "true",
    "null",
    "a b",
    "%",
    "_",
    "'",
    '"',
    "\\",
    "🦊🦊",
    "\n",
    "$eq",
    "#x",
]
INTEGERS = [0, 1, -1, 2, 3, 7, 100, -100, 2**31, -(2**31) - 1, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63)]
SMALL = [0, 1, -1, 2, 3, 7, 100]
FLOATS = [0.0, 1.0, -1.0, 0.5, 1.5, -2.25, 3.0, 1e-9, 1e300, -1e300, 0.1, 100.0, 2.0**60]
WORDS = [
    "alpha",
    "Alpha",
    "beta",
    "GAMMA",
    "delta%",
    "eps_ilon",
    "ζήτα",
    "日本語",
    "naïve",
    "naive",
    "42",
    "4.2",
    "a",
    "b",
    "ab",
    "abc",
    "foo-bar",
    "(x)",
    "[y]",
    "e.g.",
    "O'Neil",
]
WORDS += ['"q"', "tab\tbed"]
PATTERNS = [
    "alpha",
    "(?i)ALPHA",
    "^a",
    "b$",
    r"\d+",
    r"[A-Z]{2,}",
    "alpha.*beta",
    r"\bab\b",
    "a|b",
    r"\p{Greek}",
    ".",
    "x*",
    r"\(x\)",
    "(?s)a.b",
    "(?m)^b",
    "日.語",
    "[^a-z ]",
    r"\w+-\w+",
    r"\s",
    "n(ai|aï)ve",
]
#: What a key may hold, and what it may be compared with. Literals with a fraction meet floats only.
KEYS = ("n", "i", "f", "s", "b", "a", "m", "ключ", "never")


class Grammar:
    """An endless stream of requests. The same seed gives the same stream."""

    def __init__(self, seed: int | str, dimension: int = 3) -> None:
        self.random = random.Random(seed)
        self.dimension = dimension

    def calls(self) -> Iterator[Call]:
        """The requests; the first one fills the collection."""
        yield self.add(20)
        verbs = [
            self.add,
            self.upsert,
            self.upsert,
            self.update,
            self.update,
            self.delete,
            self.get,
            self.get,
            self.get,
            self.query,
            self.query,
        ]
        while True:
            yield self.random.choice(verbs)()

    # ------------------------------------------------------------------------------------------------------------------------- requests

    def add(self, most: int = 6) -> Call:
        ids = self.ids(most)
        return post("C/add", {"ids": ids, "embeddings": [self.vector() for _ in ids], **self.columns(len(ids), patch=False)})

    def upsert(self) -> Call:
        ids = self.ids(6, repeats=True)
        return post("C/upsert", {"ids": ids, "embeddings": [self.vector() for _ in ids], **self.columns(len(ids), patch=True)})

    def update(self) -> Call:
        ids = self.ids(6, repeats=True)
        body: dict[str, Any] = {"ids": ids, **self.columns(len(ids), patch=True)}
        if self.chance(0.5):
            body["embeddings"] = [self.vector() if self.chance(0.6) else None for _ in ids]
        return post("C/update", body)

    def delete(self) -> Call:
        if self.chance(0.4):
            return post("C/delete", {"ids": self.ids(3)})
        body = self.filters(always=True)
        if self.chance(0.8):
            body["limit"] = self.random.choice([0, 1, 2, 3])
        else:
            body["ids"] = self.ids(6)
        return post("C/delete", body)

    def get(self) -> Call:
        body = self.filters()
        if self.chance(0.3):
            body["ids"] = self.ids(10, repeats=True)
        for name in ("limit", "offset"):
            if self.chance(0.4):
                body[name] = self.random.choice([0, 1, 2, 3, 5, 10, 50])
        body["include"] = self.include(EVERYTHING)
        return post("C/get", body)

    def query(self) -> Call:
        body = self.filters()
        if "where" in body and self.chance(0.3):
            body["ids"] = self.ids(15)
        vectors = [self.vector() for _ in range(self.random.choice([1, 1, 1, 2, 3]))]
        n_results = self.random.choice([0, 1, 2, 3, 5, 10, 100])
        return post(
            "C/query", {**body, "query_embeddings": vectors, "n_results": n_results, "include": [*self.include(EVERYTHING), "distances"]}
        )

    # ---------------------------------------------------------------------------------------------------------------------------- parts

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def ids(self, most: int, *, repeats: bool = False) -> list[str]:
        count = self.random.randint(1, most)
        return self.random.choices(IDS, k=count) if repeats and self.chance(0.3) else self.random.sample(IDS, count)

    def vector(self) -> list[float]:
        """Halves, so that distances are exact and ties are real."""
        return [self.random.randint(-4, 4) / self.random.choice([1, 1, 2]) for _ in range(self.dimension)]

    def include(self, names: list[str]) -> list[str]:
        return self.random.sample(names, self.random.randint(0, len(names)))

    def columns(self, rows: int, *, patch: bool) -> dict[str, Any]:
        columns: dict[str, Any] = {}
        if self.chance(0.7):
            columns["documents"] = [self.document() for _ in range(rows)]
        if self.chance(0.3):
            columns["uris"] = [self.random.choice([None, "u:1", "", "http://e.x/ü"]) for _ in range(rows)]
        if self.chance(0.8):
            columns["metadatas"] = [self.metadata(patch) for _ in range(rows)]
        return columns

    def document(self) -> str | None:
        if self.chance(0.1):
            return self.random.choice([None, ""])
        return self.random.choice([" ", " ", "\n"]).join(self.random.choices(WORDS, k=self.random.randint(1, 6)))

    def metadata(self, patch: bool) -> dict[str, Any] | None:
        if self.chance(0.1):
            return self.random.choice([None, {}])
        keys = self.random.sample(KEYS[:-1], self.random.randint(1, 5))
        return {key: None if patch and self.chance(0.15) else self.value(key) for key in keys}

    def value(self, key: str) -> Any:
        """What may be stored under a key."""
        match key:
            case "n":
                return self.random.choice([*SMALL, *FLOATS])
            case "i":
                return self.random.choice(INTEGERS)
            case "f":
                return self.random.choice(FLOATS)
            case "s" | "ключ":
                return self.random.choice(STRINGS)
            case "b":
                return self.chance(0.5)
            case "a":
                return self.array()
        return self.random.choice(
            [self.array, lambda: self.random.choice(STRINGS), lambda: self.random.choice(SMALL), lambda: self.chance(0.5)]
        )()

    def array(self) -> list[Any]:
        pool = self.random.choice([STRINGS, SMALL, FLOATS, [True, False]])
        return self.random.choices(pool, k=self.random.choice([0, 1, 1, 2, 3, 5]))

    def literal(self, key: str) -> Any:
        """What a key may be compared with."""
        match key:
            case "f":
                return self.random.choice([*FLOATS, *SMALL, 0.25, "1", True])
            case "i":
                return self.random.choice([*INTEGERS, *map(float, SMALL), "1", False])
            case "a":
                return self.random.choice([*STRINGS, *SMALL, *FLOATS, True, False])
        return self.random.choice([*STRINGS, *SMALL, *map(float, SMALL), True, False])

    def number(self, key: str) -> float:
        return self.random.choice({"f": [*FLOATS, *SMALL], "i": [*INTEGERS, *map(float, SMALL)]}.get(key, [*SMALL, *map(float, SMALL)]))

    def filters(self, *, always: bool = False) -> dict[str, Any]:
        body: dict[str, Any] = {}
        if self.chance(0.6):
            body["where"] = self.where(3)
        if self.chance(0.35) or (always and not body):
            body["where_document"] = self.where_document(2)
        return body

    def where(self, depth: int) -> dict[str, Any]:
        if depth and self.chance(0.35):
            clauses = [self.where(depth - 1) for _ in range(self.random.choice([0, 1, 2, 2, 2, 3, 3]))]
            return {self.random.choice(["$and", "$or"]): clauses}
        key = self.random.choice([*KEYS, "#document"])
        if key == "#document":
            return {key: self.document_clause()}
        operator = self.random.choice(["", "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in", "$nin", "$contains", "$not_contains"])
        if operator in ("$in", "$nin"):
            first = self.literal(key)
            values = [value for value in (self.literal(key) for _ in range(8)) if type(value) is type(first)]
            return {key: {operator: [first, *values[: self.random.randint(0, 4)]]}}
        if operator in ("$gt", "$gte", "$lt", "$lte"):
            return {key: {operator: self.number(key)}}
        value = self.literal(key)
        return {key: {operator: value} if operator else value}

    def where_document(self, depth: int) -> dict[str, Any]:
        if depth and self.chance(0.3):
            clauses = [self.where_document(depth - 1) for _ in range(self.random.choice([0, 1, 2, 2, 3]))]
            return {self.random.choice(["$and", "$or"]): clauses}
        return self.document_clause()

    def document_clause(self) -> dict[str, Any]:
        operator = self.random.choice(["$contains", "$not_contains", "$regex", "$not_regex"])
        if operator.endswith("regex"):
            return {operator: self.random.choice(PATTERNS)}
        word = self.random.choice(WORDS)
        start = self.random.randrange(len(word) + 1)
        return {operator: self.random.choice([word, word, word[start : start + 2], word[start:], " a", "", "zzz"])}
