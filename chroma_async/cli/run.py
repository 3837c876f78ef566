"""``chroma-async run``: the server, from flags to a clean exit."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from chroma_async.auth.guard import Guard
from chroma_async.cli import access, options, store
from chroma_async.cli.audit import audit_log
from chroma_async.cli.banner import banner
from chroma_async.cli.hangup import on_hangup
from chroma_async.cli.logs import write_logs
from chroma_async.cli.mounts import mountinfo
from chroma_async.config.settings import Settings
from chroma_async.threads import Lane

if TYPE_CHECKING:
    from chroma_async.server.tls import Certificates
    from chroma_async.service.local import LocalAPI

logger = logging.getLogger(__name__)


@click.command()
@click.argument("config_argument", metavar="[CONFIG]", required=False, type=click.Path(path_type=Path))
@options.flags()
@options.config_file
def run(config_argument: Path | None, config_path: Path | None, **flags: object) -> None:
    """Serve a data directory over HTTP until SIGTERM or Ctrl-C.

    CONFIG is a TOML or YAML file of settings, Chroma's own included. Flags win over the environment, the environment over the file.
    """
    if config_argument is not None and config_path is not None:
        raise click.UsageError("name the configuration file once: CONFIG or --config")
    found = options.resolution(flags, config_argument or config_path)
    settings = found.settings
    write_logs(settings)
    for line in found.notices:
        logger.warning(line)
    access.check_bounds(settings)
    passwords = Lane("password", settings.query_threads)
    guard, certificates = access.guard_from(settings, passwords.run), access.certificates(settings)

    async def reload() -> None:
        if certificates is not None:
            await access.reload_certificates(certificates, passwords.run)
        if guard is not None:
            await access.reload(guard, lambda: options.settings_from(flags, config_argument or config_path), passwords.run)

    _run_loop(_serve(settings, guard, certificates, passwords, reload))


async def _serve(
    settings: Settings, guard: Guard | None, certificates: Certificates | None, passwords: Lane, reload: Callable[[], Awaitable[None]]
) -> None:
    """Open, listen, say so, stop when told to.

    :raises click.ClickException: the directory or the address cannot be had.
    """
    from chroma_async.cli.telemetry import tracing
    from chroma_async.server.lifecycle import serve

    # Large bodies are parsed apart from the engine's own threads: a queue of uploads must not hold up the queries behind it.
    bodies = Lane("body", settings.query_threads)
    with tracing(settings):
        async with AsyncExitStack() as stack:
            # The address first: what cannot be served leaves no directory behind.
            sockets = await _bound(stack, settings.host, settings.port)
            access.refuse_exposure(sockets, guard, settings)
            at_metrics = await _bound_for_metrics(stack, settings)
            stack.push_async_callback(bodies.aclose)
            stack.push_async_callback(passwords.aclose)
            stack.enter_context(on_hangup(reload))
            audit = await stack.enter_async_context(audit_log(settings))

            async def opening() -> LocalAPI:
                api = await stack.enter_async_context(store.opened(settings, serving=True))
                await access.make_initial_token(guard, settings, bodies.run)
                return api

            ready = partial(_announce, settings, guard)
            tls = None if certificates is None else certificates.context
            with _listening(settings.host, settings.port):
                await serve(opening, settings, bodies.run, sockets, ready, guard=guard, tls=tls, audit=audit, metrics_sockets=at_metrics)
    click.echo("stopped")


async def _bound(stack: AsyncExitStack, host: str, port: int) -> list[socket.socket]:
    """Sockets of an address, until the stack ends. :raises click.ClickException: it cannot be had."""
    from chroma_async.server.listening import bound

    with _listening(host, port):
        return await stack.enter_async_context(bound(host, port))


async def _bound_for_metrics(stack: AsyncExitStack, settings: Settings) -> list[socket.socket]:
    """The same for metrics, if they have a port. :raises click.ClickException: it cannot be had, or nothing can be served there."""
    if settings.metrics_port is None:
        return []
    if find_spec("prometheus_client") is None:
        raise click.ClickException(f"metrics_port = {settings.metrics_port}: metrics need prometheus-client: install chroma-async[server]")
    sockets = await _bound(stack, settings.metrics_host, settings.metrics_port)
    host, port = sockets[0].getsockname()[:2]
    logger.info("metrics are served", extra={"fields": {"address": host, "port": port}})
    return sockets


def _announce(settings: Settings, guard: Guard | None, host: str, port: int) -> None:
    first = None if guard is None else access.initial_token(settings)
    for line in banner(settings, host, port, mountinfo(), credentials=guard is not None, initial_token=first):
        click.echo(line)


@contextmanager
def _listening(host: str, port: int) -> Iterator[None]:
    """Turns the system's errors about addresses into a message. :raises click.ClickException: the address cannot be had (exit code 1)."""
    try:
        yield
    except (OSError, UnicodeError) as error:  # the second of a name with an empty or an overlong label
        raise click.ClickException(f"cannot listen on {host}:{port}: {_listen_reason(error)}") from error


def _listen_reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, UnicodeError):
        return str(error)
    if error.errno == errno.EADDRINUSE:
        return "another program uses this port"
    if error.errno == errno.EACCES:
        return "ports below 1024 need more rights"
    return error.strerror or str(error)


def _run_loop(main: Coroutine[Any, Any, None]) -> None:
    """On uvloop where there is one: a request costs a quarter less processor time there."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        asyncio.run(main)
        return
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main)
