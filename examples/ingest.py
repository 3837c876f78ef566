"""Ingest a file of JSON lines with a progress bar, into a directory or into a server.

    python examples/ingest.py articles.jsonl --path ./articles
    python examples/ingest.py articles.jsonl --server http://localhost:8000

A line is an object with ``id``, ``embedding``, and if you like ``document`` and ``metadata``. Batches are sent side by side, a few at once;
running it again changes nothing, since upsert is used.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import click

from chroma_async import AsyncCollection, AsyncHttpClient, AsyncPersistentClient

Line = dict[str, Any]


def batches(path: Path, size: int) -> Iterator[list[Line]]:
    """The lines of a file, some at a time; the file is never in memory as a whole."""
    with path.open(encoding="utf-8") as lines:
        while batch := [json.loads(line) for line in islice(lines, size)]:
            yield batch


async def send(collection: AsyncCollection, batch: list[Line]) -> int:
    await collection.upsert(
        ids=[line["id"] for line in batch],
        embeddings=[line["embedding"] for line in batch],
        documents=[line.get("document", "") for line in batch],
        metadatas=[line.get("metadata") for line in batch],
    )
    return len(batch)


async def ingest(collection: AsyncCollection, path: Path, batch_size: int, at_once: int) -> int:
    """Send the file; how many lines that was. At most ``at_once`` batches are under way."""
    lines = sum(1 for _ in path.open("rb"))
    places = asyncio.Semaphore(at_once)
    with click.progressbar(length=lines, label=path.name) as bar:

        async def one(batch: list[Line]) -> None:
            try:
                bar.update(await send(collection, batch))
            finally:
                places.release()

        async with asyncio.TaskGroup() as group:
            for batch in batches(path, batch_size):
                await places.acquire()
                group.create_task(one(batch))
    return lines


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--path", help="Data directory to write into.")
@click.option("--server", help="Server to send to instead.")
@click.option("--collection", "name", default="articles", show_default=True)
@click.option("--batch-size", default=500, show_default=True)
@click.option("--at-once", default=4, show_default=True, help="Batches under way side by side.")
def main(file: Path, path: str | None, server: str | None, name: str, batch_size: int, at_once: int) -> None:
    """Ingest FILE."""

    async def run() -> None:
        opening = AsyncHttpClient(host=server) if server else AsyncPersistentClient(path=path or "./articles")
        async with opening as client:
            collection = await client.get_or_create_collection(name)
            lines = await ingest(collection, file, batch_size, at_once)
            click.echo(f"{lines} lines sent, the collection holds {await collection.count()}")

    asyncio.run(run())


if __name__ == "__main__":
    main()
