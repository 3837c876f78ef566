"""Whether a store may be used here and now: it is open, in this event loop, in this process, and still ours."""

from __future__ import annotations

import asyncio

from chroma_async.errors import ClosedError, WrongLoopError
from chroma_async.storage.base.lease import WriterLease


class Guard:
    """Asked before each verb. Belongs to the event loop in which it is made."""

    def __init__(self, lease: WriterLease) -> None:
        self._lease = lease
        self._loop = asyncio.get_running_loop()
        self._closed = False

    def close(self) -> None:
        """Refuse whatever comes from now on."""
        self._closed = True

    def check(self) -> None:
        """
        :raises ClosedError: it was closed. :raises ForkedError: this is a child process. :raises FencedError: the lease was lost.
        :raises WrongLoopError: it belongs to another event loop.
        """
        if self._closed:
            raise ClosedError("the store is closed")
        self._lease.check()
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            raise WrongLoopError(
                f"the store was opened in event loop {id(self._loop):#x} and is used in loop {id(loop):#x}; use it there, "
                "or open one client per loop"
            )
