"""Collections: made, found, listed, deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.compat.table.probe import LOOK, SELF, Probe, call, get, post
from tests.compat.table.protocol import NAMES, OWN, OWN_DATABASE, TENANTS, pages
from tests.compat.table.refusals import ERROR, IAE, MISSING, UNKNOWN_ID


def collections() -> Iterator[Probe]:
    """docs/CONTRACT.md#creating-a-collection."""
    make = "~/collections"
    for label, name in NAMES.items():
        yield Probe(f"create: a name of {label}", post(make, {"name": name}), 400, IAE, "name", stage="none")
        yield Probe(f"modify: a name of {label}", call("PUT", "C", {"new_name": name}), 400, IAE, "new_name", after=(SELF,))
    for name in ("a.b-<name>", "t01+<name>", "9<name>9", "1.2.3.4.<name>", "<name>" + "x" * 480, "01.02.03.<name>", "1.2.3"):
        yield Probe(f"create: the name {name[:20]}", post(make, {"name": name}), 200, stage="none")
    shapes: dict[str, Any] = {
        "no name": {},
        "name null": {"name": None},
        "name a number": {"name": 123},
        "metadata a list": {"name": "n-<name>", "metadata": []},
        "metadata a string": {"name": "n-<name>", "metadata": "x"},
        "null in metadata": {"name": "n-<name>", "metadata": {"a": None}},
        "an object in metadata": {"name": "n-<name>", "metadata": {"a": {"b": 1}}},
        "a list of two types in metadata": {"name": "n-<name>", "metadata": {"a": [1, "x"]}},
        "get_or_create null": {"name": "n-<name>", "get_or_create": None},
        "get_or_create a number": {"name": "n-<name>", "get_or_create": 1},
        "configuration a list": {"name": "n-<name>", "configuration": []},
        "hnsw a list": {"name": "n-<name>", "configuration": {"hnsw": []}},
        "an unknown space": {"name": "n-<name>", "configuration": {"hnsw": {"space": "hamming"}}},
        "a space in capitals": {"name": "n-<name>", "configuration": {"hnsw": {"space": "L2"}}},
        "an unknown field of hnsw": {"name": "n-<name>", "configuration": {"hnsw": {"m": 16}}},
        "an unknown field of spann": {"name": "n-<name>", "configuration": {"spann": {"m": 16}}},
        "a string for a number": {"name": "n-<name>", "configuration": {"hnsw": {"ef_search": "100"}}},
        "a fraction for an integer": {"name": "n-<name>", "configuration": {"hnsw": {"ef_search": 1.5}}},
        "a negative number": {"name": "n-<name>", "configuration": {"hnsw": {"max_neighbors": -1}}},
        "an embedding function without type": {"name": "n-<name>", "configuration": {"embedding_function": {}}},
        "an embedding function of unknown type": {"name": "n-<name>", "configuration": {"embedding_function": {"type": "x"}}},
        "a known embedding function without config": {
            "name": "n-<name>",
            "configuration": {"embedding_function": {"type": "known", "name": "x"}},
        },
        "a known embedding function without name": {
            "name": "n-<name>",
            "configuration": {"embedding_function": {"type": "known", "config": {}}},
        },
        "an empty schema": {"name": "n-<name>", "schema": {}},
        "a schema without keys": {"name": "n-<name>", "schema": {"defaults": {}}},
    }
    yield from [Probe(f"create: {label}", post(make, body), 422, ERROR, stage="none") for label, body in shapes.items()]
    values: dict[str, tuple[Any, str]] = {
        "empty metadata": ({"metadata": {}}, "metadata"),
        "an empty key": ({"metadata": {"": 1}}, "metadata"),
        "a key with #": ({"metadata": {"#a": 1}}, "metadata"),
        "a key with $": ({"metadata": {"$a": 1}}, "metadata"),
        "a list in metadata": ({"metadata": {"a": [1, 2]}}, ""),
        "a sparse vector in metadata": ({"metadata": {"a": {"#type": "sparse_vector", "indices": [1], "values": [1.0]}}}, ""),
        "hnsw and spann": ({"configuration": {"hnsw": {}, "spann": {}}}, ""),
        "legacy: an unknown key": ({"metadata": {"hnsw:foo": 1}}, "hnsw:foo"),
        "legacy: an unknown space": ({"metadata": {"hnsw:space": "x"}}, "hnsw:space"),
        "legacy: a string for a number": ({"metadata": {"hnsw:M": "16"}}, "hnsw:m"),
        "legacy: a negative number": ({"metadata": {"hnsw:M": -1}}, ""),
        "legacy: a batch of one": ({"metadata": {"hnsw:batch_size": 1}}, ""),
        "legacy: a boolean": ({"metadata": {"hnsw:search_ef": True}}, ""),
    }
    yield from [
        Probe(f"create: {label}", post(make, {"name": "n-<name>", **body}), 400, IAE, says, stage="none")
        for label, (body, says) in values.items()
    ]
    own = {"name": "n-<name>"}
    fine: dict[str, Any] = {
        "metadata of every type": {"metadata": {"s": "ü", "i": -5, "f": 1.5, "b": True, "big": 2**63, "zero": -0.0}},
        "metadata null": {"metadata": None, "configuration": None, "schema": None},
        "all of hnsw": {
            "configuration": {
                "hnsw": {
                    "space": "cosine",
                    "ef_construction": 7,
                    "ef_search": 8,
                    "max_neighbors": 9,
                    "num_threads": 1,
                    "batch_size": 11,
                    "sync_threshold": 12,
                    "resize_factor": 2,
                }
            }
        },
        "zeros": {"configuration": {"hnsw": {"ef_construction": 0, "ef_search": 0, "max_neighbors": 0, "num_threads": 0}}},
        "empty hnsw": {"configuration": {"hnsw": {}, "zz": 1}},
        "hnsw null": {"configuration": {"hnsw": None, "spann": None, "embedding_function": None}},
        "spann": {"configuration": {"spann": {"space": "ip", "search_nprobe": 3}}},
        "an embedding function": {
            "configuration": {"embedding_function": {"type": "known", "name": "x", "config": {"a": [1, None, {"b": 2.5}]}}}
        },
        "a legacy embedding function": {"configuration": {"embedding_function": {"type": "legacy"}}},
        "an unknown embedding function": {"configuration": {"embedding_function": {"type": "unknown"}}},
        "legacy space": {
            "metadata": {"hnsw:space": "ip", "hnsw:M": 5, "hnsw:construction_ef": 6, "hnsw:search_ef": 7, "hnsw:resize_factor": 1.5}
        },
        "legacy space beside default hnsw": {"metadata": {"hnsw:space": "cosine"}, "configuration": {"hnsw": {"space": "l2"}}},
        "legacy space beside other hnsw": {"metadata": {"hnsw:space": "cosine"}, "configuration": {"hnsw": {"space": "ip"}}},
        "a schema of defaults": {"schema": {"defaults": {}, "keys": {}}},
        "an unknown field": {"zz": 1},
    }
    yield from [
        Probe(f"create: {label}", post(make, {**own, **body}), 200, stage="none", after=(get("~/collections/n-<name>"),))
        for label, body in fine.items()
    ]
    yield from [
        Probe("create: the name twice", post(make, b'{"name": "abc", "name": "abd"}'), 422, ERROR, stage="none"),
        Probe("create: a name that is taken", post(make, {"name": "<name>"}), 409, ERROR, "already exists", after=(SELF,)),
        Probe("create: names differ by case", post(make, {"name": "N-<name>"}), 200, stage="none", before=(post(make, own),)),
        Probe(
            "create: get_or_create of what is there changes nothing",
            post(make, {"name": "<name>", "get_or_create": True, "metadata": {"new": 1}, "configuration": {"hnsw": {"space": "ip"}}}),
            200,
            after=(SELF, LOOK),
        ),
        Probe(
            "create: get_or_create checks what it ignores", post(make, {"name": "<name>", "get_or_create": True, "metadata": {}}), 400, IAE
        ),
        Probe(
            "create: get_or_create of what is not there",
            post(make, {**own, "get_or_create": True, "metadata": {"new": 1}}),
            200,
            stage="none",
        ),
        Probe(
            "create: in an unknown database",
            post("/api/v2/tenants/default_tenant/databases/nowhere/collections", own),
            400,
            IAE,
            "does not exist",
            stage="none",
        ),
        Probe(
            "create: in an unknown tenant",
            post("/api/v2/tenants/nobody/databases/default_database/collections", own),
            400,
            IAE,
            "does not exist",
            stage="none",
        ),
        Probe(
            "create: get_or_create in an unknown database",
            post("/api/v2/tenants/default_tenant/databases/nowhere/collections", {**own, "get_or_create": True}),
            400,
            IAE,
            stage="none",
        ),
        Probe(
            "create: in a database with a short name",
            post("/api/v2/tenants/default_tenant/databases/ab/collections", own),
            400,
            IAE,
            stage="none",
        ),
        Probe("collection: by name", get("~/collections/<name>"), 200, after=(SELF,)),
        Probe("collection: an id in place of the name", get("~/collections/<id>"), 404, MISSING),
        Probe("collection: an unknown name", get("~/collections/nobody"), 404, MISSING, "collection [nobody] does not exist", stage="none"),
        Probe("collection: a name that none can have", get("~/collections/a"), 404, MISSING, stage="none"),
        Probe("collection: by an unknown id", get(f"~/collections/by-id/{UNKNOWN_ID}"), 404, MISSING, stage="none"),
        Probe("collection: by what is no id", get("~/collections/by-id/x"), 400, IAE, stage="none"),
        Probe("collection: by id in another database", get(f"{OWN}/collections/by-id/<id>"), 404, MISSING, before=(OWN_DATABASE,)),
        Probe(
            "collection: by id in another tenant",
            get("/api/v2/tenants/nobody/databases/default_database/collections/by-id/<id>"),
            404,
            MISSING,
        ),
        Probe("collection: by name in another database", get(f"{OWN}/collections/<name>"), 404, MISSING, before=(OWN_DATABASE,)),
        Probe("collection: records in another database", post(f"{OWN}/collections/<id>/get", {}), 404, MISSING, before=(OWN_DATABASE,)),
        Probe(
            "collection: records in another tenant",
            get("/api/v2/tenants/nobody/databases/default_database/collections/<id>/count"),
            404,
            MISSING,
        ),
        Probe(
            "collection: deleted by name",
            call("DELETE", "~/collections/<name>"),
            200,
            after=(get("C/count"), SELF, get("~/collections/<name>"), LOOK),
        ),
        Probe("collection: deleting by id", call("DELETE", "~/collections/<id>"), 404, MISSING, after=(SELF,)),
        Probe(
            "collection: deleting an unknown one",
            call("DELETE", "~/collections/nobody"),
            404,
            MISSING,
            "collection [nobody] does not exist",
            stage="none",
        ),
        Probe(
            "collection: made again under its name it is empty",
            post(make, {"name": "<name>"}),
            200,
            before=(call("DELETE", "~/collections/<name>"),),
            after=(get("~/collections/<name>"), LOOK),
        ),
    ]
    for method, path in (
        ("GET", ""),
        ("GET", "_count"),
        ("GET", "/x"),
        ("GET", f"/by-id/{UNKNOWN_ID}"),
        ("PUT", f"/{UNKNOWN_ID}"),
        ("DELETE", "/x"),
    ):
        short = call(method, f"{TENANTS}/default_tenant/databases/ab/collections{path}", None if method != "PUT" else {})
        yield Probe(f"collection: {method} {path} in a database with a short name", short, 400, IAE, stage="none")
    for label, form in {
        "upper case": str.upper,
        "no dashes": lambda id: id.replace("-", ""),
        "braces": lambda id: "%7B" + id + "%7D",
        "a urn": lambda id: "urn:uuid:" + id,
        "white space": lambda id: "%20" + id,
        "one dash": lambda id: id.replace("-", "", 3),
    }.items():
        bad = label in ("white space", "one dash")
        path = "~/collections/" + form(UNKNOWN_ID)
        yield Probe(f"collection: an id with {label}", post(f"{path}/get", {}), 400 if bad else 404, IAE if bad else MISSING, stage="none")


def listings() -> Iterator[Probe]:
    """Lists of collections: docs/CONTRACT.md#collections."""
    fill = (OWN_DATABASE, *(post(f"{OWN}/collections", {"name": name}) for name in ("one", "two", "three")))
    for query, status in pages():
        error = IAE if status == 400 else None
        yield (
            Probe(
                f"collections: list{query} of none", get(f"{OWN}/collections{query}"), status, error, stage="none", before=(OWN_DATABASE,)
            )
        )
    for query in ("?limit=0", "?limit=1", "?offset=3", "?offset=2&limit=0"):
        counted = get(f"{OWN}/collections_count")
        yield (
            Probe(
                f"collections: list{query} of three",
                _lengths(f"{OWN}/collections{query}"),
                200,
                stage="none",
                before=fill,
                after=(counted,),
            )
        )


def _lengths(path: str) -> Any:
    # The order is by id, which chance decides: only pages of none or of equal content can be compared whole.
    return get(path) if "limit=0" in path or "offset=3" in path else call("HEAD", path)


def probes() -> list[Probe]:
    """All of them."""
    return [*collections(), *listings()]
