"""Stopping the engine at one point: a blocking job in its thread, the log before it appends, the catalog around a commit."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

from chroma_async.storage.base.backends import Backends
from chroma_async.storage.base.log import LogEntry
from chroma_async.storage.base.manifests import ManifestCommit

#: A test that waits longer than this has failed.
PATIENCE_S = 10.0


class JobGate:
    """A blocking function whose result is held back: whoever calls it in a thread waits until :meth:`open`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, owner: ModuleType | type, name: str, failure: Exception | None = None) -> None:
        """
        :param owner: the module or class that has the function.
        :param failure: raised in place of the result.
        """
        self._inner: Callable[..., Any] = getattr(owner, name)
        self._failure = failure
        self.calls = 0
        self._loop = asyncio.get_running_loop()
        self._reached = asyncio.Event()
        self._opened = threading.Event()
        monkeypatch.setattr(owner, name, self._method() if isinstance(owner, type) else self)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        self.calls += 1
        result = self._inner(*arguments, **named)
        self._loop.call_soon_threadsafe(self._reached.set)
        assert self._opened.wait(PATIENCE_S)
        if self._failure is not None:
            raise self._failure
        return result

    def _method(self) -> Callable[..., Any]:
        """A function, which binds to its object."""
        return lambda *arguments, **named: self(*arguments, **named)

    async def reached(self) -> None:
        """Until the job has done its work and only its result is missing."""
        await asyncio.wait_for(self._reached.wait(), PATIENCE_S)

    def open(self) -> None:
        """Let all pass, now and later."""
        self._opened.set()


def paused(monkeypatch: pytest.MonkeyPatch, target: Any, name: str, *, before: bool = False) -> tuple[asyncio.Event, asyncio.Event]:
    """A coroutine method that waits after it has done its work, or before; the events say that it waits, and let it go. Only its first
    call waits.
    """
    inner, reached, passage = getattr(target, name), asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        if not reached.is_set():
            reached.set()
            await asyncio.wait_for(passage.wait(), PATIENCE_S)

    async def method(*arguments: Any, **named: Any) -> Any:
        if before:
            await wait()
            return await inner(*arguments, **named)
        result = await inner(*arguments, **named)
        await wait()
        return result

    monkeypatch.setattr(target, name, method)
    return reached, passage


class HeldLog:
    """A log whose appends wait while it is held, and fail when told. It notes how many entries each append had."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._passage = asyncio.Event()
        self._passage.set()
        self._reached = asyncio.Event()
        self.appends: list[int] = []
        self.errors: list[Exception] = []
        self.keeps_all = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def hold(self) -> None:
        self._passage.clear()
        self._reached.clear()

    def release(self) -> None:
        self._passage.set()

    async def reached(self) -> None:
        """Until an append waits."""
        await asyncio.wait_for(self._reached.wait(), PATIENCE_S)

    async def append(self, entries: Sequence[LogEntry]) -> None:
        self.appends.append(len(entries))
        self._reached.set()
        await self._passage.wait()
        if self.errors:
            raise self.errors.pop(0)
        await self._inner.append(entries)

    async def trim(self, collection: Any, upto: int) -> None:
        if not self.keeps_all:
            await self._inner.trim(collection, upto)


class HeldCatalog:
    """A catalog whose manifest commits can be held, after they became durable, and made to fail."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._passage = asyncio.Event()
        self._passage.set()
        self._reached = asyncio.Event()
        self.errors: list[Exception] = []
        self.commits = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def hold(self) -> None:
        self._passage.clear()
        self._reached.clear()

    def release(self) -> None:
        self._passage.set()

    async def reached(self) -> None:
        """Until a commit is durable and waits to return."""
        await asyncio.wait_for(self._reached.wait(), PATIENCE_S)

    async def commit_manifest(self, commit: ManifestCommit) -> None:
        if self.errors:
            raise self.errors.pop(0)
        await self._inner.commit_manifest(commit)
        self.commits += 1
        self._reached.set()
        await self._passage.wait()


def held(backends: Backends) -> Backends:
    """For ``Engine.open(wrap=held)``."""
    return replace(backends, log=HeldLog(backends.log), catalog=HeldCatalog(backends.catalog))


async def lanes_end() -> None:
    """Until what a tick began is done."""
    while lanes := [task for task in asyncio.all_tasks() if task.get_name().startswith(("flush of", "maintenance of"))]:
        await asyncio.wait(lanes)
