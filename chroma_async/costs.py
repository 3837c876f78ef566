"""Here or in a thread? The one rule, and what work costs.

A hop to a thread and back takes some 60 microseconds, so small work is done at once, on the event loop. But nothing may keep the loop for
more than half a millisecond. Whoever has work whose size a caller decides says what it costs, by lengths and the table below, and
:func:`by_cost` decides.

The table holds microseconds for each unit of work: what it takes of the kinds that come up, the dearest of them, on one core of an AMD EPYC
(2 virtual cores, Linux, Python 3.11), measured by ``.venv/bin/python -m tests.bench.costs``. Odd work costs up to twice as much.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

from chroma_async.threads import Run

P = ParamSpec("P")
T = TypeVar("T")
Item = TypeVar("Item")

#: The most that work may cost which is done at once: half of what the loop may be kept for, as costs are estimates.
INLINE_US = 250.0
#: Work that costs more than this lets others have their turn first: pieces of one request that follow each other would add up.
ALONE_US = 125.0
#: Of what cannot be told beforehand: always in a thread.
UNKNOWN = math.inf

# ------------------------------------------------------------------------------------------------------------------------------ the wire

#: Reading a byte of JSON from elsewhere, columns and vectors included.
READ_BYTE = 0.0125
#: Reading a byte of the JSON of our own answers.
READ_ANSWER_BYTE = 0.005
#: A byte that comes out of a compressed body.
INFLATE_BYTE = 0.002
#: Writing a record, a number of a vector, a character of its text, a value of its metadata as JSON.
WRITE_ROW, WRITE_NUMBER, WRITE_CHARACTER, WRITE_VALUE = 0.2, 0.02, 0.0003, 0.03
#: Writing a collection with its schema as JSON.
WRITE_COLLECTION = 1.5

# --------------------------------------------------------------------------------------------------------------------------- a collection

#: Making a collection of its row of the catalog, whose columns hold JSON.
READ_COLLECTION = 15.0
#: Looking what is due in a loaded collection.
TICK_COLLECTION = 8.0

# -------------------------------------------------------------------------------------------------------------------------------- records

#: Checking a record, a number of its vector, a character of its text, a value of its metadata.
CHECK_ROW, CHECK_NUMBER, CHECK_CHARACTER, CHECK_VALUE = 0.1, 0.001, 0.0003, 0.2
#: Resolving and encoding a request, each of its rows, and each byte that they take in memory.
RESOLVE_REQUEST, RESOLVE_ROW, RESOLVE_BYTE = 30.0, 1.6, 0.001
#: Adding the rows of a request to a memtable, and for each byte; copying a byte of memory when it grows.
APPEND_REQUEST, APPEND_BYTE, COPY_BYTE = 10.0, 0.001, 0.0002
#: Hashing an id.
HASH_ID = 0.02

# ------------------------------------------------------------------------------------------------------------------------ what is asked

#: Parsing a node of a filter or a rank, and a number of a vector in it.
PARSE_NODE, PARSE_NUMBER = 0.8, 0.05

# -------------------------------------------------------------------------------------------------------------------- what a caller passes

#: Checking an id, a text, or a value of metadata; a value of a filter or a search, and a number of a vector in it.
CHECK_ARGUMENT, WALK_VALUE, WALK_NUMBER = 0.1, 0.7, 0.05
#: A number of a vector that comes in a list; and a sparse vector.
CONVERT_NUMBER, CHECK_SPARSE_VECTOR = 0.02, 30.0
#: Making a record of an answer one of a result.
RESULT_ROW = 0.3
#: Encrypting or decrypting a document or a field, and each of its characters.
ENCRYPT_VALUE, ENCRYPT_CHARACTER = 4.0, 0.01


async def by_cost(run: Run, cost_us: float, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of ``work``: done at once when that costs little, else by ``run``, a way to a thread.

    :param cost_us: what it costs about, in microseconds.
    """
    if cost_us > INLINE_US:
        return await run(work, *args, **kwargs)
    if cost_us > ALONE_US:
        await asyncio.sleep(0)
    return work(*args, **kwargs)


def items_at_once(item_us: float) -> int:
    """How many items that cost so much each may be worked on in one step of the loop."""
    return max(1, int(INLINE_US / item_us))


async def in_slices(items: Sequence[Item], item_us: float, work: Callable[[Item], T]) -> list[T]:
    """``work`` of each item, in order, on the event loop; others have their turn in between.

    :param item_us: what an item costs.
    """
    at_once = items_at_once(item_us)
    results: list[T] = []
    for start in range(0, len(items), at_once):
        if start:
            await asyncio.sleep(0)
        results += map(work, items[start : start + at_once])
    return results
