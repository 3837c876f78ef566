"""Whatever is posted, the server answers with its own refusals: never with a 5xx, never by hanging up, and it goes on serving."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.compat.grammar import FLOATS, IDS, INTEGERS, STRINGS, Grammar
from tests.compat.raw import DATABASE, Raw
from tests.compat.servers import start_ours
from tests.compat.table import PROBES
from tests.compat.table.probe import RECORDS, Probe

EXAMPLES = 220
#: Paths as in the probes.
ROUTES = {
    "add": "C/add",
    "update": "C/update",
    "upsert": "C/upsert",
    "delete": "C/delete",
    "get": "C/get",
    "query": "C/query",
    "search": "C/search",
    "modify": "C",
    "create": "~/collections",
    "tenant": "/api/v2/tenants",
    "database": "/api/v2/tenants/default_tenant/databases",
    "resource name": "/api/v2/tenants/mutated",
}
SEARCHES = [
    b'{"searches": [{"rank": {"$knn": {"query": [1, 2], "limit": 5}}, "limit": {"limit": 3}, "select": {"keys": ["#score", "legs"]}}]}',
    b'{"searches": [{"filter": {"legs": 6}, "rank": {"$sum": [{"$val": 1}, {"$mul": [{"$val": 2}, {"$knn": {"query": [0, 1]}}]}]}}]}',
    b'{"searches": [{"rank": {"$knn": {"query": [1, 2]}}, "group_by": {"keys": ["legs"], '
    b'"aggregate": {"$min_k": {"keys": ["#score"], "k": 1}}}}]}',
    b'{"searches": [{"filter": {"#id": {"$in": ["ant"]}}}], "read_level": "index_only"}',
]


def is_for(probe: Probe, route: str) -> bool:
    """Whether a probe speaks to the route."""
    path = probe.call.path if route != "resource name" else probe.call.path.replace("nobody-<name>", "mutated")
    return path == ROUTES[route] and probe.call.method not in ("GET", "DELETE")


#: Bodies that a route takes or nearly takes, to be spoiled.
SEEDS: dict[str, list[bytes]] = {
    route: sorted({probe.call.body for probe in PROBES if probe.call.body and len(probe.call.body) < 2000 and is_for(probe, route)})
    for route in ROUTES
}

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([*INTEGERS, 2**63, 2**64, 2**200, -(2**64), *FLOATS, 1e39, -1e39, 1e-320, float(2**32), 2**32]),
    st.sampled_from([*STRINGS, *IDS, "$and", "$in", "#id", "#document", "chroma:document", "\0", "AACAPw==", "(", "(a+)+$", "hnsw:space"]),
    st.text(max_size=8),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(st.sampled_from(STRINGS), st.text(max_size=6)), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def bodies(draw: st.DrawFn, route: str) -> bytes:
    """A good body with a few places changed: a member replaced, dropped or moved, a piece of its text cut or overwritten."""
    seeds = SEARCHES if route == "search" else SEEDS[route]
    seed = draw(st.sampled_from(seeds))
    if route in ("upsert", "update", "delete", "get", "query") and draw(st.booleans()):
        seed = getattr(Grammar(draw(st.integers(0, 10**6))), route)().body
    try:
        body = json.loads(seed)
    except ValueError:
        return seed
    for _ in range(draw(st.integers(0, 3))):
        body = draw(changed(body))
    try:
        text = json.dumps(body, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    except (UnicodeEncodeError, RecursionError):
        return seed
    if draw(st.integers(0, 5)) == 0:
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.binary(max_size=3)) + text[at + draw(st.integers(0, 3)) :]
    return text


@st.composite
def changed(draw: st.DrawFn, body: Any) -> Any:
    """The body with one thing different, somewhere inside it."""
    if isinstance(body, dict) and body and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(sorted(body)))
        rest = {name: value for name, value in body.items() if name != key}
        action = draw(st.integers(0, 5))
        if action == 0:
            return rest
        if action == 1:
            return {**rest, draw(st.sampled_from([*RECORDS, "where", "where_document", "limit", "name", "$or", "", "#x"])): body[key]}
        return {**body, key: draw(changed(body[key]))}
    if isinstance(body, list) and body and draw(st.integers(0, 4)):
        at = draw(st.integers(0, len(body) - 1))
        action = draw(st.integers(0, 5))
        if action == 0:
            return body[:at] + body[at + 1 :]
        if action == 1:
            return [*body, body[at]]
        return [*body[:at], draw(changed(body[at])), *body[at + 1 :]]
    return draw(values)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Raw]:
    small = {"CHROMA_ASYNC_MEMTABLE_ROWS": "16", "CHROMA_ASYNC_FLUSH_IDLE_S": "0.05", "CHROMA_ASYNC_FLUSH_IDLE_ROWS": "1"}
    server = start_ours(tmp_path_factory.mktemp("mutations") / "data", env=small)
    raw = Raw(server.host, server.port)
    yield raw
    raw.close()
    assert server.stop() == 0
    assert "Traceback" not in server.log.read_text()


@pytest.fixture(scope="module")
def collection(server: Raw) -> str:
    server.json("POST", "/api/v2/tenants", {"name": "mutated"})
    path = server.create("mutated")
    server.json("POST", f"{path}/add", RECORDS)
    return path


@pytest.mark.parametrize("route", ROUTES)
def test_no_body_makes_the_server_fail(server: Raw, collection: str, route: str) -> None:
    path = collection + ROUTES[route][1:] if ROUTES[route].startswith("C") else ROUTES[route].replace("~", DATABASE)
    method = {"modify": "PUT", "resource name": "PATCH"}.get(route, "POST")

    @settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(bodies(route))
    def posted(body: bytes) -> None:
        answer = server.send(method, path, body)
        assert 200 <= answer.status < 500, (answer, body)
        assert answer.status < 300 or answer.body.keys() == {"error", "message"}

    posted()
    assert server.json("POST", f"{collection}/get", {"limit": 1, "include": ["embeddings"]})["include"] == ["embeddings"]
