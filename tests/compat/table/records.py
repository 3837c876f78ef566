"""Records: written, merged, deleted, read."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from typing import Any

from tests.compat.table.probe import EVERYTHING, LOOK, SELF, Call, Probe, get, post
from tests.compat.table.refusals import IAE

ALL_COLUMNS = [*EVERYTHING, "distances"]


def packed(*numbers: float) -> str:
    """A vector in base64."""
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def adds() -> Iterator[Probe]:
    """docs/CONTRACT.md#add."""

    def add(label: str, body: dict[str, Any], *after: Call, stage: str = "filled", before: tuple[Call, ...] = ()) -> Probe:
        return Probe(f"add: {label}", post("C/add", body), 201, stage=stage, before=before, after=(LOOK, *after))

    two = {"ids": ["a", "b"], "embeddings": [[1, 2], [3, 4]]}
    return [
        add(
            "an id that exists is skipped",
            {
                "ids": ["ant", "new"],
                "embeddings": [[9, 9], [8, 8]],
                "documents": ["other", "n"],
                "metadatas": [{"x": 1}, {"y": 2}],
                "uris": ["1", "2"],
            },
            SELF,
        ),
        add(
            "one id twice, the first stays", {"ids": ["a", "b", "a"], "embeddings": [[1, 1], [2, 2], [3, 3]], "documents": ["1", "2", "3"]}
        ),
        add("base64", {"ids": ["a", "b"], "embeddings": [packed(0.1, -2), packed(3, 4e10)]}),
        add("the first write fixes the dimension", {"ids": ["a"], "embeddings": [[1, 2, 3]]}, SELF, stage="empty"),
        add("nulls in all optional lists", {**two, "documents": [None, "d"], "metadatas": [None, {"a": 1}], "uris": ["u", None]}),
        add("lists of nulls", {**two, "documents": [None, None], "metadatas": [None, None], "uris": [None, None]}),
        add("null lists", {**two, "documents": None, "metadatas": None, "uris": None}),
        add("empty texts", {**two, "documents": ["", "d"], "uris": ["", "u"], "metadatas": [{"a": ""}, {}]}),
        add("empty lists in metadata are dropped", {**two, "metadatas": [{"a": []}, {"a": [], "b": 1}]}),
        add(
            "lists in metadata",
            {**two, "metadatas": [{"s": ["a", ""], "i": [1, -2], "f": [1.5, 2], "b": [True]}, {"f": [1, 2.5], "i": [0]}]},
        ),
        add("hidden keys", {**two, "metadatas": [{"chroma:x": 1}, {"chroma:x": 1, "y": 2}]}),
        add("a record with a uri only", {"ids": ["u"], "embeddings": [[1, 2]], "uris": ["somewhere"]}),
        add("a record with a document only", {"ids": ["u"], "embeddings": [[1, 2]], "documents": ["text"], "metadatas": [{}]}),
        add(
            "any characters in ids",
            {"ids": [" ", "a/b", "\n", "é", "é", "🦊" * 300, "'\"; --", "%"], "embeddings": [[n, n] for n in range(8)]},
        ),
        add(
            "long texts",
            {"ids": ["x" * 5000], "embeddings": [[1, 2]], "documents": ["word " * 2000], "metadatas": [{"k" * 1000: "v" * 3000}]},
        ),
        add("a thousand keys", {"ids": ["x"], "embeddings": [[1, 2]], "metadatas": [{f"k{n}": n for n in range(1100)}]}),
        add(
            "after everything was deleted the dimension stays",
            {"ids": ["z"], "embeddings": [[1, 2]]},
            SELF,
            before=(post("C/delete", {"ids": ["ant", "bee", "cat", "dog", "eel", "Ωμέγα 🦊"]}),),
        ),
        add(
            "deleted and added again it comes last", {"ids": ["ant"], "embeddings": [[1, 2]]}, before=(post("C/delete", {"ids": ["ant"]}),)
        ),
        add("subnormal and rounded numbers", {"ids": ["a"], "embeddings": [[1.401298464324817e-45, 3.4028235e38 / 1e20]]}),
        add("numbers with exponents", {"ids": ["a"], "embeddings": [[1e-3, 1e5]]}),
        add(
            "a batch that is refused changes nothing",
            {"ids": [], "embeddings": []},
            before=(post("C/add", {"ids": ["p", ""], "embeddings": [[1, 2], [3, 4]]}),),
        ),
        Probe(
            "add: a refused batch does not fix the dimension",
            post("C/add", {"ids": ["a", ""], "embeddings": [[1, 2, 3]] * 2}),
            400,
            IAE,
            stage="empty",
            after=(SELF, post("C/add", {"ids": ["a"], "embeddings": [[1, 2]]}), SELF),
        ),
    ]


def merges() -> Iterator[Probe]:
    """docs/CONTRACT.md#update-and-upsert."""
    cases: dict[str, dict[str, Any]] = {
        "only an embedding": {"ids": ["ant"], "embeddings": [[7, 7]]},
        "a document": {"ids": ["ant", "eel"], "documents": ["new", "first"]},
        "an empty document": {"ids": ["ant", "eel"], "documents": ["", ""]},
        "null document": {"ids": ["ant"], "documents": [None]},
        "a uri": {"ids": ["bee", "ant"], "uris": ["u", None]},
        "empty metadata": {"ids": ["ant"], "metadatas": [{}]},
        "null metadata": {"ids": ["ant"], "metadatas": [None]},
        "a key": {"ids": ["ant", "eel"], "metadatas": [{"new": 1}, {"new": 2}]},
        "a key of another type": {"ids": ["ant"], "metadatas": [{"legs": "six", "kind": [1, 2], "weight": True}]},
        "a removed key": {"ids": ["ant", "cat"], "metadatas": [{"legs": None}, {"colours": []}]},
        "all keys removed": {"ids": ["ant"], "metadatas": [{"legs": None, "weight": None, "tame": None, "kind": None}]},
        "keys removed from none": {"ids": ["eel"], "metadatas": [{"legs": None, "x": []}]},
        "a key removed that is not there": {"ids": ["ant"], "metadatas": [{"nothing": None}]},
        "one id twice": {"ids": ["ant", "bee", "ant"], "documents": ["1", "2", None], "metadatas": [{"x": 1}, None, {"x": None, "y": 3}]},
        "an unknown id among others": {"ids": ["nobody", "ant"], "documents": ["x", "y"], "metadatas": [{"never": 1}, {"seen": 1}]},
    }
    for label, body in cases.items():
        yield Probe(f"update: {label}", post("C/update", body), 200, after=(LOOK, SELF))
        vectors = body.get("embeddings") or [[8, n] for n in range(len(body["ids"]))]
        yield Probe(f"upsert: {label}", post("C/upsert", {**body, "embeddings": vectors}), 200, after=(LOOK, SELF))
    yield from [
        Probe(
            "update: null vectors keep theirs", post("C/update", {"ids": ["ant", "bee"], "embeddings": [None, [5, 5]]}), 200, after=(LOOK,)
        ),
        Probe("update: base64 and null", post("C/update", {"ids": ["ant", "bee"], "embeddings": [None, packed(5, 5)]}), 200, after=(LOOK,)),
        Probe("update: only null vectors", post("C/update", {"ids": ["ant", "bee"], "embeddings": [None, None]}), 200, after=(LOOK,)),
        Probe(
            "update: unknown ids fix the dimension",
            post("C/update", {"ids": ["x"], "embeddings": [[1, 2, 3]]}),
            200,
            stage="empty",
            after=(SELF, LOOK),
        ),
        Probe(
            "update: unknown ids without vectors fix nothing",
            post("C/update", {"ids": ["x"], "documents": ["d"]}),
            200,
            stage="empty",
            after=(SELF, LOOK),
        ),
        Probe(
            "update: null vectors fix nothing", post("C/update", {"ids": ["x"], "embeddings": [None]}), 200, stage="empty", after=(SELF,)
        ),
        Probe("update: embeddings null", post("C/update", {"ids": ["ant"], "embeddings": None, "documents": ["d"]}), 200, after=(LOOK,)),
        Probe("update: too few vectors", post("C/update", {"ids": ["ant", "bee"], "embeddings": [None]}), 400, IAE, after=(LOOK,)),
        Probe(
            "update: keeps the place in the order",
            post("C/update", {"ids": ["cat"], "documents": ["d"]}),
            200,
            after=(post("C/get", {"limit": 3, "offset": 1}),),
        ),
        Probe(
            "upsert: keeps the place in the order",
            post("C/upsert", {"ids": ["new", "cat"], "embeddings": [[1, 1], [2, 2]]}),
            200,
            after=(post("C/get", {"offset": 2}),),
        ),
        Probe(
            "upsert: null in metadata of a new record",
            post("C/upsert", {"ids": ["x", "y"], "embeddings": [[1, 2]] * 2, "metadatas": [{"a": None}, {"a": None, "b": 1}]}),
            200,
            after=(LOOK, SELF),
        ),
        Probe(
            "upsert: one new id twice",
            post(
                "C/upsert", {"ids": ["x", "x"], "embeddings": [[1, 2], [3, 4]], "documents": ["1", None], "metadatas": [{"a": 1}, {"b": 2}]}
            ),
            200,
            after=(LOOK,),
        ),
        Probe(
            "upsert: the first write fixes the dimension",
            post("C/upsert", {"ids": ["x"], "embeddings": [[1, 2, 3]]}),
            200,
            stage="empty",
            after=(SELF,),
        ),
    ]


def deletes() -> Iterator[Probe]:
    """docs/CONTRACT.md#delete."""
    cases: dict[str, dict[str, Any]] = {
        "ids": {"ids": ["ant", "cat"]},
        "an id twice and an unknown one": {"ids": ["ant", "ant", "nobody"]},
        "where": {"where": {"kind": "insect"}},
        "where that matches nothing": {"where": {"kind": "fish"}},
        "where_document": {"where_document": {"$contains": "drinks"}},
        "both": {"where": {"legs": 6}, "where_document": {"$contains": "honey"}},
        "where and ids": {"where": {"legs": 6}, "ids": ["ant", "cat", "nobody"]},
        "where and no ids": {"where": {"legs": 6}, "ids": []},
        "where and unknown ids": {"where": {"legs": 6}, "ids": ["nobody"]},
        "where with limit 1": {"where": {"legs": {"$gte": 4}}, "limit": 1},
        "where with limit 0": {"where": {"legs": {"$gte": 4}}, "limit": 0},
        "where with a large limit": {"where": {"legs": {"$gte": 4}}, "limit": 100},
        "where with limit null": {"where": {"legs": {"$gte": 4}}, "limit": None},
        "where_document with limit": {"where_document": {"$not_contains": "zebra"}, "limit": 2},
        "where, ids and limit": {"where": {"legs": {"$gte": 4}}, "ids": ["dog", "cat", "bee"], "limit": 2},
        "an empty $and": {"where": {"$and": []}},
        "an empty $or": {"where": {"$or": []}},
        "a field of another verb": {"ids": ["ant"], "include": 5},
    }
    for label, body in cases.items():
        yield Probe(f"delete: {label}", post("C/delete", body), 200, after=(LOOK, get("C/count"), SELF))
    yield Probe("delete: from an empty collection", post("C/delete", {"where": {"a": 1}}), 200, stage="empty", after=(SELF,))


def reads() -> Iterator[Probe]:
    """docs/CONTRACT.md#reading-records."""
    gets: dict[str, dict[str, Any]] = {
        "everything": {},
        "ids in another order": {"ids": ["dog", "ant", "cat"]},
        "an id twice and an unknown one": {"ids": ["dog", "nobody", "dog"]},
        "no ids": {"ids": []},
        "ids null": {"ids": None, "where": None, "where_document": None, "limit": None, "offset": None},
        "ids with limit and offset": {"ids": ["dog", "ant", "cat"], "limit": 1, "offset": 1},
        "where with limit and offset": {"where": {"legs": {"$gt": 0}}, "limit": 2, "offset": 1},
        "ids and where": {"ids": ["dog", "ant", "eel"], "where": {"kind": "mammal"}},
        "include nothing": {"include": []},
        "include everything": {"include": ALL_COLUMNS},
        "include one thing twice": {"include": ["uris", "uris"]},
        "include in another order": {"include": ["uris", "documents", "metadatas"]},
        "include distances": {"include": ["distances"]},
        "a field of another verb": {"n_results": "x"},
    }
    for label, body in gets.items():
        yield Probe(f"get: {label}", post("C/get", body), 200, stage="read")
        yield Probe(f"get of nothing: {label}", post("C/get", body), 200, stage="empty")
    one = {"query_embeddings": [[0.25, 0.75]]}
    queries: dict[str, dict[str, Any]] = {
        "the default": {},
        "include everything": {"include": ALL_COLUMNS},
        "include nothing": {"include": []},
        "include in another order": {"include": ["distances", "uris", "distances"]},
        "two vectors": {"query_embeddings": [[0.25, 0.75], [5, 0.1]], "n_results": 2},
        "ids": {"ids": ["dog", "cat"]},
        "an id twice": {"ids": ["dog", "dog", "cat"]},
        "no ids": {"ids": []},
        "unknown ids with where": {"ids": ["dog", "nobody"], "where": {"kind": "mammal"}},
        "where": {"where": {"kind": "mammal"}},
        "where that matches nothing": {"where": {"kind": "fish"}, "include": ALL_COLUMNS},
        "where_document": {"where_document": {"$contains": "s "}},
        "both filters": {"where": {"legs": 6}, "where_document": {"$contains": "honey"}},
        "n_results": {"n_results": 2},
        "no results": {"n_results": 0, "include": ALL_COLUMNS},
        "a field of another verb": {"limit": "x"},
        "whole numbers": {"query_embeddings": [[1, 2]]},
        "nulls": {"ids": None, "where": None, "where_document": None, "n_results": None},
    }
    for label, body in queries.items():
        yield Probe(f"query: {label}", post("C/query", {**one, **body}), 200, stage="read")
        yield Probe(f"query of nothing: {label}", post("C/query", {**one, **body}), 200, stage="empty")
    yield from [
        Probe("query of nothing: any dimension", post("C/query", {"query_embeddings": [[1, 2, 3], [4, 5, 6]]}), 200, stage="empty"),
        Probe("query: parameters in the query string", post("C/query?limit=1&offset=1", one), 200, stage="read"),
        Probe("query: unreadable parameters in the query string", post("C/query?limit=x", one), 200, stage="read"),
        Probe("get: parameters in the query string", post("C/get?limit=x", {}), 200, stage="read"),
        Probe("count", get("C/count"), 200, stage="read"),
        Probe("count of nothing", get("C/count"), 200, stage="empty"),
    ]
    emptied = (post("C/delete", {"where": {"$and": []}}),)
    yield from [
        Probe("query: of a collection whose records are deleted", post("C/query", one), 200, before=emptied),
        Probe(
            "query: of the wrong length when all records are deleted",
            post("C/query", {"query_embeddings": [[1]]}),
            400,
            IAE,
            before=emptied,
        ),
        Probe(
            "query: base64 vectors are found as numbers are",
            post("C/query", {**one, "include": ALL_COLUMNS}),
            200,
            stage="empty",
            before=(post("C/add", {"ids": ["a"], "embeddings": [packed(0.1, 0.2)]}),),
        ),
    ]
    for space in ("l2", "cosine", "ip"):
        settings = {"configuration": {"hnsw": {"space": space}}}
        asked = {"query_embeddings": [[0.25, 0.75], [-3, 0.5]], "include": ["distances", "embeddings"]}
        yield Probe(f"query: distances by {space}", post("C/query", asked), 200, settings=settings)
        yield (
            Probe(
                f"query: a zero vector by {space}",
                post("C/query", {**one, "include": ["distances"]}),
                200,
                stage="empty",
                settings=settings,
                before=(post("C/add", {"ids": ["z", "a"], "embeddings": [[0, 0], [1, 1]]}),),
            )
        )


def probes() -> list[Probe]:
    """All of them."""
    return [*adds(), *merges(), *deletes(), *reads()]
