"""Attached functions: what each makes of a collection is kept in a collection of its own.

A function is due when its collection has had so many operations since it last came to an end, or some operations and as much time as a row
may stay unflushed. It then computes the present Version anew and writes what differs through the output collection's own commit queue, a
block at a time, and last how far it has come. What is cut short in between is done again and finds less to write. No write ever waits for a
function, and a function spends most of its time resting.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from uuid import UUID

import numpy as np

from chroma_async.engine.collection import Collection
from chroma_async.engine.context import Context
from chroma_async.engine.functions.builtin_functions import FUNCTIONS, OutputRow
from chroma_async.engine.snapshot.version import Places, Version
from chroma_async.engine.write.request import Delete, Write, check_batch
from chroma_async.errors import ChromaError, ClosedError, CorruptionError, FencedError, InvalidArgumentError, NotFoundError, PoisonedError
from chroma_async.schema.collection_settings import create_settings
from chroma_async.schema.read import SOURCE_FUNCTION
from chroma_async.storage import refusals
from chroma_async.storage.base.collections import CollectionRow, Collections
from chroma_async.storage.base.functions import FunctionRow, FunctionStore
from chroma_async.types import Json, Metadata, MetadataPatch, RecordBatch, Scope, Seq, WriteKind

logger = logging.getLogger(__name__)

#: After a run, a function rests for so many times as long as the run took: functions have a tenth of one processor.
REST_SHARE = 9.0
#: Pause after a run that failed for a reason that may pass.
RETRY_S = 30.0


@dataclass(eq=False)
class _Attached:
    """A function, and the last known seq of its collection."""

    row: FunctionRow
    seq: Seq = 0
    #: Since when it has been behind; ``None`` while it is not.
    behind_since: float | None = None
    ready_at: float = 0.0
    task: asyncio.Task[None] | None = None
    #: Held while it runs.
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class AttachedFunctions:
    """The attached functions of one engine. Belongs to its event loop."""

    def __init__(
        self,
        context: Context,
        hold: Callable[[UUID], AbstractAsyncContextManager[Collection]],
        loaded: Callable[[UUID], Collection | None],
    ) -> None:
        """
        :param hold: loads a collection and keeps it loaded.
        :param loaded: a collection if it is loaded.
        """
        self._context = context
        self._collections: Collections = context.backends.catalog
        self._store: FunctionStore = context.backends.catalog
        self._hold = hold
        self._loaded = loaded
        self._attached: dict[UUID, _Attached] = {}
        self._attaching = asyncio.Lock()
        self._closing = False

    async def load(self) -> None:
        """Read what is attached, and how far each collection has come since, without loading any."""
        rows = await self._store.list_functions()
        logged = await self._context.backends.log.collections() if rows else {}
        for row in rows:
            stored = await self._collections.find_collection(row.collection)
            self._attached[row.collection] = _Attached(row, max(stored.seq, logged.get(row.collection, 0)))

    # -------------------------------------------------------------------------------------------------------------------------- verbs

    async def attach(
        self, scope: Scope, id: UUID, name: str, function: str, output: str, params: dict[str, Json]
    ) -> tuple[FunctionRow, bool]:
        """Attach a function and create its output collection; whether it is new, as it is not when the same one is attached already.

        :raises NotFoundError: no such collection in this scope, or no function of that name.
        :raises InvalidArgumentError: no name; parameters, of which no function has any; the collection is itself an output.
        :raises UniqueConstraintError: another function is attached, or the output's name is taken.
        """
        if not name:
            raise InvalidArgumentError("name: an attached function needs a name")
        if params:
            raise InvalidArgumentError("params must be empty - no functions currently accept parameters")
        if function not in FUNCTIONS:
            raise NotFoundError(f"function not found: {function}; there are {', '.join(FUNCTIONS)}")
        work = self._attach(scope, id, name, function, output, params)
        return await self._context.tasks.whole(work, f"attaching of {name} to {id}")

    async def _attach(
        self, scope: Scope, id: UUID, name: str, function: str, output: str, params: dict[str, Json]
    ) -> tuple[FunctionRow, bool]:
        async with self._attaching:
            await self._collections.get_collection_by_id(scope, id)
            held = self._attached.get(id)
            same = held is not None and (held.row.name, held.row.function) == (name, function)
            if held is not None and same and await self._fills(held, output):
                return held.row, False
            if any(other.row.output == id for other in self._attached.values()):
                raise InvalidArgumentError("cannot attach function to an output collection")
            context = self._context
            row = FunctionRow(
                uuid.uuid4(), id, name, function, uuid.uuid4(), params, completed=0, min_records=context.settings.min_records_for_invocation
            )
            settings = create_settings(None, None, None, num_threads=context.settings.query_threads)
            made = CollectionRow(
                id=row.output,
                name=output,
                tenant=scope.tenant,
                database=scope.database,
                metadata=None,
                configuration=settings.configuration,
                schema={**settings.schema, SOURCE_FUNCTION: str(row.id)},
                dimension=None,
                created_ns=context.clock(),
            )
            async with self._hold(id) as source:
                await self._store.attach_function(row, made)
                self._attached[id] = _Attached(row, source.seq)
            return row, True

    async def _fills(self, held: _Attached, output: str) -> bool:
        """Whether its output collection has that name. One that was just deleted has none: it takes the function with it."""
        try:
            return (await self._collections.find_collection(held.row.output)).name == output
        except NotFoundError:
            return False

    async def get(self, scope: Scope, id: UUID, name: str) -> tuple[FunctionRow, CollectionRow]:
        """The function and its output collection. :raises NotFoundError: no such collection in this scope, or it has no such function."""
        await self._collections.get_collection_by_id(scope, id)
        held = self._attached.get(id)
        if held is None or held.row.name != name:
            raise refusals.function_missing(name)
        try:
            return held.row, await self._collections.find_collection(held.row.output)
        except NotFoundError:  # deleted just now, and the function with it
            raise refusals.function_missing(name) from None

    async def detach(self, row: FunctionRow) -> None:
        """Bring the output up to date, then let it be an ordinary collection. Does nothing for one that is gone."""
        await self._context.tasks.whole(self._detach(row), f"detaching of {row.name} from {row.collection}")

    async def _detach(self, row: FunctionRow) -> None:
        held = self._attached.get(row.collection)
        if held is None or held.row.id != row.id:
            return
        async with held.lock:
            try:
                await self._run(held)
            except (PoisonedError, FencedError, ClosedError):
                raise
            except ChromaError as error:
                logger.warning("function %s is detached without a last run: %s", row.name, error)
            await self._store.detach_function(row.id)
            self._drop(held)

    async def finish(self) -> None:
        """Bring every output up to date now."""
        for held in list(self._attached.values()):
            try:
                async with held.lock:
                    await self._run(held)
            except NotFoundError:
                continue  # deleted since

    def _drop(self, held: _Attached) -> None:
        """It is detached, or gone. Another may have been attached to its collection since the catalog lost it."""
        if self._attached.get(held.row.collection) is held:
            del self._attached[held.row.collection]

    def forget(self, id: UUID) -> None:
        """A collection is gone, and with it the functions that read or fill it."""
        self._attached = {source: held for source, held in self._attached.items() if id not in (source, held.row.output)}

    # -------------------------------------------------------------------------------------------------------------------------- clock

    def tick(self) -> None:
        """Begin what is due. Called about twice a second."""
        now = self._context.monotonic()
        for held in self._attached.values():
            collection = self._loaded(held.row.collection)
            if collection is not None:
                held.seq = collection.seq
            behind = held.seq - held.row.completed
            if not behind:
                held.behind_since = None
            elif held.behind_since is None:
                held.behind_since = now
            late = held.behind_since is not None and now - held.behind_since >= self._context.settings.flush_max_s
            due = (late or behind >= held.row.min_records) and now >= held.ready_at
            if due and held.task is None and not self._closing:
                held.task = self._context.tasks.start(self._run_due(held), f"function {held.row.name} of {held.row.collection}")

    async def aclose(self) -> None:
        """Begin nothing more, and let what runs end at its next block."""
        self._closing = True
        running = [held.task for held in self._attached.values() if held.task is not None]
        if running:
            await asyncio.wait(running)

    # ------------------------------------------------------------------------------------------------------------------------- inside

    async def _run_due(self, held: _Attached) -> None:
        begun = self._context.monotonic()
        try:
            async with held.lock:
                await self._run(held)
        except NotFoundError as error:
            logger.info("function %s ended: %s", held.row.name, error)
            self._drop(held)
        except ClosedError as error:
            logger.info("function %s stopped: %s", held.row.name, error)
        except Exception as error:
            logger.exception("function %s of collection %s failed", held.row.name, held.row.collection)
            # A damaged file stays damaged.
            held.ready_at = float("inf") if isinstance(error, CorruptionError) else self._context.monotonic() + RETRY_S
        else:
            now = self._context.monotonic()
            held.ready_at = now + REST_SHARE * (now - begun)
        finally:
            held.task = None

    async def _run(self, held: _Attached) -> None:
        """Fold the present and write what differs. :raises ClosedError: the engine closes."""
        row, run, block = held.row, self._context.threads.run, self._context.settings.max_batch_size
        if self._attached.get(row.collection) is not held:
            return
        async with self._hold(row.collection) as source, self._hold(row.output) as output:
            version = await source.present()
            held.seq = version.seq
            if version.seq == row.completed:
                return
            comparison = Comparison(FUNCTIONS[row.function](version, block), await output.present())
            changed: list[OutputRow] = []
            while (found := await run(comparison.step)) is not None:
                if self._closing:
                    raise ClosedError("the store is closed")
                changed += found
                while len(changed) >= block:
                    await output.write(await run(_upsert, changed[:block]))
                    del changed[:block]
            if changed:
                await output.write(await run(_upsert, changed))
            vanished = await run(comparison.vanished)
            for start in range(0, len(vanished), block):
                await output.write(Delete(vanished[start : start + block]))
        await self._store.complete_function(row.id, version.seq)
        held.row, held.behind_since = replace(row, completed=version.seq), None


class Comparison:
    """What must be written so that the records of a fold, and no others, are in an output collection. Blocking."""

    def __init__(self, blocks: Iterator[list[OutputRow]], held: Version) -> None:
        """:param held: what the output collection holds."""
        self._blocks = blocks
        self._held = held
        self._wanted = [np.zeros(part.rows, dtype=np.bool_) for part in held.parts]

    def step(self) -> list[OutputRow] | None:
        """The rows of the next block that are not there already; ``None`` behind the last block."""
        block = next(self._blocks, None)
        if block is None:
            return None
        places = self._held.find([row.id for row in block])
        there = np.flatnonzero(places.present)
        known: dict[int, Metadata | None] = {}
        if len(there):
            found = places.at(there)
            for number, position in zip(found.part.tolist(), found.position.tolist(), strict=True):
                self._wanted[number][position] = True
            _, _, metadatas = self._held.fetch(found, documents=False, uris=False, metadatas=True)
            known = dict(zip(there.tolist(), metadatas or (), strict=True))
        return [row for at, row in enumerate(block) if not _says(known.get(at), row.metadata)]

    def vanished(self) -> list[str]:
        """Ids that no block had. For the time behind the last block."""
        gone: list[str] = []
        for number, (part, wanted) in enumerate(zip(self._held.parts, self._wanted, strict=True)):
            positions = np.flatnonzero(part.alive.to_bools() & ~wanted)
            gone += self._held.ids_at(Places(np.full(len(positions), number), positions))
        return gone


def _says(held: Metadata | None, wanted: Metadata) -> bool:
    """Whether a record says all that it should."""
    return held is not None and all(held.get(key) == value for key, value in wanted.items())


def _upsert(rows: list[OutputRow]) -> Write:
    """A record needs an embedding; these have no use for one."""
    metadatas: list[MetadataPatch | None] = [dict(row.metadata) for row in rows]
    batch = RecordBatch(
        [row.id for row in rows],
        np.zeros((len(rows), 1), dtype=np.float32),
        documents=[row.document for row in rows],
        metadatas=metadatas,
    )
    return check_batch(WriteKind.UPSERT, batch)
