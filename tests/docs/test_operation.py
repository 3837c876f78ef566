"""docs/operation.md names every command, and no other."""

from __future__ import annotations

import click

from chroma_async.cli import main
from chroma_async.cli.commands import COMMANDS
from tests.docs.markdown import ROOT, code, table

PAGE = (ROOT / "docs" / "operation.md").read_text("utf-8")


def test_the_table_has_every_command_and_each_has_a_sentence() -> None:
    named = {code(row[0])[0].split()[1] for row in table(PAGE, "command", "does")}
    assert named == set(COMMANDS)
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        assert command.get_short_help_str()


def test_commands_of_groups_are_there() -> None:
    context = click.Context(main)
    for row in table(PAGE, "command", "does"):
        words = [word for word in code(row[0])[0].split()[1:] if word.islower() and not word.startswith(("[", "-"))]
        group: click.Command | None = main
        for word in words:
            assert isinstance(group, click.Group)
            group = group.get_command(context, word)
            assert group is not None, words
