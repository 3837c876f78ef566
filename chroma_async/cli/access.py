"""Who may connect to the server that is about to start: credentials and keys, the first token, and what must not be exposed."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from pathlib import Path

import click

from chroma_async.auth.attempts import attempts_from
from chroma_async.auth.authentication import authentication_from
from chroma_async.auth.guard import Guard
from chroma_async.auth.key_file import INITIAL_TOKEN, make_initial_key, read_keys
from chroma_async.auth.keys import Keys
from chroma_async.auth.policy import policy_from
from chroma_async.config.settings import Settings, SettingsError
from chroma_async.limits.quotas import quotas_from
from chroma_async.server.proxies import TrustedProxies
from chroma_async.server.tls import Certificates, certificates_from
from chroma_async.threads import Run

logger = logging.getLogger(__name__)


def guard_from(settings: Settings, run: Run) -> Guard | None:
    """What asks callers; ``None``: nobody does. Until :func:`make_initial_token` it may know of no credential, and let nobody in.

    :param run: a way to a thread, for passwords.
    :raises click.ClickException: credentials or keys cannot be used (exit code 1).
    """
    guard = _guard(settings, run)
    authentication = guard.authentication
    if settings.authz_config and not (authentication.can_let_in or _makes_token(settings)):
        raise click.ClickException("authz_config gives roles, and there are no credentials by which their users could be known")
    if authentication.tokens.have_roles and not settings.authz_config:
        logger.warning("users have roles, and no authz_config says what these may do: they may do everything where they are bound to")
    is_open = not authentication.can_let_in and not _makes_token(settings)
    # Who goes without credentials on purpose is not held to the key that a start before that made.
    was_opened = settings.allow_unauthenticated and authentication.is_initial_only
    return None if is_open or was_opened else guard


def _guard(settings: Settings, run: Run) -> Guard:
    """What settings and the keys of the data directory say. :raises click.ClickException: they cannot be used."""
    try:
        keys = read_keys(Path(settings.path)) if settings.is_persistent else ()
        authentication = authentication_from(settings, Keys(keys, time.time), run)
        return Guard(authentication, policy_from(settings), attempts_from(settings))
    except SettingsError as error:
        raise click.ClickException(error.message()) from error
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def refuse_exposure(sockets: Sequence[socket.socket], guard: Guard | None, settings: Settings) -> None:
    """:raises click.ClickException: all who reach an address could connect, nobody asks them, and nobody said that this is meant."""
    addresses = [str(each.getsockname()[0]) for each in sockets]
    exposed = [address for address in addresses if not ip_address(address.partition("%")[0]).is_loopback]
    if exposed and guard is None and not settings.allow_unauthenticated:
        raise click.ClickException(
            f"all who reach {exposed[0]} could read, change and delete everything, as there are no credentials. Three ways on: set one, "
            "CHROMA_SERVER_AUTHN_CREDENTIALS=<token>; or listen on this machine only, --host 127.0.0.1; or say that this is meant, "
            "--allow-unauthenticated (CHROMA_ALLOW_UNAUTHENTICATED=1)"
        )


def check_bounds(settings: Settings) -> None:
    """Settings that are read again where they are used. :raises click.ClickException: one cannot be used (exit code 1)."""
    try:
        quotas_from(settings)
        TrustedProxies(settings.trusted_proxies)
    except SettingsError as error:
        raise click.ClickException(error.message()) from error


def certificates(settings: Settings) -> Certificates | None:
    """What connections are encrypted with; ``None``: nothing. :raises click.ClickException: a file cannot be used (exit code 1)."""
    try:
        return certificates_from(settings)
    except SettingsError as error:
        raise click.ClickException(error.message()) from error


async def make_initial_token(guard: Guard | None, settings: Settings, run: Run) -> None:
    """Make the first credential of a data directory that is now open, if there is to be one.

    :raises click.ClickException: its files cannot be written.
    """
    if guard is None or guard.authentication.can_let_in:
        return
    directory = Path(settings.path)
    try:
        await run(make_initial_key, directory, time.time())
    except OSError as error:
        raise click.ClickException(f"no token can be written to {directory}: {error.strerror or error}") from error
    guard.authentication = (await run(_guard, settings, run)).authentication
    logger.warning("no credential is configured, so a token was made; it is in the file %s", directory / INITIAL_TOKEN)


async def reload(guard: Guard, resolve: Callable[[], Settings], run: Run) -> None:
    """Read credentials, keys and roles again. What cannot be used, or would leave nobody to ask for, changes nothing and is logged.

    :param resolve: reads settings anew, and the files that they name.
    """
    async with guard.turn:
        await _reread(guard, resolve, run)


async def _reread(guard: Guard, resolve: Callable[[], Settings], run: Run) -> None:
    try:
        fresh = await run(lambda: _guard(resolve(), run))
    except click.ClickException as error:
        logger.error("credentials and roles stay as they are: %s", error.message)
        return
    if not fresh.authentication.can_let_in:
        logger.error("credentials and roles stay as they are: there would be no credential; start again to serve without")
        return
    guard.authentication, guard.policy = fresh.authentication, fresh.policy
    logger.info("credentials and roles were read again")


async def reload_certificates(certificates: Certificates, run: Run) -> None:
    """Read the files of TLS again. What cannot be used changes nothing and is logged."""
    try:
        await run(certificates.reload)
    except SettingsError as error:
        logger.error("certificates stay as they are: %s", error.message())
    else:
        logger.info("certificates were read again")


def initial_token(settings: Settings) -> Path | None:
    """The file with the first token, if it is still there."""
    file = Path(settings.path).resolve() / INITIAL_TOKEN
    return file if settings.is_persistent and file.is_file() else None


def _makes_token(settings: Settings) -> bool:
    return settings.make_initial_token and not settings.allow_unauthenticated and settings.is_persistent
