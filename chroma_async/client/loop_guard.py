"""Where an object that lives on an event loop may be used: that loop, that process, until it is closed."""

from __future__ import annotations

import asyncio
import os

from chroma_async.errors import ClosedError, ForkedError, WrongLoopError


class LoopGuard:
    """Made inside a running loop; ``check`` is called before every use."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._loop = asyncio.get_running_loop()
        self._pid = os.getpid()
        self.closed = False

    def check(self) -> None:
        """:raises ClosedError, ForkedError, WrongLoopError: the object cannot be used from here."""
        if self.closed:
            raise ClosedError(f"{self._what} is closed")
        if os.getpid() != self._pid:
            raise ForkedError(f"{self._what} was created in process {self._pid} and cannot be used in its child; create one here")
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise WrongLoopError(f"{self._what} was used outside of an event loop; await it in the loop that it was made in") from None
        if loop is not self._loop:
            raise WrongLoopError(
                f"{self._what} belongs to event loop {id(self._loop):#x} and was used in loop {id(loop):#x}; create one client per loop"
                " (with pytest-asyncio: give the fixture that makes it and the tests that use it the same loop_scope)"
            )
