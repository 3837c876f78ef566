"""Real servers as processes: this project's and, as the reference, Chroma's own."""

from __future__ import annotations

import fcntl
import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

REFERENCE_RELEASE = "1.5.9"
READY = re.compile(r"ready at (https?)://(\S+):(\d+)")


@dataclass
class Server:
    """A server that answers. ``log`` holds what it wrote to standard error."""

    process: subprocess.Popen[str]
    host: str
    port: int
    log: Path
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    def wait_for_log(self, words: str, timeout_s: float = 20.0) -> None:
        """Until the log holds ``words``. :raises TimeoutError: it does not, in time."""
        deadline = time.monotonic() + timeout_s
        while words not in self.log.read_text():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the log has no {words!r}: {self.log.read_text()}")
            time.sleep(0.01)

    def stop(self, timeout_s: float = 60.0) -> int:
        """Ask it to stop; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout_s)
        finally:
            self.kill()

    def kill(self) -> None:
        """End it at once, as a power cut would end it."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_ours(directory: Path, *, arguments: Sequence[str] = (), env: Mapping[str, str] | None = None) -> Server:
    """``chroma-async run`` on ``directory``, at a free port unless ``arguments`` name one; returns once it says that it is ready.

    :raises RuntimeError: it ended instead; the message holds what it said.
    """
    directory.parent.mkdir(parents=True, exist_ok=True)
    port = () if "--port" in arguments else ("--port", "0")
    command = [sys.executable, "-m", "chroma_async", "run", "--path", str(directory), *port, *arguments]
    log = directory.parent / f"{directory.name}.log"
    process = _spawn(command, log, {"CHROMA_ASYNC_ALLOW_RESET": "true", **(env or {})})
    assert process.stdout is not None
    for line in process.stdout:
        found = READY.search(line)
        if found:
            return Server(process, found[2], int(found[3]), log, found[1])
    process.stdout.close()
    raise RuntimeError(f"exit code {process.wait()}: {log.read_text()}")


def start_reference(directory: Path) -> Server:
    """Chroma's server on ``directory``; returns once it answers.

    The command in the environment variable REFERENCE_SERVER is called with port and directory; without one an environment of its own is
    made, once, in the user's cache directory.
    """
    directory.mkdir(parents=True, exist_ok=True)
    port = free_port()
    launcher = os.environ.get("REFERENCE_SERVER")
    if launcher:
        command = [launcher, str(port), str(directory)]
    else:
        config = directory.parent / f"{directory.name}.yaml"
        config.write_text(f'port: {port}\nlisten_address: "127.0.0.1"\npersist_path: "{directory}"\nallow_reset: true\n')
        command = [str(_reference_environment() / "bin" / "chroma"), "run", str(config)]
    log = directory.parent / f"{directory.name}.log"
    process = _spawn(command, log, {})
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if answers("127.0.0.1", port):
            return Server(process, "127.0.0.1", port, log)
        time.sleep(0.01)
    process.kill()
    raise RuntimeError(f"the reference server does not answer: {log.read_text()}")


def answers(host: str, port: int) -> bool:
    """Whether a heartbeat comes back."""
    connection = http.client.HTTPConnection(host, port, timeout=5)
    try:
        connection.request("GET", "/api/v2/heartbeat")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _spawn(command: Sequence[str], log: Path, env: Mapping[str, str]) -> subprocess.Popen[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CHROMA_")}
    with log.open("w") as errors:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**inherited, **env},
            start_new_session=True,
        )


def _reference_environment() -> Path:
    """A virtual environment that holds Chroma's release and nothing of this project."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    place = cache / "chroma-async" / f"reference-{REFERENCE_RELEASE}"
    with making(place):
        if not (place / "bin" / "chroma").exists():
            shutil.rmtree(place, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
            subprocess.run([str(place / "bin" / "pip"), "install", "--quiet", f"chromadb=={REFERENCE_RELEASE}"], check=True)
    return place


@contextmanager
def making(place: Path) -> Iterator[None]:
    """For the time in which a directory is looked for and made: of several processes that run tests, one makes it and the others wait."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.with_name(f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
