"""``chroma-async healthcheck``: one request of the standard library, for containers that have no other HTTP client."""

from __future__ import annotations

import http.client
import json
import sys
from pathlib import Path

import click

from chroma_async.cli import options

#: Addresses that mean "every interface" to a server; to a client they mean nothing, the loopback does.
EVERY_INTERFACE = {
    "0.0.0.0": "127.0.0.1",  # nosec B104 # asked, not bound
    "::": "::1",
    "": "127.0.0.1",
}


@click.command()
@options.flags("host", "port")
@options.config_file
@click.option("--timeout", type=float, default=3.0, show_default=True, help="Seconds to wait for the answer.")
def healthcheck(host: str | None, port: str | None, config_path: Path | None, timeout: float) -> None:
    """Exit with 0 if the server at this address serves reads and writes, else with 1 and a reason."""
    settings = options.settings_from({"host": host, "port": port}, config_path)
    reason = ask(EVERY_INTERFACE.get(settings.host, settings.host), settings.port, timeout)
    if reason is not None:
        click.echo(f"unhealthy: {reason}", err=True)
        sys.exit(1)
    click.echo("healthy")


def ask(host: str, port: int, timeout_s: float) -> str | None:
    """Why the server is not healthy, or None if it is."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.request("GET", "/api/v2/healthcheck")
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            return f"{host}:{port} answers {answer.status}"
        parts = json.loads(body)
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"{host}:{port}: {error or type(error).__name__}"
    finally:
        connection.close()
    if not isinstance(parts, dict):
        return f"{host}:{port} is no Chroma server"
    return next((f"{name} is false" for name, ready in parts.items() if ready is False), None)
