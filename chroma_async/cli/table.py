"""Tables: with lines and colours on a terminal where the library for that is installed, else in columns that programs can cut."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence

import click


def show_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print it."""
    cells = [tuple(row) for row in rows]
    if sys.stdout.isatty() and _show_richly(head, cells):
        return
    for line in columns(head, cells):
        click.echo(line)


def columns(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines with columns of equal width, two spaces apart."""
    every = [tuple(head), *rows]
    widths = [max(map(len, column)) for column in zip(*every, strict=True)]
    for row in every:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _show_richly(head: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Whether it could be."""
    try:
        from rich.console import Console
        from rich.markup import escape
        from rich.table import Table
    except ImportError:  # it comes with chroma-async[server]
        return False
    table = Table(*head)
    for row in rows:
        table.add_row(*map(escape, row))
    Console().print(table)
    return True
