"""The command and its sub-commands. Each is imported when it is called, so that ``healthcheck`` never waits for the engine's libraries."""

from __future__ import annotations

from importlib import import_module

import click

from chroma_async.errors import ChromaError
from chroma_async.release import release

#: Command name -> module and attribute.
COMMANDS = {
    "run": ("chroma_async.cli.run", "run"),
    "check": ("chroma_async.cli.check", "check"),
    "compact": ("chroma_async.cli.compact", "compact"),
    "healthcheck": ("chroma_async.cli.healthcheck", "healthcheck"),
    "keys": ("chroma_async.cli.keys", "keys"),
    "config": ("chroma_async.cli.config", "config"),
    "models": ("chroma_async.cli.models", "models"),
    "collections": ("chroma_async.cli.collections", "collections"),
    "stats": ("chroma_async.cli.maintenance", "stats"),
    "hnsw": ("chroma_async.cli.maintenance", "hnsw"),
    "wal": ("chroma_async.cli.maintenance", "wal"),
    "db": ("chroma_async.cli.maintenance", "db"),
    "vacuum": ("chroma_async.cli.compact", "vacuum"),
    "completion": ("chroma_async.cli.completion", "completion"),
}


class LazyGroup(click.Group):
    """A group whose commands are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, attribute = COMMANDS[cmd_name]
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """What a command does not turn into a message of its own is one here: a line and exit code 1, not a traceback."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # click ends quietly when nobody reads on
        except (ChromaError, OSError) as error:
            raise click.ClickException(str(error)) from error


def _print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(f"chroma-async {release()}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Print the version.")
def main() -> None:
    """An asyncio-native vector store that speaks Chroma's HTTP API."""
