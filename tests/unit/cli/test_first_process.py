"""How the server of a container was started, as its health check sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from chroma_async.cli.first_process import Started, first_process, started_with


@pytest.mark.parametrize(
    ("line", "flags", "config"),
    [
        ("", {}, None),
        ("--port 9000 --path /data", {"port": "9000", "path": "/data"}, None),
        ("--port=9000", {"port": "9000"}, None),
        ("/config.yaml", {}, "/config.yaml"),
        ("--config /config.yaml --host ::", {"host": "::"}, "/config.yaml"),
        ("--allow-unauthenticated /config.yaml", {"allow_unauthenticated": True}, "/config.yaml"),
        ("--no-allow-unauthenticated --tls-cert /tls/a.pem", {"tls_cert": "/tls/a.pem"}, None),
    ],
)
def test_flags_and_file_are_those_that_run_takes(line: str, flags: dict[str, object], config: str | None) -> None:
    assert started_with(line.split()) == Started(flags, None if config is None else Path(config))


@pytest.mark.parametrize(
    ("words", "port"),
    [
        (["/opt/chroma-async/bin/python", "/opt/chroma-async/bin/chroma-async", "run", "--port", "9000"], "9000"),
        (["dumb-init", "--", "chroma-async", "run", "--port=9001"], "9001"),
        (["/sbin/init"], None),
        (["chroma-async", "check", "--path", "run"], None),
        (["chroma-async"], None),
    ],
)
def test_a_first_process_that_is_no_server_says_nothing(words: list[str], port: str | None, tmp_path: Path) -> None:
    line = tmp_path / "cmdline"
    line.write_bytes(b"".join(word.encode() + b"\0" for word in words))
    assert first_process(line).flags.get("port") == port


def test_where_it_cannot_be_seen_nothing_is_known(tmp_path: Path) -> None:
    assert first_process(tmp_path / "none") == Started()
