"""What holds for every route; the routes about the server; tenants and databases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.compat.table.probe import LOOK, Probe, call, get, post
from tests.compat.table.refusals import ERROR, IAE, MISSING

TENANTS = "/api/v2/tenants"
OWN = f"{TENANTS}/default_tenant/databases/db-<name>"
OWN_DATABASE = post(f"{TENANTS}/default_tenant/databases", {"name": "db-<name>"})
NAMES: dict[str, str] = {
    "two characters": "ab",
    "two periods": "a..b",
    "an ip address": "1.2.3.4",
    "a leading underscore": "_abc",
    "a trailing period": "abc.",
    "a leading dash": "-abc",
    "a space": "a b c",
    "an umlaut": "äbc",
    "513 characters": "a" * 513,
    "nothing": "",
    "a slash": "a/b/c",
    "two pluses": "abc+abc+abc",
    "a short topology": "ab+abc",
    "a short name behind a topology": "abc+ab",
    "a topology with two periods": "a..b+abc",
    "an ip address behind a topology": "abc+1.2.3.4",
    "513 characters with a topology": "a" * 256 + "+" + "b" * 256,
    "a trailing newline": "abc\n",
}


def protocol() -> Iterator[Probe]:
    """What holds for every route: docs/CONTRACT.md#requests."""
    yield from [
        Probe("json: a metadata key given twice, the last counts", post("C/add", _raw_metadata('{"a": 1, "a": 2}')), 201, after=(LOOK,)),
        Probe("json: minus zero", post("C/add", _raw_metadata('{"a": -0.0, "b": -0, "c": [-0.0, 1.0], "d": 0.0}')), 201, after=(LOOK,)),
        Probe(
            "json: integers at the border of 64 bits",
            post("C/add", _raw_metadata('{"a": 9223372036854775807, "b": -9223372036854775808, "c": [9223372036854775807]}')),
            201,
            after=(LOOK,),
        ),
        Probe(
            "json: integers beyond 64 bits become floats",
            post("C/add", _raw_metadata('{"a": 9223372036854775808, "b": -9223372036854775809, "c": 123456789012345678901234567890}')),
            201,
            after=(LOOK,),
        ),
        Probe(
            "json: an integer beyond 64 bits in a list", post("C/add", _raw_metadata('{"a": [9223372036854775808]}')), 201, after=(LOOK,)
        ),
        Probe("json: floats of any form", post("C/add", _raw_metadata('{"a": 1e3, "b": 1E-7, "c": 5e-324, "d": 1.0}')), 201, after=(LOOK,)),
        Probe(
            "json: numbers keep float32 precision in vectors",
            post("C/add", {"ids": ["x"], "embeddings": [[0.1, 16777217]]}),
            201,
            after=(LOOK,),
        ),
        Probe("json: tiny numbers in vectors", post("C/add", {"ids": ["x"], "embeddings": [[1e-45, 1e-50]]}), 201, after=(LOOK,)),
        Probe(
            "json: a vector of huge integers", post("C/add", {"ids": ["x"], "embeddings": [[10**30, -(10**30)]]}), 400, IAE, after=(LOOK,)
        ),
        Probe("json: escapes are decoded", post("C/get", b'{"i\\u0064s": ["\\u0061nt"]}'), 200, stage="read"),
        Probe("json: NUL in ids, documents and metadata", post("C/add", _nul()), 201, after=(LOOK, post("C/get", {"ids": ["a\0b"]}))),
    ]
    for label, text in (("number beyond float64", "1e400"), ("lone surrogate", '"\\ud800"')):
        yield Probe(f"json: an unread {label}", call("PUT", "C", f'{{"unread": {text}}}'.encode()), 400, IAE)
    for levels, status in ((30, 200), (61, 200), (62, 200), (63, 400), (64, 400), (200, 400)):
        where: Any = {"kind": "insect"}
        for _ in range(levels):
            where = {"$and": [where]}
        error = IAE if status == 400 else None
        yield Probe(f"json: $and {levels} levels deep", post("C/get", {"where": where}), status, error, stage="read")
    for levels, status in ((125, 200), (126, 200), (127, 400), (128, 400)):
        unread = json.loads("[" * levels + "]" * levels)
        error = IAE if status == 400 else None
        yield Probe(f"json: an unread field {levels} levels deep", post("C/get", {"zz": unread}), status, error, stage="read")
    for path in ("C/count", "/api/v2/heartbeat", "~/collections", "~", "/api/v2/version", "~/collections/nobody"):
        yield Probe(f"HEAD {path}", call("HEAD", path), 404 if "nobody" in path else 200, stage="read")
    for method, path in (
        ("GET", "C/add"),
        ("GET", "C/get"),
        ("DELETE", "C/get"),
        ("PUT", "C/add"),
        ("DELETE", "C/query"),
        ("POST", "C"),
        ("PATCH", "C"),
        ("PUT", "~/collections"),
        ("DELETE", "~/collections"),
        ("POST", "/api/v2/heartbeat"),
        ("GET", "/api/v2/reset"),
        ("GET", TENANTS),
        ("POST", "/api/v2/tenants/default_tenant"),
        ("PUT", "~"),
        ("POST", "~/collections_count"),
        ("OPTIONS", "C/add"),
        ("TRACE", "C/add"),
    ):
        yield Probe(f"wrong method: {method} {path}", call(method, path), 405, stage="read")
    for path in (
        "/",
        "/api",
        "/api/v2/",
        "/api/v2/nothing",
        "/api/v2/tenants/",
        "~/",
        "~/collections/",
        "C/",
        "C/add/",
        "C/peek",
        "C/upsert/x",
        "//api/v2",
        "/API/V2",
    ):
        yield Probe(f"unknown path: {path}", get(path), 404, stage="read")
    for path in ("/api/v1/heartbeat", "/api/v1/collections", "/api/v1/a/b/c"):
        for method, status in (("GET", 410), ("PUT", 410), ("PATCH", 410), ("DELETE", 410), ("HEAD", 410), ("POST", 405)):
            yield (
                Probe(
                    f"v1: {method} {path}",
                    call(method, path),
                    status,
                    "Unimplemented" if method in ("GET", "PUT", "PATCH", "DELETE") else None,
                    stage="none",
                )
            )
    yield from [Probe(f"v1: {path}", get(path), 404, stage="none") for path in ("/api/v1", "/api/v1/")]
    for path in (
        "/api/v2",
        "/api/v2/heartbeat",
        "/api/v2/healthcheck",
        "/api/v2/version",
        "/api/v2/pre-flight-checks",
        "/api/v2/auth/identity",
    ):
        yield Probe(f"system: {path}", get(path), 200, stage="none")
        yield Probe(f"system: {path} with a query string", get(path + "?a=1&b"), 200, stage="none")


def _raw_metadata(metadata: str) -> bytes:
    return ('{"ids": ["x"], "embeddings": [[1, 2]], "metadatas": [' + metadata + "]}").encode()


def _nul() -> dict[str, Any]:
    return {"ids": ["a\0b"], "embeddings": [[1, 2]], "documents": ["c\0d"], "uris": ["\0"], "metadatas": [{"e\0f": "g\0h", "l": ["\0"]}]}


def tenants() -> Iterator[Probe]:
    """Tenants: docs/CONTRACT.md#routes-of-tenants-and-databases."""
    for label, name, status in (
        ("two characters", "ab", 400),
        ("nothing", "", 400),
        ("three characters", "ab<name>", 200),
        ("anything", "a b/ü..1.2.3.4 <name>", 200),
        ("two characters of several bytes", "äß", 400),
        ("one character of four bytes", "🦊", 400),
        ("600 characters", "<name>" * 60, 200),
    ):
        yield Probe(f"tenants: a name of {label}", post(TENANTS, {"name": name}), status, IAE if status == 400 else None, stage="none")
    made_tenant = post(TENANTS, {"name": "t-<name>"})
    yield from [
        Probe("tenants: twice", made_tenant, 409, ERROR, "already exists", stage="none", before=(made_tenant,)),
        Probe("tenants: read", get(f"{TENANTS}/t-<name>"), 200, stage="none", before=(made_tenant,)),
        Probe("tenants: unknown", get(f"{TENANTS}/nobody"), 404, MISSING, "not found", stage="none"),
        Probe("tenants: a short name is looked up", get(f"{TENANTS}/a"), 404, MISSING, stage="none"),
        Probe("tenants: percent-encoded", get(f"{TENANTS}/default%5Ftenant"), 200, stage="none"),
        Probe("tenants: no name", post(TENANTS, {}), 422, ERROR, stage="none"),
        Probe("tenants: a number", post(TENANTS, {"name": 1}), 422, ERROR, stage="none"),
        Probe("tenants: the name twice", post(TENANTS, b'{"name": "abc", "name": "abd"}'), 422, ERROR, stage="none"),
        Probe(
            "tenants: a resource name changes nothing",
            call("PATCH", f"{TENANTS}/t-<name>", {"resource_name": "r"}),
            200,
            stage="none",
            before=(made_tenant,),
            after=(get(f"{TENANTS}/t-<name>"),),
        ),
        Probe("tenants: a resource name of an unknown one", call("PATCH", f"{TENANTS}/nobody", {"resource_name": "r"}), 200, stage="none"),
        Probe("tenants: no resource name", call("PATCH", f"{TENANTS}/default_tenant", {}), 422, ERROR, stage="none"),
        Probe(
            "tenants: a resource name that is a number",
            call("PATCH", f"{TENANTS}/default_tenant", {"resource_name": 1}),
            422,
            ERROR,
            stage="none",
        ),
        Probe(
            "reset: deletes everything and makes the defaults",
            post("/api/v2/reset"),
            200,
            stage="none",
            before=(made_tenant, OWN_DATABASE, post("~/collections", {"name": "c-<name>"})),
            after=(get("~"), get("~/collections_count"), get(f"{TENANTS}/t-<name>"), get(f"{TENANTS}/default_tenant/databases")),
        ),
        Probe("reset: a body is not read", post("/api/v2/reset", b"{"), 200, stage="none"),
    ]


def databases() -> Iterator[Probe]:
    """Databases: docs/CONTRACT.md#routes-of-tenants-and-databases."""
    default = f"{TENANTS}/default_tenant/databases"
    own, fill = (OWN_DATABASE,), post(f"{OWN}/collections", {"name": "inside"})
    for label, name in NAMES.items():
        yield Probe(f"databases: a name of {label}", post(default, {"name": name}), 400, IAE, stage="none")
    for name in ("a+b", "+abc", "abc+"):
        yield Probe(f"databases: the name {name}", post(default, {"name": name}), 400, IAE, stage="none")
    yield from [
        Probe("databases: a topology", post(default, {"name": "top+<name>"}), 200, stage="none"),
        Probe("databases: made", OWN_DATABASE, 200, stage="none", after=(get(OWN), get(f"{OWN}/collections"))),
        Probe("databases: twice", OWN_DATABASE, 409, ERROR, "already exists", stage="none", before=own),
        Probe(
            "databases: of an unknown tenant",
            post(f"{TENANTS}/nobody-<name>/databases", {"name": "some"}),
            200,
            stage="none",
            after=(
                get(f"{TENANTS}/nobody-<name>/databases"),
                get(f"{TENANTS}/nobody-<name>"),
                get(f"{TENANTS}/nobody-<name>/databases/some"),
            ),
        ),
        Probe("databases: no name", post(default, {}), 422, ERROR, stage="none"),
        Probe("databases: unknown", get(f"{default}/nothing"), 404, MISSING, "not found", stage="none"),
        Probe("databases: a short name", get(f"{default}/ab"), 400, IAE, stage="none"),
        Probe("databases: names that none can have are looked up", get(f"{default}/_a..b"), 404, MISSING, stage="none"),
        Probe("databases: deleting a short name", call("DELETE", f"{default}/ab"), 404, MISSING, stage="none"),
        Probe(
            "databases: deleted with its collections",
            call("DELETE", OWN),
            200,
            stage="none",
            before=(*own, fill),
            after=(
                get(OWN),
                get(f"{OWN}/collections"),
                get(f"{OWN}/collections_count"),
                get(f"{OWN}/collections/inside"),
                OWN_DATABASE,
                get(f"{OWN}/collections"),
            ),
        ),
        Probe("databases: deleting an unknown one", call("DELETE", OWN), 404, MISSING, "not found", stage="none"),
        Probe("databases: of a tenant that is unknown", get(f"{TENANTS}/nobody/databases"), 200, stage="none"),
        Probe(
            "databases: collections of one that is unknown",
            get(f"{OWN}/collections"),
            200,
            stage="none",
            after=(get(f"{OWN}/collections_count"),),
        ),
    ]
    tenant = f"{TENANTS}/l-<name>/databases"
    several = (post(TENANTS, {"name": "l-<name>"}), *(post(tenant, {"name": name}) for name in ("bbb", "aaa", "ccc", "Bbb", "0a0")))
    for query, status in pages():
        yield Probe(f"databases: list{query}", get(tenant + query), status, IAE if status == 400 else None, stage="none", before=several)


def pages() -> list[tuple[str, int]]:
    good = [
        "",
        "?limit=2",
        "?limit=0",
        "?limit=2&offset=1",
        "?offset=2",
        "?offset=9",
        "?limit=4294967295",
        "?x=y",
        "?limit=2&x",
        "?limit=%32",
        "?limit=%2B2",
        "?limit=0000000000002",
    ]
    bad = [
        "?limit=-1",
        "?limit=x",
        "?limit=1.5",
        "?limit=4294967296",
        "?offset=-1",
        "?limit=",
        "?limit",
        "?limit=1&limit=2",
        "?limit=null",
        "?limit=%2",
        "?limit=1%20",
        "?limit=+2",
        "?limit=4294967296000",
    ]
    return [(query, 200) for query in good] + [(query, 400) for query in bad]


def probes() -> list[Probe]:
    """All of them."""
    return [*protocol(), *tenants(), *databases()]
