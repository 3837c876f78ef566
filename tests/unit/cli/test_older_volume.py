"""The volume of Chroma's older images: when it is taken for the data directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from chroma_async.cli.older_volume import with_older_volume
from chroma_async.config.loading import Resolution, resolve_settings

ROOT = "22 1 0:20 / / rw - overlay overlay rw\n"
OLDER = "23 22 8:1 /srv/volumes/chroma/_data /chroma/chroma rw - ext4 /dev/sda1 rw\n"
DATA = "24 22 8:1 /srv/volumes/new/_data /data rw - ext4 /dev/sda1 rw\n"
NAMELESS = f"25 22 8:1 /srv/volumes/{'0a' * 32}/_data /data rw - ext4 /dev/sda1 rw\n"
IMAGE = {"CHROMA_ASYNC_DEFAULT_PATH": "/data"}


def resolved(env: Mapping[str, str], table: str, file: Path | None = None) -> Resolution:
    return with_older_volume(resolve_settings({}, env, file), table)


@pytest.mark.parametrize("table", [ROOT + OLDER, ROOT + OLDER + NAMELESS])
def test_the_older_volume_is_used_when_it_is_the_only_one_that_somebody_mounted(table: str) -> None:
    found = resolved(IMAGE, table)
    assert found.settings.path == "/chroma/chroma"
    assert found.origins["path"] == "the volume at /chroma/chroma"
    assert len(found.notices) == 1
    assert "/data, the usual place, is no volume" in found.notices[0]


@pytest.mark.parametrize("table", ["", ROOT, ROOT + DATA, ROOT + NAMELESS, ROOT + OLDER + DATA])
def test_without_it_or_beside_a_volume_at_the_usual_place_nothing_changes(table: str) -> None:
    assert resolved(IMAGE, table) == resolve_settings({}, IMAGE, None)


def test_a_directory_below_or_above_the_older_volume_is_not_it() -> None:
    for point in ("/chroma", "/chroma/chroma/below"):
        assert resolved(IMAGE, ROOT + OLDER.replace("/chroma/chroma", point)).settings.path == "/data"


def test_who_names_a_directory_gets_it(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("persist_path: /data\n")
    assert resolved({**IMAGE, "PERSIST_DIRECTORY": "/data"}, ROOT + OLDER).settings.path == "/data"
    assert resolved(IMAGE, ROOT + OLDER, file).settings.path == "/data"


def test_outside_of_an_image_nothing_changes() -> None:
    assert resolved({}, ROOT + OLDER).settings.path == "./chroma"
