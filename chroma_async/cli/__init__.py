"""The ``chroma-async`` command."""

from chroma_async.cli.commands import main

__all__ = ["main"]
