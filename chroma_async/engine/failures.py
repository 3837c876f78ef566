"""Errors that are kept to be told later."""

from __future__ import annotations

from typing import TypeVar

E = TypeVar("E", bound=BaseException)


def kept(error: E) -> E:
    """The same error without the frames that it came through, its causes included: whoever keeps it would keep alive what those held,
    whole batches and opened files.
    """
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        link = link.__cause__ or link.__context__
    return error
