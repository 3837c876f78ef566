"""Signals that a server answers while it serves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from signal import Signals


@contextmanager
def on_signals(numbers: Iterable[Signals], act: Callable[[], None]) -> Iterator[None]:
    """Call ``act`` on the event loop at each of these signals in the block. Where signals cannot be had, the block goes on without."""
    loop, handled = asyncio.get_running_loop(), []
    try:
        for number in numbers:
            loop.add_signal_handler(number, act)
            handled.append(number)
    except (NotImplementedError, RuntimeError, ValueError):  # not the main thread, or a system without signals
        pass
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
