"""Which release this is, for those who say it: the command line, the headers of a client, the metrics of a server."""

from __future__ import annotations

from functools import cache


@cache
def release() -> str:
    """The release that is installed, or "unknown" in a tree that was never installed."""
    # Loaded when it is asked for: importing the client stays quick.
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("chroma-async")
    except PackageNotFoundError:
        return "unknown"
