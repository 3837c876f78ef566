"""``chroma-async healthcheck``: one request of the standard library, for containers that have no other HTTP client."""

from __future__ import annotations

import http.client
import json
import ssl
import sys
from ipaddress import ip_address
from pathlib import Path

import click

from chroma_async.cli import options
from chroma_async.cli.first_process import first_process
from chroma_async.config.settings import Settings


@click.command()
@options.flags("host", "port", "tls_cert", "tls_key")
@options.config_file
@click.option("--timeout", type=float, default=3.0, show_default=True, help="Seconds to wait for the answer.")
def healthcheck(config_path: Path | None, timeout: float, **flags: object) -> None:
    """Exit with 0 if the server at this address serves reads and writes, else with 1 and a reason.

    With a certificate among the settings it is asked by TLS. In a container the flags of its server count as well.
    """
    started = first_process()
    given = {name: value for name, value in flags.items() if value is not None}
    settings = options.settings_from({**started.flags, **given}, config_path or started.config)
    try:
        tls = _as_a_client(settings) if settings.tls_cert else None
    except OSError as error:
        raise click.ClickException(f"the certificate {settings.tls_cert} cannot be used: {error.strerror or error}") from error
    reason = ask(reachable(settings.host), settings.port, timeout, tls, knows_its_clients=bool(settings.tls_client_ca))
    if reason is not None:
        click.echo(f"unhealthy: {reason}", err=True)
        sys.exit(1)
    click.echo("healthy")


def reachable(host: str) -> str:
    """Where a client finds a server that listens on this address: those that mean every interface mean nothing to a client."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not address.is_unspecified:
        return host
    return "127.0.0.1" if address.version == 4 else "::1"


def _as_a_client(settings: Settings) -> ssl.SSLContext:
    """For a server of this machine, which is asked whether it lives and told no secret: who it is need not be proved. It may want to know
    who asks, and is shown its own certificate.

    :raises OSError: the files cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(settings.tls_cert, settings.tls_key or None)
    return context


def ask(host: str, port: int, timeout_s: float, tls: ssl.SSLContext | None = None, *, knows_its_clients: bool = False) -> str | None:
    """Why the server is not healthy, or None if it is.

    :param tls: as what it is asked by TLS; ``None``: by plain HTTP.
    :param knows_its_clients: it lets in those with a certificate only. One that hangs up on this one lives, and more cannot be seen.
    """
    plain, secured = http.client.HTTPConnection, http.client.HTTPSConnection
    connection = plain(host, port, timeout=timeout_s) if tls is None else secured(host, port, timeout=timeout_s, context=tls)
    try:
        connection.connect()
        return _judged(connection, f"{host}:{port}", knows_its_clients)
    except OSError as error:
        return f"{host}:{port}: {error or type(error).__name__}"
    finally:
        connection.close()


def _judged(connection: http.client.HTTPConnection, where: str, knows_its_clients: bool) -> str | None:
    """What is wrong with the answer, or None. The connection stands: a handshake, too, was answered."""
    try:
        connection.request("GET", "/api/v2/healthcheck")
        answer = connection.getresponse()
        body = answer.read()
        parts = json.loads(body) if answer.status == 200 else None
    except (OSError, http.client.HTTPException, ValueError) as error:
        hung_up = isinstance(error, OSError) and not isinstance(error, TimeoutError)
        return None if knows_its_clients and hung_up else f"{where}: {error or type(error).__name__}"
    if answer.status != 200:
        return f"{where} answers {answer.status}"
    if not isinstance(parts, dict):
        return f"{where} is no Chroma server"
    return next((f"{name} is false" for name, ready in parts.items() if ready is False), None)
