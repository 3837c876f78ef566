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
from tests.compat.table.probe import RECORDS

EXAMPLES = 220
COLLECTION = "~"
ROUTES = {
    "add": "~/add",
    "update": "~/update",
    "upsert": "~/upsert",
    "delete": "~/delete",
    "get": "~/get",
    "query": "~/query",
    "search": "~/search",
    "modify": "~",
    "create": f"{DATABASE}/collections",
    "tenant": "/api/v2/tenants",
    "database": "/api/v2/tenants/default_tenant/databases",
    "resource name": "/api/v2/tenants/mutated",
}
#: Bodies that are good for some route, to be spoiled: those of the probes, and random good ones.
SEEDS: list[bytes] = sorted({probe.call.body for probe in PROBES if probe.call.body and len(probe.call.body) < 2000})

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
def bodies(draw: st.DrawFn) -> bytes:
    """A good body with a few places changed: a member replaced, dropped or moved, a piece of its text cut or overwritten."""
    if draw(st.booleans()):
        seed = draw(st.sampled_from(SEEDS))
    else:
        grammar = Grammar(draw(st.integers(0, 10**6)))
        seed = draw(st.sampled_from([grammar.upsert, grammar.update, grammar.delete, grammar.get, grammar.query]))().body or b"{}"
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
    path = ROUTES[route].replace(COLLECTION, collection)
    method = {"modify": "PUT", "resource name": "PATCH"}.get(route, "POST")

    @settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(bodies())
    def posted(body: bytes) -> None:
        answer = server.send(method, path, body)
        assert 200 <= answer.status < 500, (answer, body)
        assert answer.status < 300 or answer.body.keys() == {"error", "message"}

    posted()
    assert server.json("POST", f"{collection}/get", {"limit": 1, "include": ["embeddings"]})["include"] == ["embeddings"]
