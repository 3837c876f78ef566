from __future__ import annotations

import base64
import hashlib
import re

import pytest

from chroma_async.server.app import ROUTES
from chroma_async.server.openapi import openapi
from chroma_async.server.schemas import SCHEMAS
from tests.fakes.api import FakeAPI, served


async def test_the_document_lists_every_listed_route_and_resolves_every_reference() -> None:
    async with served(FakeAPI()) as client, client.get("/openapi.json") as response:
        document = await response.json()
    assert document["openapi"] == "3.1.0"
    found = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}
    assert found == {(route.method, route.path) for route in ROUTES if route.listed}
    references = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert references == set(SCHEMAS)


def test_operations_are_named_once_and_describe_their_parameters() -> None:
    document = openapi(ROUTES)
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(names) == len(set(names))
    for path, methods in document["paths"].items():
        for operation in methods.values():
            named = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path))


def test_no_route_stands_twice_in_the_table() -> None:
    pairs = [(route.method, route.path) for route in ROUTES]
    assert len(pairs) == len(set(pairs))


@pytest.mark.parametrize("route", [route for route in ROUTES if route.body], ids=lambda route: route.operation)
def test_bodies_and_results_name_schemas_that_exist(route) -> None:  # type: ignore[no-untyped-def]
    assert {route.body, route.result} <= set(SCHEMAS)


async def test_docs_leads_to_a_page_that_loads_nothing() -> None:
    async with served(FakeAPI()) as client:
        async with client.get("/docs", allow_redirects=False) as response:
            assert (response.status, response.headers["Location"]) == (303, "/docs/")
        async with client.get("/docs/") as response:
            assert response.status == 200
            policy, page = response.headers["Content-Security-Policy"], await response.text()
    assert "default-src 'none'" in policy
    style = re.search("<style>(.*?)</style>", page, re.DOTALL)
    assert style is not None
    assert base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode() in policy
    assert not re.search(r"<script|<img|<link|https?://|style=", page)
    for route in ROUTES:
        assert (route.path in page) == route.listed or not route.listed
