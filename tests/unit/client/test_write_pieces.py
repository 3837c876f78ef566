"""Writes that are sent in pieces: which pieces, in which order, and what is said when one of them fails."""

from __future__ import annotations

import numpy as np
import pytest

from chroma_async.client import write_pieces
from chroma_async.client.write_pieces import piece, write_in_pieces
from chroma_async.errors import ChromaError, PayloadTooLargeError, UnavailableError
from chroma_async.types import RecordBatch, WriteCounts


def batch(rows: int) -> RecordBatch:
    return RecordBatch(ids=[str(row) for row in range(rows)], embeddings=np.arange(rows, dtype=np.float32)[:, None])


class Server:
    """Takes bodies of at most ``most`` ids, written with commas; refuses the one that holds the id ``bad``."""

    def __init__(self, most: int = 1000, bad: str | None = None) -> None:
        self.most, self.bad = most, bad
        self.taken: list[list[str]] = []
        self.asked = 0

    async def encode(self, rows: RecordBatch) -> bytes:
        return ",".join(rows.ids).encode()

    async def send(self, body: bytes) -> WriteCounts:
        self.asked += 1
        ids = body.decode().split(",") if body else []
        if len(ids) > self.most:
            raise PayloadTooLargeError("too large")
        if self.bad in ids:
            raise UnavailableError("the disk is full")
        self.taken.append(ids)
        return WriteCounts(len(ids), 0)


async def write(server: Server, rows: int, most_rows: int) -> WriteCounts:
    return await write_in_pieces(batch(rows), most_rows, server.encode, server.send)


@pytest.mark.parametrize(("rows", "sizes"), [(0, [0]), (1, [1]), (4, [4]), (5, [4, 1]), (9, [4, 4, 1])])
async def test_rows_go_in_order_as_many_at_once_as_the_server_advises(rows: int, sizes: list[int]) -> None:
    server = Server()
    counts = await write(server, rows, 4)
    assert [len(ids) for ids in server.taken] == sizes
    assert [id for ids in server.taken for id in ids] == [str(row) for row in range(rows)]
    assert counts == WriteCounts(rows, 0)


async def test_what_is_refused_as_too_large_is_cut_in_two_until_it_is_taken() -> None:
    server = Server(most=3)
    await write(server, 10, 100)
    assert [id for ids in server.taken for id in ids] == [str(row) for row in range(10)]
    assert max(len(ids) for ids in server.taken) <= 3


async def test_a_body_over_our_own_bound_is_cut_before_it_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_pieces, "BODY_BYTES", 8)
    server = Server()
    await write(server, 10, 100)
    assert server.asked == len(server.taken) == 4
    assert [id for ids in server.taken for id in ids] == [str(row) for row in range(10)]


async def test_a_single_row_that_is_too_large_is_refused_as_the_server_refuses_it() -> None:
    server = Server(most=0)
    with pytest.raises(PayloadTooLargeError) as refused:
        await write(server, 3, 2)
    assert refused.value.records_written is None
    assert str(refused.value) == "too large"


async def test_a_failure_midway_says_how_many_records_were_written_and_sends_no_more() -> None:
    server = Server(bad="5")
    with pytest.raises(UnavailableError) as failed:
        await write(server, 9, 2)
    error: ChromaError = failed.value
    assert error.records_written == 4
    assert str(error) == "the disk is full (the first 4 of 9 records were written; those from ids[4] on were not)"
    assert server.taken == [["0", "1"], ["2", "3"]]


def test_a_piece_has_its_part_of_every_column() -> None:
    whole = RecordBatch(
        ids=["a", "b", "c"],
        embeddings=np.eye(3, dtype=np.float32),
        present=np.array([True, False, True]),
        documents=["x", None, "z"],
        uris=[None, "u", None],
        metadatas=[{"n": 1}, None, {"n": 3}],
        expires_at=[1.0, None, 3.0],
    )
    part = piece(whole, 1, 3)
    assert (part.ids, part.documents, part.uris) == (["b", "c"], [None, "z"], ["u", None])
    assert (part.metadatas, part.expires_at) == ([None, {"n": 3}], [None, 3.0])
    assert part.embeddings is not None
    assert part.present is not None
    assert part.embeddings.tolist() == [[0, 1, 0], [0, 0, 1]]
    assert part.present.tolist() == [False, True]
