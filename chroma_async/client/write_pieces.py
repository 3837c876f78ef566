"""A write of any size over HTTP: sent in pieces that the server takes, in order, each all or nothing.

A server advises how many rows a request should have, and refuses bodies beyond a size that it does not tell. So a batch is cut by rows
first; a piece whose body is larger than ours may be, or is refused with 413, is cut in two, down to single rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace

from chroma_async.errors import BatchSizeExceededError, ChromaError, PayloadTooLargeError
from chroma_async.types import RecordBatch, WriteCounts

#: Bytes of one body above which it is cut before it is sent. Chroma's servers, and ours, take 40 MiB unless told otherwise.
BODY_BYTES = 32 * 2**20

#: The body of a piece; and what the server answers to it.
Encode = Callable[[RecordBatch], Awaitable[bytes]]
Send = Callable[[bytes], Awaitable[WriteCounts]]


async def write_in_pieces(batch: RecordBatch, most_rows: int, encode: Encode, send: Send) -> WriteCounts:
    """Write all rows of ``batch`` in their order, ``most_rows`` in one request at the most; the counts of all of them together.

    :raises ChromaError: what the first failing piece raises, with :attr:`~chroma_async.errors.ChromaError.records_written` and a sentence
        about it when earlier pieces were written: rows before that are in the store, those behind were not sent.
    """
    rows = len(batch.ids)
    waiting = deque((start, min(start + most_rows, rows)) for start in range(0, rows, most_rows)) or deque([(0, 0)])
    counts = WriteCounts(0, 0)
    while waiting:
        start, stop = waiting.popleft()
        try:
            body = await encode(batch if stop - start == rows else piece(batch, start, stop))
            if len(body) > BODY_BYTES and stop - start > 1:
                waiting.extendleft(_halves(start, stop))
                continue
            found = await send(body)
        except (PayloadTooLargeError, BatchSizeExceededError) as error:
            if stop - start <= 1:
                raise _partly(error, start, rows) from None
            waiting.extendleft(_halves(start, stop))
            continue
        except ChromaError as error:
            raise _partly(error, start, rows) from None
        counts = WriteCounts(counts.inserted + found.inserted, counts.updated + found.updated)
    return counts


def piece(batch: RecordBatch, start: int, stop: int) -> RecordBatch:
    """Rows ``start`` to ``stop`` of ``batch``."""
    rows = slice(start, stop)
    return replace(
        batch,
        ids=batch.ids[rows],
        embeddings=None if batch.embeddings is None else batch.embeddings[rows],
        present=None if batch.present is None else batch.present[rows],
        documents=None if batch.documents is None else batch.documents[rows],
        uris=None if batch.uris is None else batch.uris[rows],
        metadatas=None if batch.metadatas is None else batch.metadatas[rows],
        expires_at=None if batch.expires_at is None else batch.expires_at[rows],
    )


def _halves(start: int, stop: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Both halves, the later one first, as they are put in front of what waits."""
    middle = (start + stop) // 2
    return (middle, stop), (start, middle)


def _partly(error: ChromaError, written: int, rows: int) -> ChromaError:
    """``error``, which says how far the write had come."""
    if written:
        error.records_written = written
        error.args = (f"{error.message()} (the first {written} of {rows} records were written; those from ids[{written}] on were not)",)
    return error
