from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_async.costs import INLINE_US
from chroma_async.errors import ProtocolError
from chroma_async.types import CollectionInfo, Database, Health, Identity, Neighbours, Preflight, Records, Rows, SearchRows, Tenant
from chroma_async.wire import collections as wire
from chroma_async.wire.responses import (
    decode_neighbours,
    decode_records,
    decode_searches,
    encode_neighbours,
    encode_records,
    encode_searches,
    encoding_us,
)

INFO = CollectionInfo(UUID(int=7), "name", "tenant", "database", {"a": 1.5}, {"hnsw": {"space": "l2"}}, {"defaults": {}}, 3, 5, 2)


def test_a_get_result_reads_back_as_it_was_written() -> None:
    rows = Rows(["a", "b"], np.array([[0.1, 2], [3, 4]], dtype=np.float32), ["d", None], [None, "u"], [{"k": [1, 2]}, None])
    back = decode_records(encode_records(Records(rows, ("embeddings", "documents", "uris", "metadatas"))))
    assert back.rows.embeddings is not None
    assert rows.embeddings is not None
    assert back.rows.embeddings.tobytes() == rows.embeddings.tobytes()
    assert (back.rows.ids, back.rows.documents, back.rows.uris, back.rows.metadatas) == (
        rows.ids,
        rows.documents,
        rows.uris,
        rows.metadatas,
    )
    assert back.include == ("embeddings", "documents", "uris", "metadatas")


def test_columns_that_were_not_included_are_null() -> None:
    value = json.loads(encode_records(Records(Rows(["a"]), ())))
    assert value == {"ids": ["a"], "embeddings": None, "documents": None, "uris": None, "metadatas": None, "include": []}
    value = json.loads(encode_neighbours(Neighbours([Rows(["a"])], ())))
    nothing = dict.fromkeys(("embeddings", "documents", "uris", "metadatas", "distances"))
    assert value == {"ids": [["a"]], "include": [], **nothing}


def test_a_query_result_reads_back_as_it_was_written() -> None:
    queries = [
        Rows(["a", "b"], None, ["d", None], None, [{"k": True}, None], np.array([0.25, 1.1], dtype=np.float32)),
        Rows([], None, [], None, [], np.zeros(0, dtype=np.float32)),
    ]
    back = decode_neighbours(encode_neighbours(Neighbours(queries, ("documents", "metadatas", "distances"))))
    assert [rows.ids for rows in back.queries] == [["a", "b"], []]
    assert back.queries[0].metadatas == [{"k": True}, None]
    assert back.queries[0].distances is not None
    assert back.queries[0].distances.tobytes() == queries[0].distances.tobytes()  # type: ignore[union-attr]
    assert back.queries[1].embeddings is None


def test_no_query_at_all_gives_empty_outer_lists() -> None:
    value = json.loads(encode_neighbours(Neighbours([], ("documents",))))
    assert (value["ids"], value["documents"], value["distances"]) == ([], [], None)


@settings(deadline=None, derandomize=True, max_examples=100)
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_float32_is_written_as_the_shortest_text_that_reads_back(values: list[float]) -> None:
    vector = np.array([values], dtype=np.float32)
    text = encode_records(Records(Rows(["a"], vector), ("embeddings",)))
    assert decode_records(text).rows.embeddings.tobytes() == vector.tobytes()  # type: ignore[union-attr]
    for number, value in zip(json.loads(text, parse_float=Decimal)["embeddings"][0], values, strict=True):
        assert significant_digits(number) <= significant_digits(Decimal(str(np.float32(value))))


def significant_digits(number: Decimal) -> int:
    return len(number.normalize().as_tuple().digits)


def test_a_strided_matrix_and_a_distance_that_is_not_finite_are_written() -> None:
    strided = np.arange(8, dtype=np.float32).reshape(2, 4)[:, ::2]
    assert json.loads(encode_records(Records(Rows(["a", "b"], strided), ("embeddings",))))["embeddings"] == [[0, 2], [4, 6]]
    rows = Rows(["a"], distances=np.array([np.inf], dtype=np.float32))
    assert json.loads(encode_neighbours(Neighbours([rows], ("distances",))))["distances"] == [[None]]


def test_the_cost_of_an_answer_grows_with_its_rows_texts_vectors_and_metadata() -> None:
    small = Rows(["a"] * 10, np.zeros((10, 384), np.float32), ["x"] * 10, metadatas=[{"a": 1}] * 10)
    large = (
        Rows(["a"] * 2000),
        Rows(["a"], documents=["x" * 1_000_000]),
        Rows(["a"] * 50, np.zeros((50, 384), np.float32)),
        Rows(["a"] * 10, metadatas=[{f"key{n}": n for n in range(1000)}] * 10),
    )
    assert encoding_us(small) < INLINE_US < min(map(encoding_us, large))


def test_everything_with_a_name_reads_back_as_it_was_written() -> None:
    database = Database(UUID(int=1), "db", "tenant")
    assert wire.decode_collection(wire.encode_collection(INFO)) == INFO
    assert wire.decode_collections(wire.encode_collections([INFO, INFO])) == [INFO, INFO]
    assert wire.decode_tenant(wire.encode_tenant(Tenant("t", "r"))) == Tenant("t", "r")
    assert wire.decode_database(wire.encode_database(database)) == database
    assert wire.decode_databases(wire.encode_databases([database])) == [database]
    assert wire.decode_identity(wire.encode_identity(Identity("", "t", ["d"]))) == Identity("", "t", ["d"])
    assert wire.decode_preflight(wire.encode_preflight(Preflight(5461, True))) == Preflight(5461, True)
    assert wire.decode_health(wire.encode_health(Health(True, False))) == Health(True, False)
    assert wire.decode_heartbeat(wire.encode_heartbeat(12)) == 12
    assert wire.decode_deleted(wire.encode_deleted(3)) == 3
    assert wire.decode_integer(b"5") == 5
    assert wire.decode_text(b'"1.0.0"') == "1.0.0"
    assert wire.decode_boolean(b"true") is True


def test_a_version_stays_within_the_integers_that_clients_read_it_as() -> None:
    long_lived = replace(INFO, version=2**40, log_position=2**40)
    assert json.loads(wire.encode_collection(long_lived))["version"] == 2**31 - 1
    assert json.loads(wire.encode_collection(long_lived))["log_position"] == 2**40


def test_a_collection_is_written_with_chromas_members() -> None:
    assert set(json.loads(wire.encode_collection(INFO))) == {
        "id", "name", "configuration_json", "schema", "metadata", "dimension", "tenant", "database", "log_position", "version",
    }  # fmt: skip


def test_answers_of_older_servers_are_understood() -> None:
    assert wire.decode_preflight(b'{"max_batch_size": 100}') == Preflight(100, False)
    old = json.dumps({"id": str(UUID(int=7)), "name": "n", "tenant": "t", "database": "d"}).encode()
    assert wire.decode_collection(old).schema == {}
    assert wire.decode_deleted(b"null") == 0


@pytest.mark.parametrize("raw", [b"", b"<html>", b"[]", b"{}", b"5", b'{"ids": 5}', b'{"ids": ["a"], "documents": []}'])
def test_answers_that_are_not_chromas_are_protocol_errors(raw: bytes) -> None:
    for decode in (decode_records, wire.decode_collection, wire.decode_identity, wire.decode_boolean):
        with pytest.raises(ProtocolError, match="the answer is not"):
            decode(raw)


def test_a_query_result_with_too_few_lists_is_a_protocol_error() -> None:
    with pytest.raises(ProtocolError):
        decode_neighbours(b'{"ids": [["a"], ["b"]], "documents": [["x"]], "include": ["documents"]}')


def test_a_search_result_reads_back_as_it_was_written() -> None:
    vectors, scores = np.array([[0.1, 2]], dtype=np.float32), np.array([-0.3], dtype=np.float32)
    full = SearchRows(Rows(["a"], vectors, ["text"], None, [{"k": [1, 2]}]), scores, ("#document", "#embedding", "#metadata", "#score"))
    empty = SearchRows(Rows([], None, []), None, ("#document",))
    raw = encode_searches([full, empty])
    first, second = decode_searches(raw)
    assert first.rows.embeddings is not None
    assert first.scores is not None
    assert (first.rows.embeddings.tobytes(), first.scores.tobytes()) == (vectors.tobytes(), scores.tobytes())
    assert (first.rows.ids, first.rows.documents, first.rows.metadatas, first.select) == (["a"], ["text"], [{"k": [1, 2]}], full.select)
    assert (second.rows.ids, second.rows.documents, second.rows.metadatas, second.scores) == ([], [], None, None)
    assert json.loads(raw)["metadatas"] == [[{"k": [1, 2]}], None]


@pytest.mark.parametrize("raw", [b"{}", b"[]", b'{"ids":[["a"]],"documents":[null],"embeddings":[null],"metadatas":[[]],"scores":[null]}'])
def test_what_is_no_search_result_is_a_protocol_error(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_searches(raw)
