"""``chroma-async completion``: the shell knows the commands and their options."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import get_completion_class

_SHELLS = {"bash": "~/.bashrc", "zsh": "~/.zshrc", "fish": "~/.config/fish/completions/chroma-async.fish"}
_VARIABLE = "_CHROMA_ASYNC_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(list(_SHELLS)))
@click.option("--install", is_flag=True, help="Add it to the shell's start-up file, once.")
def completion(shell: str, install: bool) -> None:
    """Print what makes SHELL complete this command's names, or install it.

    \b
    chroma-async completion bash --install
    """
    found = get_completion_class(shell)
    assert found is not None
    from chroma_async.cli.commands import main

    source = found(main, {}, "chroma-async", _VARIABLE).source()
    if not install:
        click.echo(source)
        return
    file = Path(_SHELLS[shell]).expanduser()
    present = file.read_text("utf-8") if file.is_file() else ""
    if _VARIABLE in present:
        click.echo(f"{file} has it already")
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{present}\n# chroma-async\n{source}\n" if present else f"{source}\n", "utf-8")
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror or error}") from error
    click.echo(f"added to {file}; it counts in the next shell")
