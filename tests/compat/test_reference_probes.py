"""Chroma's own server still answers every probe as it was recorded, so that the recording stays the truth."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.compat.raw import Raw
from tests.compat.servers import start_reference
from tests.compat.table import PROBES
from tests.compat.table.probe import Stage
from tests.compat.table.recording import recorded

pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    server = start_reference(tmp_path_factory.mktemp("probes") / "data")
    raw = Raw(server.host, server.port)
    yield Stage(raw)
    raw.close()
    server.stop()


def test_the_real_server_answers_as_recorded(stage: Stage) -> None:
    lines = recorded()
    changed = [probe.name for number, probe in enumerate(PROBES) if stage.play(probe, number) != lines[probe.name]["theirs"]]
    assert changed == []
