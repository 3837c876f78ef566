"""Dashboards and alert rules ask for metrics and labels that a server has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.markdown import ROOT, code, table
from tests.telemetry.conftest import Served

DASHBOARD = ROOT / "deploy" / "grafana" / "chroma-async.json"
RULES = ROOT / "deploy" / "prometheus" / "alerts.yaml"
PAGE = (ROOT / "docs" / "observability.md").read_text("utf-8")
#: Labels and metrics that Prometheus itself gives.
OF_PROMETHEUS = {"instance", "job", "le"}
METRIC = re.compile(r"\b(?:chroma_async|process)_\w+\b")
#: A metric with what stands in braces behind it.
MATCHED = re.compile(r"\b((?:chroma_async|process)_\w+)\{([^}]*)\}")
GROUPED = re.compile(r"\bby \(([^)]*)\)")


def panels() -> list[dict[str, Any]]:
    return list(json.loads(DASHBOARD.read_text("utf-8"))["panels"])


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]]


QUERIES = [target["expr"] for panel in panels() for target in panel.get("targets", ())]
EXPRESSIONS = [*QUERIES, *(rule["expr"] for rule in rules())]


@pytest.fixture
async def labels(served: Served) -> dict[str, set[str]]:
    """Name of each sample of a server that has been used -> the labels that it has."""
    docs = await served.collection("docs")
    await served.post(f"{docs}/add", 201, ids=["a"], embeddings=[[1.0, 2.0]])
    await served.post(f"{docs}/query", query_embeddings=[[1.0, 2.0]])
    samples = await served.samples()
    return {name: {key for series in found for key, _ in series} for name, found in samples.items()}


async def test_every_metric_and_label_of_dashboard_and_rules_is_one_of_a_real_server(labels: dict[str, set[str]]) -> None:
    unknown = {name for expression in EXPRESSIONS for name in METRIC.findall(expression)} - labels.keys()
    assert not unknown
    for expression in EXPRESSIONS:
        for metric, matchers in MATCHED.findall(expression):
            assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)) <= labels[metric] | OF_PROMETHEUS, expression
        have = set().union(*(labels[name] for name in METRIC.findall(expression))) | OF_PROMETHEUS
        assert {name.strip() for group in GROUPED.findall(expression) for name in group.split(",")} <= have, expression


def test_each_family_of_the_page_is_on_the_dashboard_or_in_a_rule_or_says_no_more_than_one_that_is(labels: dict[str, set[str]]) -> None:
    said = {code(row[0])[0] for row in table(PAGE, "metric", "kind")}
    asked = {re.sub(r"_(bucket|sum|count|total)$", "", name) for expression in EXPRESSIONS for name in METRIC.findall(expression)}
    beside = {f"chroma_async_{name}" for name in (
        "requests_in_flight_limit", "filter_cache_bytes", "filter_cache_bytes_limit", "lane_workers", "collection_log_lag_rows",
        "collection_log_lag_seconds", "collection_write_queue_bytes", "log_appended_bytes",
    )}  # fmt: skip
    assert said - asked == beside


def test_every_alert_is_explained_on_the_page_with_what_to_do() -> None:
    explained = [code(name)[0] for name, *_ in table(PAGE, "alert")]
    assert explained == [rule["alert"] for rule in rules()]
    for rule in rules():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]


def test_panels_have_numbers_of_their_own_and_do_not_cover_each_other() -> None:
    found = panels()
    assert len({panel["id"] for panel in found}) == len(found) > 30
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in found)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) == 23
    assert all('instance=~"$instance"' in query for query in QUERIES)


if PROMTOOL := shutil.which("promtool"):

    def test_prometheuss_own_program_takes_the_rules_and_the_queries(tmp_path: Path) -> None:
        queries = [query.replace("$__rate_interval", "5m").replace("$instance", ".*") for query in QUERIES]
        as_rules = {"groups": [{"name": "dashboard", "rules": [{"record": f"r{n}", "expr": each} for n, each in enumerate(queries)]}]}
        (tmp_path / "dashboard.yaml").write_text(yaml.safe_dump(as_rules))
        for file in (RULES, tmp_path / "dashboard.yaml"):
            subprocess.run([str(PROMTOOL), "check", "rules", str(file)], check=True, capture_output=True, timeout=60)
