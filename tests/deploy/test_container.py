"""The image is built from its Dockerfile and started as a container runtime would: by a user without rights, on a read-only root."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.container import USER, Container, Image, build, started

pytestmark = [pytest.mark.deployment, pytest.mark.container, pytest.mark.timeout(1800)]
HEARTBEAT = ["curl", "-f", "http://localhost:8000/api/v2/heartbeat"]

IDENTITY = "http://localhost:8000/api/v2/auth/identity"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    directory = tmp_path_factory.mktemp("buildah")
    yield build(directory)
    # Three times half a gigabyte, which pytest would keep for the next three runs.
    shutil.rmtree(directory)


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """An empty volume, as a runtime makes one of what the image has at that path."""
    directory = tmp_path / "volume"
    directory.mkdir(0o750)
    os.chown(directory, USER, USER)
    return directory


def test_the_image_says_how_it_is_run(image: Image) -> None:
    assert (image.entrypoint, image.command, image.volumes, image.user) == (["chroma-async"], ["run"], ["/data"], f"{USER}:{USER}")
    assert image.healthcheck == ["CMD", "chroma-async", "healthcheck"]
    assert image.labels["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_a_plain_start_serves_from_the_volume_on_every_address_and_both_health_checks_agree(image: Image, volume: Path) -> None:
    with started(image, volumes={"/data": volume}) as container:
        said = container.lines_until("ready at")
        assert any("http://0.0.0.0:8000 (data: /data)" in line for line in said), said
        assert container.execute(*image.healthcheck[1:]) == (0, "healthy\n")
        code, body = container.execute(*HEARTBEAT, "--silent")
        assert (code, list(json.loads(body))) == (0, ["nanosecond heartbeat"])
        assert container.execute("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", IDENTITY) == (0, "401")
        token = (volume / "initial-token").read_text().strip()
        code, body = container.execute("curl", "-s", "-H", f"Authorization: Bearer {token}", IDENTITY)
        assert (code, json.loads(body)["user_id"]) == (0, "initial")
        assert container.stop() == 0
    assert {file.stat().st_uid for file in volume.iterdir()} == {USER}


def identity(container: Container, *headers: str) -> tuple[str, str]:
    """Status and body of a route that wants a credential."""
    options = [option for header in headers for option in ("--header", header)]
    _, said = container.execute("curl", "--silent", "--write-out", "\n%{http_code}", *options, "http://localhost:8000/api/v2/auth/identity")
    body, _, status = said.rpartition("\n")
    return status, body


def test_a_first_start_makes_a_token_and_says_where_it_is(image: Image, volume: Path) -> None:
    file = volume / "initial-token"
    with started(image, volumes={"/data": volume}) as container:
        container.lines_until("ready at")
        assert file.stat().st_mode & 0o777 == 0o600
        status, refusal = identity(container)
        assert status in ("401", "403")
        assert "initial-token" in refusal
        token = file.read_text("utf-8").strip()
        assert identity(container, f"Authorization: Bearer {token}")[0] == "200"
        assert container.stop() == 0
    with started(image, volumes={"/data": volume}) as container:
        container.lines_until("ready at")
        assert identity(container, f"X-Chroma-Token: {token}")[0] == "200", "it lasts"


def test_one_variable_keeps_a_network_without_tokens_as_it_was(image: Image, volume: Path) -> None:
    with started(image, variables={"CHROMA_ALLOW_UNAUTHENTICATED": "1"}, volumes={"/data": volume}) as container:
        container.lines_until("ready at")
        assert identity(container)[0] == "200"
        assert not (volume / "initial-token").exists()


def test_settings_come_from_variables_and_the_health_check_follows_them(image: Image, volume: Path) -> None:
    with started(image, variables={"CHROMA_ASYNC_PORT": "9000"}, volumes={"/data": volume}) as container:
        said = container.lines_until("ready at")
        assert "http://0.0.0.0:9000" in said[-1], said
        assert container.execute(*image.healthcheck[1:]) == (0, "healthy\n")
        assert container.execute(*HEARTBEAT, "--silent")[0] != 0


def test_variables_of_chromas_images_move_the_data(image: Image, volume: Path) -> None:
    variables = {"IS_PERSISTENT": "TRUE", "PERSIST_DIRECTORY": "/chroma/chroma"}
    with started(image, variables=variables, volumes={"/chroma/chroma": volume}) as container:
        said = container.lines_until("ready at")
        assert "(data: /chroma/chroma)" in said[-1], said


def test_a_volume_where_older_images_of_chroma_kept_data_is_used_when_it_is_the_only_one(
    image: Image, volume: Path, tmp_path: Path
) -> None:
    # What Docker makes of VOLUME when nobody names one.
    nameless = tmp_path / ("0a" * 32) / "_data"
    nameless.mkdir(parents=True)
    os.chown(nameless, USER, USER)
    for volumes in ({"/chroma/chroma": volume}, {"/chroma/chroma": volume, "/data": nameless}):
        with started(image, volumes=volumes) as container:
            said = container.lines_until("ready at")
            assert any("where a volume is mounted and older images of Chroma kept it" in line for line in said), said
            assert "(data: /chroma/chroma)" in said[-1]
            assert container.execute(*image.healthcheck[1:]) == (0, "healthy\n")
            assert container.stop() == 0
    assert list(nameless.iterdir()) == []


def test_files_of_chromas_own_in_that_volume_are_refused_with_what_to_do(image: Image, volume: Path) -> None:
    (volume / "chroma.sqlite3").write_bytes(b"SQLite format 3\0")
    with started(image, volumes={"/chroma/chroma": volume}) as container:
        said = "\n".join(container.lines_until("copy the collections over"))
        assert "/chroma/chroma is a data directory of Chroma itself" in said
        assert container.process.wait(30) == 1
    assert [file.name for file in volume.iterdir()] == ["chroma.sqlite3"]


def test_a_directory_that_belongs_to_somebody_else_is_refused_with_the_user_who_needs_it(image: Image, tmp_path: Path) -> None:
    directory = tmp_path / "of-root"
    directory.mkdir(0o755)
    with started(image, volumes={"/data": directory}) as container:
        said = "\n".join(container.lines_until("runs as user"))
        assert f"this process runs as user {USER}" in said
        assert container.process.wait(30) == 1


def test_flags_after_run_win_over_the_variables_of_the_image(image: Image, volume: Path) -> None:
    with started(image, command=["run", "--path", "/data/below", "--port", "9001"], volumes={"/data": volume}) as container:
        said = container.lines_until("ready at")
        assert "http://0.0.0.0:9001 (data: /data/below)" in said[-1], said
        assert container.execute(*image.healthcheck[1:]) == (0, "healthy\n"), "its flags are seen"


def test_the_image_has_every_extra_of_a_server_and_no_installer(image: Image, volume: Path) -> None:
    imports = "import bcrypt, jwt, cryptography, prometheus_client, rich, opentelemetry.sdk, snowballstemmer, chroma_async.service.local"
    with started(image, volumes={"/data": volume}) as container:
        container.lines_until("ready at")
        assert container.execute("python", "-c", imports) == (0, "")
        assert container.execute("python", "-m", "pip", "--version")[0] != 0
        assert container.execute("touch", "/opt/chroma-async/x")[0] != 0
