"""The image without Docker: a base made of Debian's packages, built by buildah, run in namespaces of its own as a runtime would run it.

Needs root, ``buildah`` and ``debootstrap``. The base is kept in the cache from one run to the next. What this leaves out of a real runtime
is its network: the server listens on a loopback of its own.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.programs import ROOT, output_of, program

SUITE, BASE = "trixie", "docker.io/library/python:3.13-slim-trixie"
PACKAGES = "python3,python3-venv,ca-certificates,e2fsprogs"
INSTALL = "apt-get install buildah debootstrap"
USER = 65532


@dataclass(frozen=True)
class Image:
    """A built image: its files, mounted, and what its Dockerfile says of how it is run."""

    files: Path
    entrypoint: list[str]
    command: list[str]
    environment: dict[str, str]
    user: str
    volumes: list[str]
    healthcheck: list[str]
    labels: dict[str, str]


class Buildah:
    """Buildah with a storage of its own, below one directory."""

    def __init__(self, directory: Path) -> None:
        storage = ["--storage-driver", "vfs", "--root", str(directory / "root"), "--runroot", str(directory / "run")]
        self._command = [program("buildah", INSTALL), *storage]

    def __call__(self, *arguments: str | Path, timeout_s: float = 600) -> str:
        """Run one command of buildah. :raises AssertionError: it failed; with its output."""
        code, said = output_of(*self._command, *arguments, timeout_s=timeout_s)
        assert code == 0, said
        return said


def base_files() -> Path:
    """A Debian root with Python, as the directory of the base image; made once."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chroma-async-container"
    made = cache / f"{SUITE}-{zlib.crc32(PACKAGES.encode()):08x}"
    if not made.exists():
        cache.mkdir(parents=True, exist_ok=True)
        unfinished = cache / f"unfinished-{os.getpid()}"
        code, said = output_of(
            program("debootstrap", INSTALL), "--variant=minbase", f"--include={PACKAGES}", SUITE, unfinished, timeout_s=900
        )
        assert code == 0, said
        (unfinished / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        unfinished.rename(made)
    return made


def build(directory: Path) -> Image:
    """Build the Dockerfile of this tree on the base above. :param directory: where everything goes."""
    if os.geteuid() != 0:
        pytest.fail("only root can build and start the image here, so nothing was checked", pytrace=False)
    buildah = Buildah(directory)
    container = buildah("from", "scratch").split()[-1]
    buildah("add", "--quiet", container, base_files(), "/")
    buildah("config", "--env", "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", container)
    buildah("commit", "--quiet", "--rm", container, BASE)
    # Without --format docker there would be no health check: OCI's format has none.
    buildah(
        "bud", "--isolation", "chroot", "--format", "docker", "--pull-never", "--volume", "/etc/ssl/certs:/etc/ssl/certs:ro",
        "--tag", "chroma-async", ROOT,
    )  # fmt: skip
    container = buildah("from", "--pull-never", "localhost/chroma-async").split()[-1]
    config = json.loads(buildah("inspect", "--type", "image", "chroma-async"))["Docker"]["config"]
    return Image(
        files=Path(buildah("mount", container).strip()),
        entrypoint=config["Entrypoint"],
        command=config["Cmd"],
        environment=dict(line.split("=", 1) for line in config["Env"]),
        user=config["User"],
        volumes=list(config["Volumes"]),
        healthcheck=config["Healthcheck"]["Test"],
        labels=config["Labels"],
    )


class Container:
    """A container that runs: its first process in namespaces of its own, without rights, on a root that cannot be written."""

    def __init__(self, process: subprocess.Popen[str], image: Image, environment: Mapping[str, str]) -> None:
        self.process = process
        self._image = image
        self._environment = environment

    def lines_until(self, text: str) -> list[str]:
        """What it printed, up to the first line with this text, or to its end."""
        assert self.process.stdout is not None
        lines: list[str] = []
        for line in self.process.stdout:
            lines.append(line.rstrip("\n"))
            if text in line:
                break
        return lines

    def execute(self, *command: str) -> tuple[int, str]:
        """What ``docker exec`` does: a second process in the same namespaces."""
        enter = ["nsenter", "--target", str(self._first()), "--mount", "--pid", "--net", "--"]
        return output_of(*enter, *_in_root(self._image, self._environment, command))

    def stop(self) -> int:
        """SIGTERM to the first process, as ``docker stop``; its exit code."""
        os.kill(self._first(), 15)
        return self.process.wait(30)

    def kill(self) -> None:
        """End all of it at once. The first process would outlive the program that made the namespaces: who changes its user
        forgets that it was to die with its parent."""
        if self._children():
            os.kill(self._first(), 9)
        self.process.kill()

    def _first(self) -> int:
        """The first process, as this machine counts: the child of the program that made the namespaces."""
        return self._children()[0]

    def _children(self) -> list[int]:
        if self.process.poll() is not None:
            return []
        return [int(word) for word in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text("utf-8").split()]


def _in_root(image: Image, environment: Mapping[str, str], command: Sequence[str]) -> list[str]:
    variables = [f"{name}={value}" for name, value in environment.items()]
    workdir = "/data"
    inner = f"cd {workdir} && exec {shlex.join(command)}"
    chroot = ["chroot", f"--userspec={image.user}", str(image.files)]
    return [*chroot, "/usr/bin/env", "-i", *variables, "/bin/sh", "-c", inner]


@contextmanager
def started(
    image: Image, *, command: Sequence[str] | None = None, variables: Mapping[str, str] | None = None, volumes: Mapping[str, Path]
) -> Iterator[Container]:
    """A container of the image until the end of the block.

    :param command: instead of the image's; its entry point stays.
    :param variables: as ``docker run --env``.
    :param volumes: path inside -> directory of this machine.
    """
    environment = {**image.environment, **(variables or {})}
    root = shlex.quote(str(image.files))
    steps = ["ip link set lo up", "mount --make-rprivate /", f"mount --bind {root} {root}", f"mount -t proc proc {root}/proc"]
    steps += [f"mount --bind {shlex.quote(str(outside))} {root}{inside}" for inside, outside in volumes.items()]
    steps += [f"mount -o remount,bind,ro {root}"]
    last = shlex.join(_in_root(image, environment, [*image.entrypoint, *(image.command if command is None else command)]))
    script = " && ".join([*steps, f"exec {last}"])
    with subprocess.Popen(
        ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child", "sh", "-c", script],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        container = Container(process, image, environment)
        try:
            yield container
        finally:
            container.kill()
