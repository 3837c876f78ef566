"""The lines that say where a server listens, where data goes, and who may connect."""

from __future__ import annotations

from pathlib import Path

import pytest

from chroma_async.cli.banner import banner
from chroma_async.config.settings import Settings
from chroma_async.release import release
from tests.unit.cli.test_mounts import TABLE


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (Settings(path="/data/x"), "data is kept in /data/x, on the mount /data (xfs of /dev/sdb1)"),
        (Settings(path="/store"), "data is kept in /store, on the root file system (overlay): it is lost when this container is removed"),
        (Settings(path="/data-old"), "data is kept in /data-old, on the mount /data-old (tmpfs): it is lost when the system restarts"),
        (Settings(is_persistent=False), "data is kept in memory, and lost when the server stops"),
    ],
)
def test_a_line_says_where_data_goes_and_when_it_is_lost(settings: Settings, line: str) -> None:
    assert banner(settings, "127.0.0.1", 1, TABLE, credentials=False)[1] == line


def test_a_system_without_a_table_of_mounts_is_told_the_directory(tmp_path: Path) -> None:
    assert banner(Settings(path=str(tmp_path)), "::1", 1, "", credentials=False)[1] == f"data is kept in {tmp_path.resolve()}"


@pytest.mark.parametrize(
    ("host", "who"),
    [
        ("127.0.0.1", "programs on this machine"),
        ("::1", "programs on this machine"),
        ("0.0.0.0", "all who reach this address"),
        ("::", "all who reach this address"),
        ("fe80::1%eth0", "all who reach this address"),
    ],
)
def test_a_line_says_who_may_connect(host: str, who: str) -> None:
    assert banner(Settings(), host, 1, "", credentials=False)[2] == f"{who} may connect, without a credential"
    assert banner(Settings(), host, 1, "", credentials=True)[2] == f"{who} may connect, with a credential"


def test_the_first_line_is_the_address_that_programs_wait_for() -> None:
    said = banner(Settings(path="/data"), "::1", 8001, TABLE, credentials=True)[0]
    assert said == f"chroma-async {release()} ready at http://[::1]:8001 (data: /data)"
