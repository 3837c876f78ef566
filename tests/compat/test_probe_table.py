"""Every row of the contract, through plain HTTP: what Chroma's server was recorded to answer, or what is answered here on purpose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.compat.raw import Raw
from tests.compat.servers import start_ours
from tests.compat.table import PROBES
from tests.compat.table.differences import DIFFERENCES, reason
from tests.compat.table.probe import Probe, Stage, comparable
from tests.compat.table.recording import recorded

#: Clauses of filters, by the hundred; they are judged together.
GROUPS = ("where ", "where_document ", "fraction ")
ROWS = [(number, probe) for number, probe in enumerate(PROBES) if not probe.name.startswith(GROUPS)]


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    server = start_ours(tmp_path_factory.mktemp("probes") / "data")
    raw = Raw(server.host, server.port)
    yield Stage(raw)
    raw.close()
    server.stop()


@pytest.fixture(scope="module")
def recording() -> dict[str, dict[str, Any]]:
    return recorded()


@pytest.mark.parametrize(("number", "probe"), ROWS, ids=[ascii(probe.name) for _, probe in ROWS])
def test_a_request_is_answered_as_recorded(stage: Stage, recording: dict[str, dict[str, Any]], number: int, probe: Probe) -> None:
    assert disagreement(stage, recording, number, probe) is None


@pytest.mark.parametrize("beginning", GROUPS)
def test_filters_match_what_they_were_recorded_to_match(stage: Stage, recording: dict[str, dict[str, Any]], beginning: str) -> None:
    group = [(number, probe) for number, probe in enumerate(PROBES) if probe.name.startswith(beginning)]
    assert len(group) > 40
    found = {probe.name: disagreement(stage, recording, number, probe) for number, probe in group}
    assert {name: problem for name, problem in found.items() if problem} == {}


def disagreement(stage: Stage, recording: dict[str, dict[str, Any]], number: int, probe: Probe) -> str | None:
    """What is wrong with the answers to a probe."""
    answers, path = stage.ask(probe, number)
    first = answers[0]
    if (first.status, first.error) != (probe.status, probe.error):
        return f"{first.status} {first.body} instead of {probe.status} {probe.error}"
    if probe.says not in str(first.body).lower():
        return f"{probe.says!r} is not in {first.body}"
    line = recording[probe.name]
    found, wanted = [comparable(answer, path) for answer in answers], line.get("ours", line["theirs"])
    return None if found == wanted else f"{found} instead of {wanted}"


def test_only_differences_with_a_reason_are_recorded_and_every_reason_has_one(recording: dict[str, dict[str, Any]]) -> None:
    differing = {name for name, line in recording.items() if "ours" in line}
    assert {name for name in differing if reason(name) is None} == set()
    assert [beginning for beginning in DIFFERENCES if not any(name.startswith(beginning) for name in differing)] == []


def test_the_recording_is_of_the_table_as_it_stands(recording: dict[str, dict[str, Any]]) -> None:
    assert list(recording) == [probe.name for probe in PROBES]
