"""The language of filters: what every clause matches among six records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.compat.table.probe import Probe, post
from tests.compat.table.refusals import IAE


def filters() -> Iterator[Probe]:
    """What every clause matches among the six records: docs/CONTRACT.md#filters."""
    numbers: list[Any] = [4, 4.0, 6, 2, 20, 0.01, -1, 2**53, 2**63 - 1, 1e300]
    scalars: list[Any] = [*numbers, "4", "insect", "Insect", "", "日本", True, False]
    clauses: list[dict[str, Any]] = []
    for key in ("legs", "weight", "tame", "kind", "colours", "years", "ratios", "flags", "nothing", ""):
        clauses += [{key: value} for value in scalars]
        clauses += [{key: {operator: value}} for operator in ("$eq", "$ne") for value in (4, 4.0, "4", "insect", True, 1)]
        clauses += [{key: {operator: value}} for operator in ("$gt", "$gte", "$lt", "$lte") for value in (4, 4.0, -1, 1e300, 2**63 - 1)]
        for operator in ("$in", "$nin"):
            clauses += [
                {key: {operator: values}} for values in ([4], [4.0, 6], [4, 6, 4], ["4", "insect"], [True], [False, True], ["a"] * 3)
            ]
        for operator in ("$contains", "$not_contains"):
            clauses += [{key: {operator: value}} for value in ("black", "bl", 1, 1.0, 0.5, True, False, "")]
    a, b = {"kind": "insect"}, {"legs": 6}
    clauses += [
        {"$and": []},
        {"$or": []},
        {"$and": [a]},
        {"$or": [a]},
        {"$and": [a, b]},
        {"$or": [a, {"legs": 4}]},
        {"$and": [{"$or": [a]}, {"$or": []}]},
        {"$or": [{"$and": []}, a]},
        {"$and": [a, a, a]},
        {"$or": [{"$and": [a, b]}, {"$and": [{"legs": {"$ne": 4}}, {"tame": {"$ne": True}}]}]},
        {"#document": {"$contains": "honey"}},
        {"#document": {"$not_contains": "honey"}},
        {"#document": {"$regex": "^A [bc]"}},
        {"#document": {"$not_regex": "MEAT$"}},
        {"$and": [{"#document": {"$contains": "A"}}, a]},
        {"$or": [{"#document": {"$contains": "fox"}}, a]},
    ]
    yield from [
        Probe(f"where {number}: {_short(where)}", post("C/get", {"where": where, "include": []}), 200, stage="read")
        for number, where in enumerate(clauses)
    ]
    for key, value in (("chroma:document", "An ant carries leaves"), ("chroma:uri", "u:ant")):
        yield Probe(f"where: {key}", post("C/get", {"where": {key: value}, "include": []}), 200, stage="read")
    needles = [
        "honey",
        "Honey",
        "an",
        "A",
        "a",
        "",
        " ",
        "%",
        "_",
        "50%",
        "%a%",
        "naïve_fox",
        "ï",
        "日",
        "日本語",
        "\n",
        "milk\nand",
        "MEAT",
        "x" * 300,
        '"',
        "'",
        "*",
        "ant OR bee",
        "cat drinks",
    ]
    documents: list[dict[str, Any]] = [{operator: needle} for operator in ("$contains", "$not_contains") for needle in needles]
    patterns = [
        "honey",
        "^A",
        "MEAT$",
        "milk$",
        "(?m)milk$",
        "drinks.*sleeps",
        "(?s)drinks.*sleeps",
        "(?i)meat",
        r"\p{Han}+",
        r"\bant\b",
        "[a-c]at",
        "a{2}",
        "",
        "^$",
        ".",
        "ant|bee",
        r"50%",
        r"\d+%",
        r"(?x) ho ney",
        "[[:upper:]]{4}",
        r"\w+_\w+",
        r"^.{17}$",
        r"\AAn",
        r"s\z",
        "(?-u)honey",
        "h(?:on|un)ey",
    ]
    documents += [{operator: pattern} for operator in ("$regex", "$not_regex") for pattern in patterns]
    c, d = {"$contains": "An"}, {"$contains": "leaves"}
    documents += [
        {"$and": []},
        {"$or": []},
        {"$and": [c]},
        {"$and": [c, d]},
        {"$or": [c, {"$contains": "honey"}]},
        {"$and": [{"$or": [c, {"$regex": "z"}]}, {"$not_contains": "zz"}]},
    ]
    yield from [
        Probe(f"where_document {number}: {_short(where)}", post("C/get", {"where_document": where, "include": []}), 200, stage="read")
        for number, where in enumerate(documents)
    ]
    for number, literal in enumerate((1.5, 3.99, 4.5, 6.0001, -0.5, 0.5)):
        for operator in ("$eq", "$ne", "$gt", "$gte", "$lt", "$lte"):
            where = {"legs": {operator: literal}}
            yield Probe(f"fraction {number}: {_short(where)}", post("C/get", {"where": where, "include": []}), 200, stage="read")
        for operator in ("$in", "$nin"):
            where = {"legs": {operator: [literal, 100]}}
            yield Probe(f"fraction {number}: {_short(where)}", post("C/get", {"where": where, "include": []}), 200, stage="read")
    ids: list[tuple[Any, int]] = [
        ("ant", 200),
        ({"$in": ["ant", "bee"]}, 200),
        ({"$ne": "ant"}, 200),
        ({"$nin": ["ant"]}, 200),
        (1, 400),
        ({"$gt": 1}, 400),
        ({"$contains": "a"}, 400),
    ]
    for value, status in ids:
        asked = post("C/get", {"where": {"#id": value}, "include": []})
        yield Probe(f"reserved key: #id {value}", asked, status, IAE if status == 400 else None, stage="read")
    for key in ("#embedding", "#other"):
        yield Probe(f"reserved key: {key}", post("C/get", {"where": {key: "x"}, "include": []}), 200, stage="read")


def _short(where: dict[str, Any]) -> str:
    text = ascii(where)
    return text if len(text) < 60 else text[:57] + "..."


def switched_off() -> Iterator[Probe]:
    """Filters on indexes that a schema switches off: docs/CONTRACT.md#schema."""

    def index(kind: str, name: str, enabled: bool) -> dict[str, Any]:
        return {kind: {name: {"enabled": enabled, "config": {}}}}

    schema = {
        "defaults": {**index("int", "int_inverted_index", False), **index("bool", "bool_inverted_index", False)},
        "keys": {
            "s": index("string", "string_inverted_index", False),
            "i": index("int", "int_inverted_index", True),
            "#document": index("string", "fts_index", False),
        },
    }
    for number, (body, status) in enumerate(
        [
            ({"where": {"s": "x"}}, 400),
            ({"where": {"t": "x"}}, 200),
            ({"where": {"s": 1.5}}, 200),
            ({"where": {"i": 1}}, 200),
            ({"where": {"j": 1}}, 400),
            ({"where": {"j": {"$gt": 1}}}, 400),
            ({"where": {"j": {"$gt": 1.0}}}, 200),
            ({"where": {"j": {"$in": [1, 2]}}}, 400),
            ({"where": {"j": {"$nin": [True]}}}, 400),
            ({"where": {"b": True}}, 400),
            ({"where": {"b": {"$ne": False}}}, 400),
            ({"where": {"b": {"$contains": True}}}, 400),
            ({"where": {"s": {"$contains": "x"}}}, 400),
            ({"where": {"$and": [{"t": "x"}, {"j": 1}]}}, 400),
            ({"where": {"$or": [{"t": "x"}, {"i": 1}]}}, 200),
            ({"where_document": {"$contains": "x"}}, 400),
            ({"where_document": {"$not_regex": "x"}}, 400),
            ({"where": {"#document": {"$contains": "x"}}}, 400),
            ({"where": {"$and": []}}, 200),
            ({"where": {"": 1}}, 400),
        ]
    ):
        for route, rest in (("get", {"include": []}), ("query", {"query_embeddings": [[1, 2]], "include": []}), ("delete", {})):
            error = IAE if status == 400 else None
            asked = post(f"C/{route}", {**rest, **body})
            yield Probe(f"switched off {number}: {route} {_short(body)}", asked, status, error, settings={"schema": schema})


def probes() -> list[Probe]:
    """All of them."""
    return [*filters(), *switched_off()]
