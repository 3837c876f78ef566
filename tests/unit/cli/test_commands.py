"""The command: what it prints, and the code it exits with."""

from __future__ import annotations

import asyncio
import ssl
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner, Result

from chroma_async.cli import healthcheck, main, store
from chroma_async.config.loading import resolve_settings
from chroma_async.config.settings import Settings

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def call(*arguments: str, env: dict[str, str] | None = None) -> Result:
    return CliRunner().invoke(main, arguments, env=env)


def test_help_names_every_command() -> None:
    result = call("--help")
    assert result.exit_code == 0
    assert all(word in result.output for word in ("run", "check", "compact", "healthcheck", "config", "models"))


def test_an_unknown_command_is_refused() -> None:
    assert call("serve").exit_code == 2


def test_what_config_show_prints_is_a_file_that_gives_the_same_settings(tmp_path: Path) -> None:
    env = {"CHROMA_ASYNC_PATH": 'a "quoted" \\ path\n', "CHROMA_CORS_ALLOW_ORIGINS": "http://a,http://b", "ALLOW_RESET": "true"}
    result = call("config", "show", env=env)
    assert result.exit_code == 0
    file = tmp_path / "shown.toml"
    file.write_text(result.output)
    assert resolve_settings({}, {}, file).settings == resolve_settings({}, env, None).settings


def test_config_show_says_where_each_value_comes_from(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("persist_path: /data\n")
    result = call("config", "show", "--origin", "--config", str(file), env={"CHROMA_PORT": "81"})
    assert 'path = "/data"  # ' + f"{file}, persist_path" in result.output
    assert "port = 81  # environment, CHROMA_PORT" in result.output
    assert "memtable_rows = 8192  # default" in result.output
    assert "# metrics_port =   # default" in result.output
    assert tomllib.loads(result.output)["port"] == 81


@pytest.mark.parametrize("command", [("run",), ("check",), ("compact",), ("healthcheck",), ("config", "show")])
def test_a_bad_setting_ends_every_command_with_a_message_and_code_1(command: tuple[str, ...]) -> None:
    result = call(*command, env={"CHROMA_ASYNC_PORT": "many"})
    assert result.exit_code == 1
    assert "CHROMA_ASYNC_PORT" in result.output
    assert "Traceback" not in result.output


def test_run_takes_one_configuration_file_only(tmp_path: Path) -> None:
    result = call("run", str(tmp_path / "a.yaml"), "--config", str(tmp_path / "b.yaml"))
    assert result.exit_code == 2


def test_a_missing_configuration_file_is_named(tmp_path: Path) -> None:
    result = call("run", str(tmp_path / "none.yaml"))
    assert result.exit_code == 1
    assert "none.yaml does not exist" in result.output


@pytest.mark.parametrize("command", ["check", "compact"])
def test_check_and_compact_do_not_make_a_directory_that_is_not_there(command: str, tmp_path: Path) -> None:
    result = call(command, "--path", str(tmp_path / "none"))
    assert result.exit_code == 1
    assert not (tmp_path / "none").exists()


class Store:
    """What check and compact ask of an engine."""

    def __init__(self, levels: list[str]) -> None:
        self.levels = levels

    async def check(self) -> AsyncIterator[SimpleNamespace]:
        for level in self.levels:
            yield SimpleNamespace(level=level, subject="a.vectors", message=f"is {level}")

    async def compact(self) -> AsyncIterator[SimpleNamespace]:
        for done in (1, 2):
            yield SimpleNamespace(collection="c", phase="merge", done=done, total=2)


def stand_in(monkeypatch: pytest.MonkeyPatch, *levels: str) -> None:
    @asynccontextmanager
    async def opened(settings: Settings, *, serving: bool = False) -> AsyncIterator[Any]:
        yield Store(list(levels))

    monkeypatch.setattr(store, "opened", opened)


@pytest.mark.parametrize(("levels", "code"), [(("ok", "warning"), 0), (("ok", "error", "ok"), 1)])
def test_check_exits_with_1_exactly_when_something_is_wrong(monkeypatch: pytest.MonkeyPatch, levels: tuple[str, ...], code: int) -> None:
    stand_in(monkeypatch, *levels)
    result = call("check")
    assert result.exit_code == code
    assert all(f"is {level}" in result.output for level in levels)


def test_a_quiet_check_prints_only_what_needs_attention(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch, "ok", "warning")
    output = call("check", "--quiet").output
    assert "is warning" in output
    assert "is ok" not in output


def test_compact_says_what_it_did(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(monkeypatch)
    result = call("compact", "--path", "store")
    assert result.exit_code == 0
    assert "compacted store in 2 steps" in result.output


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[TestServer]:
    app = web.Application()
    app.router.add_get("/api/v2/healthcheck", answer)
    async with TestServer(app) as server:
        yield server


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, {"is_executor_ready": True, "is_log_client_ready": True}, None),
        (200, {"is_executor_ready": True, "is_log_client_ready": False}, "is_log_client_ready is false"),
        (503, {}, "answers 503"),
        (200, ["something else"], "no Chroma server"),
    ],
)
async def test_the_health_check_reads_what_the_server_says(status: int, body: object, reason: str | None) -> None:
    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status)

    async with answering(answer) as server:
        said = await asyncio.to_thread(healthcheck.ask, "127.0.0.1", server.port, 5.0)
    assert said is None if reason is None else reason in (said or "")


@pytest.mark.parametrize(("host", "asked"), [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("192.0.2.1", "192.0.2.1"), ("db", "db")])
def test_a_server_on_every_interface_is_asked_on_the_loopback(host: str, asked: str) -> None:
    assert healthcheck.reachable(host) == asked


TLS = Path(__file__).parents[2] / "data" / "tls"


@asynccontextmanager
async def answering_by_tls(*, asks_clients: bool) -> AsyncIterator[TestServer]:
    """A healthy server with the certificate of the tests. :param asks_clients: it lets in nobody without one of an authority of its own."""
    certificates = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificates.load_cert_chain(TLS / "localhost.pem")
    if asks_clients:
        certificates.verify_mode = ssl.CERT_REQUIRED

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"is_executor_ready": True})

    app = web.Application()
    app.router.add_get("/api/v2/healthcheck", answer)
    server = TestServer(app)
    await server.start_server(ssl=certificates)
    try:
        yield server
    finally:
        await server.close()


@pytest.mark.parametrize("asks_clients", [False, True])
async def test_with_a_certificate_among_the_settings_the_server_is_asked_by_tls(asks_clients: bool) -> None:
    env = {"CHROMA_ASYNC_TLS_CERT": str(TLS / "localhost.pem"), "CHROMA_ASYNC_HOST": "127.0.0.1"}
    if asks_clients:
        env["CHROMA_ASYNC_TLS_CLIENT_CA"] = str(TLS / "authority.pem")
    async with answering_by_tls(asks_clients=asks_clients) as server:
        result = await asyncio.to_thread(call, "healthcheck", "--port", str(server.port), env=env)
        assert (result.exit_code, result.output) == (0, "healthy\n")
        plain = await asyncio.to_thread(call, "healthcheck", "--port", str(server.port))
        assert plain.exit_code == 1


def test_by_tls_too_nothing_is_unhealthy_and_a_certificate_that_is_none_is_named(deaf_port: int, tmp_path: Path) -> None:
    result = call("healthcheck", "--port", str(deaf_port), "--tls-cert", str(TLS / "localhost.pem"))
    assert (result.exit_code, "unhealthy" in result.output) == (1, True)
    absent = call("healthcheck", "--port", str(deaf_port), "--tls-cert", str(tmp_path / "none.pem"))
    assert absent.exit_code == 1
    assert "none.pem cannot be used" in absent.output


def test_the_health_check_of_nothing_fails(deaf_port: int) -> None:
    result = call("healthcheck", "--port", str(deaf_port), "--host", "0.0.0.0")
    assert result.exit_code == 1
    assert "127.0.0.1" in result.output
