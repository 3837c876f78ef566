"""Forks: a copy on write of a collection, which shares all its files and reads what is not flushed from the log of its source."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import UUID

from chroma_async.engine.collection import Collection
from chroma_async.engine.context import Context
from chroma_async.engine.recovery import forked
from chroma_async.engine.registry import Registry
from chroma_async.errors import PoisonedError
from chroma_async.schema.read import SOURCE_FUNCTION
from chroma_async.storage.base.collections import CollectionRow
from chroma_async.storage.base.manifests import ForkCommit, TailRow
from chroma_async.types import Scope, Seq


async def fork_collection(context: Context, registry: Registry, scope: Scope, id: UUID, name: str) -> CollectionRow:
    """Fork it. Milliseconds, whatever the size; comes to its end also when the caller goes away.

    :raises NotFoundError: the source does not exist in this scope.
    :raises UniqueConstraintError: the name is taken.
    :raises InvalidArgumentError: the tree of forks is full.
    """
    return await context.tasks.whole(_fork(context, registry, scope, id, name), f"fork of collection {id}")


async def _fork(context: Context, registry: Registry, scope: Scope, id: UUID, name: str) -> CollectionRow:
    async with registry.using(scope, id) as source, source.at_rest() as (manifest, seq):
        row = _row_of_fork(context, source, name, seq)
        begun = forked(manifest, row.id, seq)
        tails = tuple(TailRow(row.id, tail.source, tail.after) for tail in begun.tails)
        commit = ForkCommit(row, id, begun.to_bytes(), begun.files(), tails, context.settings.max_forks)
        async with _held(context, row.id, tails):
            await context.backends.catalog.fork_collection(commit)
    return row


def _row_of_fork(context: Context, source: Collection, name: str, seq: Seq) -> CollectionRow:
    schema = {member: value for member, value in source.row.schema.items() if member != SOURCE_FUNCTION}
    return replace(source.row, id=uuid.uuid4(), name=name, schema=schema, created_ns=context.clock(), seq=seq)


@asynccontextmanager
async def _held(context: Context, fork: UUID, tails: tuple[TailRow, ...]) -> AsyncIterator[None]:
    """Keep the entries of the log that a fork begins with, unless the block fails to make it."""
    for tail in tails:
        context.retention.hold(tail)
    try:
        yield
    except PoisonedError:
        raise  # it may have become durable, and then it needs the tails
    except BaseException:
        await context.retention.release(fork)
        raise
