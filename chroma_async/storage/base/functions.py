"""Which functions are attached to which collections, and how far each has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from chroma_async.storage.base.collections import CollectionRow
from chroma_async.types import Json, Seq


@dataclass(frozen=True, slots=True)
class FunctionRow:
    """A function attached to ``collection``, and how far it has come: what it made of the records as of seq ``completed`` is in the
    collection ``output``.
    """

    id: UUID
    collection: UUID
    name: str
    function: str
    output: UUID
    params: dict[str, Json]
    completed: Seq
    #: Operations after which it is due again at once.
    min_records: int


class FunctionStore(Protocol):
    """Attached functions. Each method is one atomic step, and a write is durable and visible to all who ask later when it returns.

    :raises UnavailableError: of any method: nothing was changed, and it may be tried again.
    :raises PoisonedError: of any write: it may or may not be durable; the store takes no more writes.
    """

    async def attach_function(self, row: FunctionRow, output: CollectionRow) -> None:
        """Create the output collection and attach the function, in one step. It ends when either of its collections is deleted.

        :raises UniqueConstraintError: the collection has a function already, or the output's name is taken.
        :raises NotFoundError: the collection is gone.
        """

    async def detach_function(self, id: UUID) -> None:
        """The output collection stays. Does nothing for one that is gone."""

    async def complete_function(self, id: UUID, completed: Seq) -> None:
        """Set ``completed``. Does nothing for one that is gone."""

    async def list_functions(self) -> list[FunctionRow]:
        """Of all collections of all tenants."""
