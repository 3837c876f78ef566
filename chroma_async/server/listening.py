"""The sockets of an address. They are taken before a data directory is made, and accept connections only once requests are served."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager


@asynccontextmanager
async def bound(host: str, port: int) -> AsyncIterator[list[socket.socket]]:
    """A socket for each address that ``host`` has, closed after the block; port 0 takes a free port, the same for all of them.

    Who connects before the server listens is refused, as if there were none. A program that begins to listen there in between, which asked
    for shared use of the port as this one does, is found by the server then.

    :raises OSError: the host is unknown here, or the port is taken or not allowed; nothing stays open.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    with ExitStack() as opened:
        sockets: list[socket.socket] = []
        for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
            taken = sockets[0].getsockname()[1] if sockets else port
            sockets.append(opened.enter_context(_bind(family, (address[0], taken, *address[2:]))))
        yield sockets


def _bind(family: int, address: tuple[object, ...]) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            # After a restart, connections of the process before may linger at the port.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.setblocking(False)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made
