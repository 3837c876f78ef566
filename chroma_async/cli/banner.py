"""What a server says when it is ready: where it listens, where its data goes, who may connect."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

from chroma_async.cli.mounts import mount_of
from chroma_async.config.settings import Settings
from chroma_async.release import release

#: Types of file systems that forget: with a container, and with a restart.
_FORGETFUL = {"overlay": "this container is removed", "tmpfs": "the system restarts", "ramfs": "the system restarts"}


def banner(settings: Settings, host: str, port: int, mountinfo: str, *, credentials: bool, initial_token: Path | None = None) -> list[str]:
    """The lines; the first one, ``… ready at http://…`` or ``https://…``, is for programs too.

    :param host: the address that was bound, and ``port`` with it.
    :param mountinfo: see :func:`chroma_async.cli.mounts.mountinfo`.
    :param credentials: whether callers are asked for one. :param initial_token: the file with the first one.
    """
    name = f"[{host}]" if ":" in host else host
    place = str(Path(settings.path).resolve()) if settings.is_persistent else "memory only"
    scheme = "https" if settings.tls_cert else "http"
    ready = f"chroma-async {release()} ready at {scheme}://{name}:{port} (data: {place})"
    return [ready, _where_data_goes(settings, mountinfo), _who_may_connect(host, credentials=credentials, initial_token=initial_token)]


def _where_data_goes(settings: Settings, mountinfo: str) -> str:
    if not settings.is_persistent:
        return "data is kept in memory, and lost when the server stops"
    path = Path(settings.path).resolve()
    mount = mount_of(path, mountinfo)
    if mount is None:
        return f"data is kept in {path}"
    is_root = mount.point == Path("/")
    system = "the root file system" if is_root else f"the mount {mount.point}"
    kept = f"data is kept in {path}, on {system} ({mount.kind}{'' if mount.source in ('none', mount.kind) else f' of {mount.source}'})"
    end = _FORGETFUL.get(mount.kind)
    return kept if end is None else f"{kept}: it is lost when {end}"


def _who_may_connect(host: str, *, credentials: bool, initial_token: Path | None) -> str:
    who = "programs on this machine" if ip_address(host.partition("%")[0]).is_loopback else "all who reach this address"
    first = "" if initial_token is None else f"; the first one is in {initial_token}"
    return f"{who} may connect, {'with' if credentials else 'without'} a credential{first}"
