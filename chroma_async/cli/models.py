"""``chroma-async models``: the models that embedding functions run on this machine. Nothing but ``pull`` ever downloads one."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import click

from chroma_async.embedding.models import MINI_LM, MODELS, Model, default_root, missing_files, model_directory, pull
from chroma_async.errors import ChromaError

_directory = click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIRECTORY",
    help="Where models are kept. [default: ~/.cache/chroma/onnx_models, which chromadb uses too]",
)


@click.group()
def models() -> None:
    """Models that embed texts on this machine."""


@models.command("list")
@_directory
def list_(directory: Path | None) -> None:
    """Print the models that can be pulled, and whether they are here."""
    for model in MODELS.values():
        absent = missing_files(model, directory)
        click.echo(f"{model.name}  {'not here' if absent else model_directory(model, directory)}")


@models.command("pull")
@click.argument("name", default=MINI_LM.name, type=click.Choice(sorted(MODELS)))
@_directory
@click.option("--url", help="Download from here: a mirror, or with --sha256 another build of the model.")
@click.option("--sha256", metavar="HEX", help="Checksum that the archive must have. [default: that of the published one]")
@click.option("--timeout", "timeout_s", default=600.0, show_default=True, type=click.FloatRange(min=0, min_open=True), help="Seconds.")
def pull_(name: str, directory: Path | None, url: str | None, sha256: str | None, timeout_s: float) -> None:
    """Download a model, unless it is here, and verify its checksum."""
    model = replace(MODELS[name], url=url or MODELS[name].url, sha256=(sha256 or MODELS[name].sha256).lower())
    if not missing_files(model, directory):
        click.echo(f"{name} is here already: {model_directory(model, directory)}")
        return
    try:
        click.echo(f"{name} is in {asyncio.run(_pull(model, directory or default_root(), timeout_s))}")
    except (ChromaError, OSError) as error:
        raise click.ClickException(str(error)) from error


async def _pull(model: Model, root: Path, timeout_s: float) -> Path:
    def progress(received: int, expected: int | None) -> None:
        if sys.stderr.isatty():
            share = f" of {expected / 1e6:.1f}" if expected else ""
            click.echo(f"\r{received / 1e6:.1f}{share} MB", nl=received == expected, err=True)

    return await pull(model, root, progress=progress, timeout_s=timeout_s)
