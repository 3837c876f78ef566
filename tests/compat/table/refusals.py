"""What a request must not look like, route by route: the error answers of the API, with the few acceptances that mark the border."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any

from tests.compat.table.probe import LOOK, SELF, Call, Probe, call, get, post

IAE, ERROR, MISSING = "InvalidArgumentError", "ChromaError", "NotFoundError"
UNKNOWN_ID = "00000000-0000-4000-8000-000000000000"
BIG = b'{"ids": ["' + b"x" * (40 * 1024 * 1024) + b'"]}'

#: Every route that reads a body, with a body it takes.
BODIES: dict[str, Call] = {
    "create tenant": post("/api/v2/tenants", {"name": "tenant-<name>"}),
    "patch tenant": call("PATCH", "/api/v2/tenants/nobody-<name>", {"resource_name": "r"}),
    "create database": post("/api/v2/tenants/default_tenant/databases", {"name": "db-<name>"}),
    "create collection": post("~/collections", {"name": "other-<name>"}),
    "modify": call("PUT", "C", {}),
    "add": post("C/add", {"ids": ["n"], "embeddings": [[1, 2]]}),
    "update": post("C/update", {"ids": ["n"]}),
    "upsert": post("C/upsert", {"ids": ["n"], "embeddings": [[1, 2]]}),
    "delete": post("C/delete", {}),
    "get": post("C/get", {}),
    "query": post("C/query", {"query_embeddings": [[1, 2]]}),
}
RECORD_ROUTES = ("add", "update", "upsert", "delete", "get", "query")


def bodies() -> Iterator[Probe]:
    """Bodies that no route can read."""
    for route, good in BODIES.items():
        fine = good.body or b"{}"
        for label, body, status, error in (
            ("an unfinished object", b"{", 400, IAE),
            ("an empty body", b"", 400, IAE),
            ("NaN", b"NaN", 400, IAE),
            ("a number beyond float64", b"1e400", 400, IAE),
            ("minus infinity", b"-Infinity", 400, IAE),
            ("single quotes", b"{'a': 1}", 400, IAE),
            ("a comma too many", fine[:-1] + b",}", 400, IAE),
            ("gzip bytes", gzip.compress(fine, mtime=0), 400, IAE),
            ("a byte order mark", b"\xef\xbb\xbf" + fine, 400, IAE),
            ("invalid UTF-8", b'{"\xff": 1}', 400, IAE),
            ("half a surrogate pair as a name", b'{"\\ud800": 1}', 400, IAE),
            ("text after the object", fine + b" x", 400, IAE),
            ("a second object", fine + fine, 400, IAE),
            ("white space after the object", fine + b" \n\t", 201 if route == "add" else 200, None),
            ("a list", b"[]", 422, ERROR),
            ("a string", b'"x"', 422, ERROR),
            ("a number", b"5", 422, ERROR),
            ("null", b"null", 422, ERROR),
        ):
            yield Probe(f"{route}: {label}", _with(good, body), status, error)
        yield Probe(f"{route}: another content type", call(good.method, good.path, fine, content_type="text/plain"), 415, ERROR, "json")
        status = 201 if route == "add" else 200
        yield Probe(f"{route}: no content type", call(good.method, good.path, fine, content_type=""), status)
        yield (
            Probe(
                f"{route}: content type with parameters", call(good.method, good.path, fine, content_type="application/json; a=b"), status
            )
        )
        unread = fine[:-1] + (b"," if fine != b"{}" else b"") + b'"unread": {"x": [1, null]}}'
        yield Probe(f"{route}: an unknown field", _with(good, unread), status)
    yield from [
        Probe(f"{route}: over 40 MiB", _with(BODIES[route], BIG), 413, ERROR, "large", stage="empty") for route in ("create tenant", "add")
    ]


def _with(good: Call, body: bytes) -> Call:
    return Call(good.method, good.path, body, good.headers)


def collections_of_records() -> Iterator[Probe]:
    """The collection in the path of a record route."""
    for route in (*RECORD_ROUTES, "count"):
        good = BODIES.get(route, get("C/count"))
        tail = good.path[1:]
        for label, id, status, error, says in (
            ("an id that is no UUID", "x", 400, IAE, "not a valid uuid"),
            ("an id one digit short", UNKNOWN_ID[:-1], 400, IAE, "not a valid uuid"),
            ("an unknown collection", UNKNOWN_ID, 404, MISSING, f"collection [{UNKNOWN_ID}] does not exist."),
        ):
            changed = Call(good.method, f"~/collections/{id}{tail}", good.body, good.headers)
            yield Probe(f"{route}: {label}", changed, status, error, says, stage="none")
        short = "/api/v2/tenants/default_tenant/databases/ab/collections/<id>"
        yield Probe(f"{route}: a short database name", Call(good.method, short + tail, good.body, good.headers), 400, IAE)


def writes() -> Iterator[Probe]:
    """Records that cannot be added, updated or upserted."""
    for route, status in (("add", 201), ("upsert", 200), ("update", 200)):
        shape: list[tuple[str, dict[str, Any]]] = [
            ("no ids", {"embeddings": [[1, 2]]}),
            ("ids null", {"ids": None, "embeddings": [[1, 2]]}),
            ("ids a string", {"ids": "a", "embeddings": [[1, 2]]}),
            ("ids that are numbers", {"ids": [1], "embeddings": [[1, 2]]}),
            ("an id that is null", {"ids": [None], "embeddings": [[1, 2]]}),
            ("a string in a vector", {"ids": ["a"], "embeddings": [[1, "2"]]}),
            ("null in a vector", {"ids": ["a"], "embeddings": [[1, None]]}),
            ("a boolean in a vector", {"ids": ["a"], "embeddings": [[1, True]]}),
            ("a list in a vector", {"ids": ["a"], "embeddings": [[1, [2]]]}),
            ("numbers instead of vectors", {"ids": ["a"], "embeddings": [1, 2]}),
            ("embeddings a string", {"ids": ["a"], "embeddings": "AACAPwAAAEA="}),
            ("base64 among lists", {"ids": ["a", "b"], "embeddings": [[1, 2], "AACAPwAAAEA="]}),
            ("lists among base64", {"ids": ["a", "b"], "embeddings": ["AACAPwAAAEA=", [1, 2]]}),
            ("a document that is a number", {"ids": ["a"], "embeddings": [[1, 2]], "documents": [1]}),
            ("documents a string", {"ids": ["a"], "embeddings": [[1, 2]], "documents": "a"}),
            ("a uri that is a list", {"ids": ["a"], "embeddings": [[1, 2]], "uris": [[]]}),
            ("metadatas an object", {"ids": ["a"], "embeddings": [[1, 2]], "metadatas": {"a": 1}}),
            ("metadata that is a string", {"ids": ["a"], "embeddings": [[1, 2]], "metadatas": ["x"]}),
            ("metadata that is a list", {"ids": ["a"], "embeddings": [[1, 2]], "metadatas": [[]]}),
        ]
        for label, value in (
            ("an object", {"b": 1}),
            ("an empty object", {}),
            ("a list of two types", [1, "x"]),
            ("a list of numbers and booleans", [1, True]),
            ("a list in a list", [[1]]),
            ("null in a list", [1, None]),
            ("an object in a list", [{"a": 1}]),
        ):
            shape.append((f"{label} in metadata", {"ids": ["a"], "embeddings": [[1, 2]], "metadatas": [{"k": value}]}))
        if route == "add":
            shape.append(("null in metadata", {"ids": ["a"], "embeddings": [[1, 2]], "metadatas": [{"k": None}]}))
        if route != "update":
            shape += [
                ("no embeddings", {"ids": ["a"]}),
                ("embeddings null", {"ids": ["a"], "embeddings": None}),
                ("a null vector", {"ids": ["a", "b"], "embeddings": [[1, 2], None]}),
            ]
        yield from [Probe(f"{route}: {label}", post(f"C/{route}", body), 422, ERROR, after=(LOOK,)) for label, body in shape]
        yield from [
            Probe(f"{route}: {name} twice", post(f"C/{route}", _twice(name)), 422, ERROR)
            for name in ("ids", "embeddings", "documents", "uris", "metadatas")
        ]
        values: list[tuple[str, dict[str, Any] | bytes, str]] = [
            ("an empty id", {"ids": [""], "embeddings": [[1, 2]]}, "id"),
            ("an empty id behind others", {"ids": ["a", ""], "embeddings": [[1, 2], [3, 4]]}, "id"),
            ("more ids than vectors", {"ids": ["a", "b"], "embeddings": [[1, 2]]}, "inconsistent number"),
            ("more vectors than ids", {"ids": ["a"], "embeddings": [[1, 2], [3, 4]]}, "inconsistent number"),
            ("too few documents", {"ids": ["a", "b"], "embeddings": [[1, 2]] * 2, "documents": ["x"]}, "inconsistent number"),
            ("documents of nulls, too few", {"ids": ["a", "b"], "embeddings": [[1, 2]] * 2, "documents": [None]}, "inconsistent number"),
            ("an empty list of documents", {"ids": ["a", "b"], "embeddings": [[1, 2]] * 2, "documents": []}, "inconsistent number"),
            ("too many uris", {"ids": ["a"], "embeddings": [[1, 2]], "uris": [None, "u"]}, "inconsistent number"),
            ("too many metadatas", {"ids": ["a"], "embeddings": [[1, 2]], "metadatas": [None, None]}, "inconsistent number"),
            ("a number beyond float32", {"ids": ["a"], "embeddings": [[1e39, 0]]}, "infinit"),
            ("three numbers where two are due", {"ids": ["a"], "embeddings": [[1, 2, 3]]}, "dimension of 2, got 3"),
            ("one number where two are due", {"ids": ["a"], "embeddings": [[1]]}, "dimension of 2, got 1"),
            ("vectors of two lengths", {"ids": ["a", "b"], "embeddings": [[1, 2], [1, 2, 3]]}, "dimension"),
            ("an empty vector", {"ids": ["a"], "embeddings": [[]]}, "dimension"),
            ("base64 with a bad symbol", {"ids": ["a"], "embeddings": ["AACAPwAAAE?="]}, "base64"),
            ("base64 without its padding", {"ids": ["a"], "embeddings": ["AACAPwAAAEA"]}, "base64"),
            ("base64 in the URL alphabet", {"ids": ["a"], "embeddings": ["__-_PwAAAEA="]}, "base64"),
            ("base64 of three bytes", {"ids": ["a"], "embeddings": ["AAAA"]}, "byte"),
            ("base64 of no bytes", {"ids": ["a"], "embeddings": [""]}, "dimension"),
            ("base64 of NaN", {"ids": ["a"], "embeddings": ["AADAfwAAAAA="]}, ""),
            ("base64 of infinity", {"ids": ["a"], "embeddings": ["AACAfwAAAAA="]}, ""),
            ("base64 of one number", {"ids": ["a"], "embeddings": ["AACAPw=="]}, "dimension of 2, got 1"),
            ("an empty key in metadata", {"ids": ["a"], "embeddings": [[1, 2]], "metadatas": [{"": 1}]}, "metadata"),
            ("a key with #", {"ids": ["a"], "embeddings": [[1, 2]], "metadatas": [{"#x": 1}]}, "metadata"),
            ("a key with $", {"ids": ["a"], "embeddings": [[1, 2]], "metadatas": [{"$x": 1}]}, "metadata"),
            ("an unsorted sparse vector", _sparse([2, 1], [1.0, 2.0]), "metadata"),
            ("a sparse vector with a repeated index", _sparse([1, 1], [1.0, 2.0]), "metadata"),
            ("a sparse vector of two lengths", _sparse([1, 2], [1.0]), "metadata"),
        ]
        yield from [
            Probe(f"{route}: {label}", post(f"C/{route}", body), 400, IAE, says, after=(LOOK, SELF)) for label, body, says in values
        ]
        yield from [
            Probe(f"{route}: a sparse vector", post(f"C/{route}", _sparse([1, 2], [1.0, 2.0])), status, after=(LOOK, SELF)),
            Probe(f"{route}: an empty batch", post(f"C/{route}", {"ids": [], "embeddings": []}), status, after=(LOOK,)),
            Probe(f"{route}: an empty batch with all lists", post(f"C/{route}", _nothing()), status, after=(SELF,), stage="empty"),
        ]
    yield from [
        Probe("update: an unknown id", post("C/update", {"ids": ["x"], "documents": ["d"]}), 200, after=(LOOK,)),
        Probe("update: no lists at all", post("C/update", {"ids": ["ant"]}), 200, after=(LOOK,)),
        Probe(
            "add: 6000 records",
            post("C/add", {"ids": [f"n{n}" for n in range(6000)], "embeddings": [[n, 1] for n in range(6000)]}),
            201,
            stage="empty",
            after=(get("C/count"),),
        ),
    ]


def _twice(name: str) -> bytes:
    fields = {"ids": '["a"]', "embeddings": "[[1,2]]", "documents": '["d"]', "uris": '["u"]', "metadatas": '[{"a":1}]'}
    return ("{" + ",".join(f'"{field}":{value}' for field, value in [*fields.items(), (name, fields[name])]) + "}").encode()


def _sparse(indices: list[int], values: list[float]) -> dict[str, Any]:
    vector = {"#type": "sparse_vector", "indices": indices, "values": values}
    return {"ids": ["a"], "embeddings": [[1, 2]], "metadatas": [{"k": vector}]}


def _nothing() -> dict[str, Any]:
    return {"ids": [], "embeddings": [], "documents": [], "metadatas": [], "uris": []}


#: Not in the grammar of ``where``.
WHERES: dict[str, Any] = {
    "an empty object": {},
    "two keys": {"a": 1, "b": 2},
    "two operators": {"a": {"$gt": 1, "$lt": 2}},
    "no operator": {"a": {}},
    "an unknown operator": {"a": {"$foo": 1}},
    "an operator without $": {"a": {"eq": 1}},
    "null": {"a": None},
    "$eq null": {"a": {"$eq": None}},
    "$gt with a string": {"a": {"$gt": "x"}},
    "$lte with a boolean": {"a": {"$lte": True}},
    "$in nothing": {"a": {"$in": []}},
    "$in a scalar": {"a": {"$in": 1}},
    "$in null": {"a": {"$in": None}},
    "$in a list of null": {"a": {"$in": [None]}},
    "$in two types": {"a": {"$in": [1, "x"]}},
    "$in integers and a float": {"a": {"$in": [1, 1.5]}},
    "$in a number and a boolean": {"a": {"$in": [1, True]}},
    "$nin nothing": {"a": {"$nin": []}},
    "$in lists": {"a": {"$in": [[1]]}},
    "a list as value": {"a": [1, 2]},
    "$eq a list": {"a": {"$eq": [1]}},
    "$eq an object": {"a": {"$eq": {"b": 1}}},
    "$contains a list": {"a": {"$contains": [1]}},
    "$contains null": {"a": {"$contains": None}},
    "$and an object": {"$and": {"a": 1}},
    "$and null": {"$and": None},
    "$or a string": {"$or": "x"},
    "$and of an empty clause": {"$and": [{}]},
    "$and of a scalar": {"$and": [1]},
    "$and beside a key": {"$and": [{"a": 1}], "a": 1},
    "$not": {"$not": {"a": 1}},
    "$nor": {"$nor": [{"a": 1}]},
    "$exists with a number": {"a": {"$exists": 1}},
    "$like with a number": {"a": {"$like": 1}},
    "$regex on a key, unreadable": {"a": {"$regex": "("}},
    "$contains at the top": {"$contains": "x"},
    "an operator as key": {"$eq": 1},
    "an integer beyond 64 bits": {"a": 9223372036854775808},
    "$in an integer beyond 64 bits": {"a": {"$in": [9223372036854775808]}},
    "#document without operator": {"#document": "x"},
    "#document $eq": {"#document": {"$eq": "x"}},
    "#document $contains a number": {"#document": {"$contains": 1}},
    "a list": [],
    "a list of clauses": [{"a": 1}],
    "a string": "x",
    "a number": 1,
    "a boolean": False,
}

#: Not in the grammar of ``where_document``.
WHERE_DOCUMENTS: dict[str, Any] = {
    "an empty object": {},
    "an unknown operator": {"$foo": "x"},
    "$contains a number": {"$contains": 1},
    "$contains a list": {"$contains": ["x"]},
    "$contains null": {"$contains": None},
    "$not_contains a boolean": {"$not_contains": True},
    "$regex a number": {"$regex": 1},
    "two operators": {"$contains": "a", "$regex": "b"},
    "$and an object": {"$and": {"$contains": "x"}},
    "$and of scalars": {"$and": ["x"]},
    "$or of an empty clause": {"$or": [{}]},
    "an operator on metadata": {"a": {"$contains": "x"}},
    "$eq": {"$eq": "x"},
    "$not": {"$not": {"$contains": "x"}},
    "a list": [],
    "a string": "x",
}

#: No regular expressions of the Rust crate.
PATTERNS = [
    "(",
    "[",
    "a{2,1}",
    "(?=x)",
    "(?<!x)",
    r"\1",
    "*",
    "(?P<n>a)(?P<n>b)",
    r"\p{Nonsense}",
    "a**b(",
    "(?z)",
    "[z-a]",
    "\\",
    "x{1000000}",
]


def filters() -> Iterator[Probe]:
    """Filters that get, query and delete refuse alike, and how."""
    for route, rest in (("get", {}), ("query", {"query_embeddings": [[1, 2]]}), ("delete", {})):
        stage = "filled" if route == "delete" else "read"
        for label, where in WHERES.items():
            call = post(f"C/{route}", {**rest, "where": where})
            yield Probe(f"{route}: where, {label}", call, 400, IAE, "invalid where clause", stage=stage)
        for label, where in WHERE_DOCUMENTS.items():
            call = post(f"C/{route}", {**rest, "where_document": where})
            yield Probe(f"{route}: where_document, {label}", call, 400, IAE, "invalid where document clause", stage=stage)
        for pattern in PATTERNS:
            call = post(f"C/{route}", {**rest, "where_document": {"$regex": pattern}})
            yield Probe(f"{route}: the pattern {pattern}", call, 400, IAE, stage=stage)
        for label, clause in {"$exists": {"$exists": True}, "$like": {"$like": "in%"}, "$regex on a key": {"$regex": "^in"}}.items():
            asked = post(f"C/{route}", {**rest, "where": {"kind": clause}})
            yield Probe(f"{route}: more than Chroma's grammar, {label}", asked, 200, stage=stage)
        call = post(f"C/{route}", {**rest, "where": {"#document": {"$not_regex": "("}}})
        yield Probe(f"{route}: a bad pattern on #document", call, 400, IAE, stage=stage)


def reads() -> Iterator[Probe]:
    """Fields of get, query, delete and count."""
    for field in ("limit", "offset"):
        for value in (-1, 1.5, 1.0, "1", True, [], 2**32, 1e3):
            yield Probe(f"get: {field} {value!r}", post("C/get", {field: value}), 422, ERROR, stage="read")
        for value in (0, 1, 5, 6, 7, 2**32 - 1, None):
            yield Probe(f"get: {field} {value!r}", post("C/get", {field: value}), 200, stage="read")
    for value in (-1, 1.5, "1", True, 2**32, [1]):
        query = {"query_embeddings": [[1, 2]], "n_results": value}
        yield Probe(f"query: n_results {value!r}", post("C/query", query), 422, ERROR, stage="read")
        yield Probe(f"delete: limit {value!r}", post("C/delete", {"where": {"legs": 6}, "limit": value}), 422, ERROR, after=(LOOK,))
    for value in (0, 1, 6, 2**32 - 1, None):
        yield Probe(f"query: n_results {value!r}", post("C/query", {"query_embeddings": [[1, 2]], "n_results": value}), 200, stage="read")
    for route, rest in (("get", {}), ("query", {"query_embeddings": [[1, 2]]})):
        for label, include in {
            "unknown": ["x"],
            "data": ["data"],
            "in capitals": ["Documents"],
            "null": None,
            "a string": "documents",
            "an object": {},
        }.items():
            yield Probe(f"{route}: include {label}", post(f"C/{route}", {**rest, "include": include}), 422, ERROR, stage="read")
        for item in (1, 1.5, True, None, [], {}):
            yield Probe(f"{route}: include [{item}]", post(f"C/{route}", {**rest, "include": [item]}), 400, IAE, stage="read")
        for ids in ("ant", [1], [None], {}, 1):
            yield Probe(f"{route}: ids {ids!r}", post(f"C/{route}", {**rest, "ids": ids}), 422, ERROR, stage="read")
    vectors: dict[str, tuple[Any, int, str | None, str]] = {
        "missing": (..., 422, ERROR, ""),
        "null": (None, 422, ERROR, ""),
        "one vector not in a list": ([1, 2], 422, ERROR, ""),
        "base64": (["AACAPwAAAEA="], 422, ERROR, ""),
        "a string": ("AACAPwAAAEA=", 422, ERROR, ""),
        "null in a vector": ([[1, None]], 422, ERROR, ""),
        "a boolean in a vector": ([[True, 1]], 422, ERROR, ""),
        "a null vector": ([None], 422, ERROR, ""),
        "a string in a vector": ([["1", "2"]], 422, ERROR, ""),
        "of no vectors": ([], 200, None, ""),
        "an empty vector": ([[]], 400, IAE, "dimension"),
        "too long": ([[1, 2, 3]], 400, IAE, "dimension of 2, got 3"),
        "too short": ([[1]], 400, IAE, "dimension of 2, got 1"),
        "the second too long": ([[1, 2], [1, 2, 3]], 400, IAE, "dimension"),
        "beyond float32": ([[1e39, 0]], 400, IAE, ""),
    }
    for label, (value, status, error, says) in vectors.items():
        body = {} if value is ... else {"query_embeddings": value}
        yield Probe(f"query: query_embeddings {label}", post("C/query", body), status, error, says, stage="read")
    yield from [
        Probe(
            "query: an unknown id without where",
            post("C/query", {"query_embeddings": [[1, 2]], "ids": ["ant", "nobody"]}),
            400,
            IAE,
            "error finding id",
            stage="read",
        ),
        Probe("delete: nothing said", post("C/delete", {}), 200, after=(LOOK,)),
        Probe("delete: nulls", post("C/delete", {"ids": None, "where": None, "where_document": None, "limit": None}), 200, after=(LOOK,)),
        Probe("delete: no ids", post("C/delete", {"ids": []}), 400, IAE, after=(LOOK,)),
        Probe("delete: an unknown id", post("C/delete", {"ids": ["nobody"]}), 200, after=(LOOK,)),
        Probe("delete: ids that are numbers", post("C/delete", {"ids": [1]}), 422, ERROR),
        Probe("delete: limit without where", post("C/delete", {"limit": 1}), 400, IAE, "limit can only be specified", after=(LOOK,)),
        Probe("delete: limit with ids only", post("C/delete", {"ids": ["ant"], "limit": 1}), 400, IAE, "limit can only be specified"),
        Probe("delete: limit 0 without where", post("C/delete", {"limit": 0}), 400, IAE, "limit can only be specified"),
        Probe("delete: limit with no ids", post("C/delete", {"ids": [], "limit": 1}), 400, IAE),
    ]
    for value, status in (
        ("", 400),
        ("x", 400),
        ("INDEX_ONLY", 400),
        ("index_only", 200),
        ("index_and_wal", 200),
        ("index_and_bounded_wal", 200),
    ):
        error = IAE if status == 400 else None
        yield Probe(f"count: read_level {value!r}", get(f"C/count?read_level={value}"), status, error, stage="empty")
    yield Probe("count: read_level twice", get("C/count?read_level=index_only&read_level=index_only"), 400, IAE, stage="read")


def probes() -> list[Probe]:
    """All of them."""
    return [*bodies(), *collections_of_records(), *writes(), *filters(), *reads()]
