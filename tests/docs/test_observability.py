"""docs/observability.md names the metrics and the members of log lines that there are."""

from __future__ import annotations

import logging

import pytest
from aiohttp.test_utils import TestClient, TestServer

from chroma_async.config.settings import GRANULARITIES, TABLE, Settings
from chroma_async.server.app import create_app
from tests.docs.markdown import ROOT, code, section, table
from tests.fakes.api import FakeAPI
from tests.unit.server.test_metric_families import told

PAGE = (ROOT / "docs" / "observability.md").read_text("utf-8")


def test_the_table_of_metrics_is_the_families_that_there_are() -> None:
    rows = [(code(name)[0], kind, tuple(code(labels)), meaning) for name, kind, labels, meaning in table(PAGE, "metric", "kind")]
    families = told(1, 1).values()
    assert rows == [(each.name, each.kind, each.labels, each.meaning.removesuffix(".")) for each in families]


async def test_the_table_of_the_access_log_has_the_members_of_a_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "chroma_async.server.access")
    app = create_app(FakeAPI(), Settings(), lambda work, *args: work(*args))
    async with TestClient(TestServer(app)) as client:
        await client.get("/livez")
    [line] = [record for record in caplog.records if record.name == "chroma_async.server.access"]
    described = [name for cell, _ in table(section(PAGE, "The access log"), "member") for name in code(cell)]
    assert described == list(vars(line)["fields"])


def test_the_settings_that_the_page_names_exist() -> None:
    named = {
        name
        for name in code(PAGE)
        if name.replace("_", "").isalpha() and name.startswith(("metrics_", "log_", "access_", "drain_", "otel_"))
    }
    assert {"metrics_port", "metrics_open", "metrics_collections", "access_log", "log_format"} <= named
    assert named <= set(TABLE)


def test_the_variables_that_the_page_gives_to_settings_set_them() -> None:
    own = {variable for row in TABLE.values() for variable in row.environment}
    rows = table(section(PAGE, "Traces"), "variable")
    named = [name for cell, _ in rows[:-1] for name in code(cell)]
    assert [name for name in named if name not in own] == []


def test_each_granularity_of_the_page_exists() -> None:
    levels = {name for _, cell, _ in table(PAGE, "span") for name in code(cell)}
    assert levels == set(GRANULARITIES) - {"none"}
