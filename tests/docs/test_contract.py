"""docs/CONTRACT.md says of routes, bodies, answers, failures and limits what the server has."""

from __future__ import annotations

import inspect
import json
import re
import sys
from dataclasses import fields
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from chroma_async import errors
from chroma_async.config.settings import Settings
from chroma_async.server.app import ROUTES, create_app
from chroma_async.server.docs import document_routes
from chroma_async.server.openapi import statuses
from chroma_async.server.route import COLLECTION, DATABASE, Route
from chroma_async.server.routes_records import COUNTS_HEADER
from chroma_async.server.schemas import SCHEMAS
from chroma_async.service.local import open_local
from chroma_async.wire.body import Body, parse_body
from chroma_async.wire.errors import encode_error
from chroma_async.wire.requests import parse_get
from tests.docs.markdown import ROOT, code, section, table, tables
from tests.shape.source import PACKAGE, modules

CONTRACT = (ROOT / "docs" / "CONTRACT.md").read_text("utf-8")
EVERY = (*ROUTES, *document_routes(ROUTES))
#: Failures that the page tells of all routes together.
OF_ANY_ROUTE = {408, 413, 415, 422, 429, 500}
#: Routes that ask by POST and write nothing.
READS = {"collection_get", "collection_query", "collection_search", "collection_count_matching", "conditional_get"}
PROBES = {"healthcheck", "readyz"}


def described() -> dict[tuple[str, str], list[str]]:
    """The row of each route in the tables, by method and path."""
    found: dict[tuple[str, str], list[str]] = {}
    for rows in tables(section(CONTRACT, "Routes")):
        assert rows[0][:4] == ["route", "body", "answer", "failures"]
        for row in rows[1:]:
            *methods, path = code(row[0])[0].split(" ")
            path = path.replace("{collection}", COLLECTION).replace("{db}", DATABASE)
            for method in methods:
                assert (method, path) not in found
                found[method, path] = row
    return found


def route_name(route: Route) -> str:
    return route.operation


def test_the_page_says_what_its_abbreviations_stand_for() -> None:
    assert f"`{{db}}` stands for `{DATABASE}`" in CONTRACT
    assert f"`{{collection}}` for `{{db}}{COLLECTION.removeprefix(DATABASE)}`" in CONTRACT


def test_every_route_has_a_row_and_every_row_a_route() -> None:
    assert set(described()) == {(route.method, route.path) for route in EVERY}


@pytest.mark.parametrize("route", EVERY, ids=route_name)
def test_a_row_says_what_its_route_reads_and_answers(route: Route) -> None:
    _, body, answer, failures, remark = described()[route.method, route.path]
    assert code(body) == ([] if route.body is None else [route.body])
    assert code(answer) == [route.result]
    assert ("201" in remark) == (route.status == 201)
    said = {int(status) for status in re.findall(r"\d{3}", failures)}
    if route.path.startswith("/api/v1/"):
        assert said == {410}
    elif route.operation in PROBES:
        assert said == set(route.errors)
    else:
        assert said == set(route.errors) - OF_ANY_ROUTE - {503}
    for name in route.query:
        assert f"`{name}`" in remark


@pytest.mark.parametrize("route", ROUTES, ids=route_name)
def test_the_failures_of_any_route_are_those_of_every_route(route: Route) -> None:
    having = set(statuses(route))
    assert 500 in having
    assert (429 in having) != route.probe
    assert ({401, 403} <= having) != route.open
    assert ({408, 413, 415, 422} <= having) == (route.body is not None)
    if route.listed and route.operation not in PROBES:
        assert (503 in having) == (route.method != "GET" and route.operation not in READS)


def test_the_failures_of_any_route_are_in_their_table() -> None:
    said = {int(status) for row in table(CONTRACT, "status", "when") for status in row[0].split(", ")}
    assert said == OF_ANY_ROUTE | {401, 403, 503}


# -------------------------------------------------------------------------------------------------------------------- bodies and answers


def members(head: str) -> dict[str, list[str]]:
    """The members of each body or answer of the table."""
    found = {}
    for names, cell in table(CONTRACT, head, "members"):
        for name in code(names):
            assert name not in found
            found[name] = code(cell)
    return found


def test_the_table_of_bodies_is_what_the_openapi_document_says() -> None:
    assert members("body") == {route.body: list(SCHEMAS[route.body]["properties"]) for route in ROUTES if route.body is not None}


def test_the_table_of_answers_is_what_the_openapi_document_says() -> None:
    said = members("answer")
    assert set(said) == {route.result for route in EVERY}
    for name, found in said.items():
        assert sorted(found) == sorted(SCHEMAS[name].get("properties", {})), name


@pytest.mark.parametrize("route", [route for route in ROUTES if route.body], ids=route_name)
async def test_a_route_reads_the_members_that_are_said_and_no_others(route: Route, monkeypatch: pytest.MonkeyPatch) -> None:
    names: set[str] = set()

    def noting(raw: bytes, given: tuple[str, ...], *args: Any, **kwargs: Any) -> Body:
        names.update(given)
        return parse_body(raw, given, *args, **kwargs)

    for module in [module for name, module in sys.modules.items() if name.startswith("chroma_async.")]:
        if getattr(module, "parse_body", None) is parse_body and module.__name__ != parse_body.__module__:
            monkeypatch.setattr(module, "parse_body", noting)
    path = re.sub(r"\{\w+\}", "00000000-0000-4000-8000-000000000000", route.path)
    api = await open_local(None, Settings(is_persistent=False))
    app = create_app(api, api.settings, api.engine.context.threads.run)
    try:
        async with TestClient(TestServer(app)) as client, client.request(route.method, path, json={}) as response:
            assert response.status in (200, 404, 422)
    finally:
        await api.aclose()
    ignored = {"order_by", "cursor"} if route.body == "ConditionalGet" else set()
    assert names - ignored == set(SCHEMAS[str(route.body)]["properties"])


def test_what_is_ours_is_marked_in_the_tables() -> None:
    ours = {name for head in ("body", "answer") for _, cell in table(CONTRACT, head, "members") for name in re.findall(r"`(\w+)`°", cell)}
    assert ours == {"expires_at", "order_by", "cursor", "max_distance", "exact", "inserted", "updated"}
    assert f"`{COUNTS_HEADER}` | request | **ours**" in section(CONTRACT, "Headers")
    assert {route.operation for route in ROUTES if COUNTS_HEADER in route.headers} == {
        route.operation for route in ROUTES if route.result == "WriteResult"
    }


# -------------------------------------------------------------------------------------------------------------------------------- errors


def classes() -> dict[str, type[errors.ChromaError]]:
    found = dict(inspect.getmembers(errors, inspect.isclass))
    return {name: found[name] for name in found if issubclass(found[name], errors.ChromaError)}


def test_every_class_of_errors_is_in_a_table_with_its_status_and_name() -> None:
    rows = [row for each in tables(section(CONTRACT, "Errors")) if each[0][0] == "class" for row in each[1:]]
    said = {code(row[0])[0]: (int(row[1]), code(row[2])[0]) for row in rows}
    assert len(said) == len(rows)
    assert said == {name: (kind.status, kind.wire_name) for name, kind in classes().items()}


def test_the_tree_at_the_top_of_errors_has_every_class_under_its_parent_with_its_status() -> None:
    text = inspect.getdoc(errors) or ""
    parents: list[str] = []
    drawn: dict[str, str | None] = {}
    for line in text.splitlines():
        found = re.match(r"([ │├└─]*)([A-Z]\w+)\s+(\d{3})?", line)
        if found is None or found[2] not in classes():
            continue
        depth = (len(found[1]) - 4) // 4 if found[1].strip() else 0
        parents[depth:] = [found[2]]
        drawn[found[2]] = parents[depth - 1] if depth else None
        if found[3] is not None:
            assert int(found[3]) == classes()[found[2]].status, line
    assert set(drawn) == set(classes())
    for name, parent in drawn.items():
        assert parent is None or classes()[parent] in classes()[name].__bases__, name


def test_the_example_of_a_failure_is_what_a_bad_limit_gets() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", section(CONTRACT, "Errors"), re.S)
    with pytest.raises(errors.ChromaError) as refused:
        parse_get(b'{"limit": -1}')
    assert refused.value.code() == 422
    assert json.loads(encode_error(refused.value.wire_name, refused.value.message())) == json.loads(example)


def test_texts_that_clients_look_for_are_in_the_source() -> None:
    pieces = [code(row[0])[0] for row in table(CONTRACT, "piece")]
    assert len(pieces) > 8
    source = "\n".join(module.file.read_text("utf-8") for module in modules())
    assert [piece for piece in pieces if piece not in source] == []


# -------------------------------------------------------------------------------------------------------------------------------- limits


def test_the_limits_are_the_defaults_of_their_settings() -> None:
    defaults = {field.name: getattr(Settings(), field.name) for field in fields(Settings)}
    for _, setting, default, _ in table(CONTRACT, "limit", "setting"):
        assert default == repr(defaults[code(setting)[0]]), setting


def test_the_other_numbers_of_the_page_are_those_of_the_source() -> None:
    found = {module.name: module.file.read_text("utf-8") for module in modules()}
    whole = "\n".join(found.values())
    for constant, value, said in (
        ("HEAD_LINE_BYTES", "64 * 1024", "A request line or a header may have 64 KiB"),
        ("MAX_LEVELS", "126", "nests at most 126 objects and lists"),
        ("NESTING_LIMIT", "128", "nested less than 128 levels"),
        ("BOUNDED_WAL_ENTRIES", "250", "the first 250 entries of the log"),
        ("NAME_LENGTH", "(3, 512)", "3 to 512 characters of"),
        ("DATABASE_NAME_LENGTH", "3", "A database name in a path has at least 3 characters"),
        ("TENANT_MIN_LENGTH", "3", "a name of at least 3 characters"),
    ):
        assert re.search(rf"^{constant}(: \w+)? = {re.escape(value)}$", whole, re.M), constant
        assert said in CONTRACT.replace("\n", " "), said
    assert PACKAGE.name == "chroma_async"
