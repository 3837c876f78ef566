"""Conditional reads and commits: JSON bytes <-> types, both ways."""

from __future__ import annotations

import orjson

from chroma_async.errors import InvalidArgumentError, UnprocessableError
from chroma_async.types import (
    CommitOutcome,
    ConditionalCommit,
    DeleteOperation,
    GetRequest,
    Json,
    Operation,
    Records,
    WriteKind,
    WriteOperation,
)
from chroma_async.wire.answers import read_answer, whole
from chroma_async.wire.body import dump_json, parse_body, required, strings, unexpected
from chroma_async.wire.requests import encode_get, encode_write, parse_delete, parse_get, parse_write
from chroma_async.wire.responses import encode_records, records_of

_COMMIT_FIELDS = ("read_token", "read_ids", "operations")


def parse_conditional_get(raw: bytes) -> tuple[GetRequest, int | None]:
    """The body of a get with a ``read_token`` or null."""
    token = parse_body(raw, ("read_token",)).fields.get("read_token")
    return parse_get(raw), None if token is None else _token(token)


def parse_conditional_commit(raw: bytes) -> ConditionalCommit:
    """``{"read_token", "read_ids", "operations": [{"operation", "payload"}]}``; a payload is the body of that verb's own route.

    :raises InvalidArgumentError: a deletion by filter, which cannot be part of a transaction.
    """
    body = parse_body(raw, _COMMIT_FIELDS)
    operations = required(body, "operations")
    if type(operations) is not list:
        raise unexpected("operations", "a list", operations)
    return ConditionalCommit(
        read_token=_token(required(body, "read_token")),
        read_ids=strings(body.fields.get("read_ids") or [], "read_ids"),
        operations=[_operation(item, f"operations[{index}]") for index, item in enumerate(operations)],
    )


def encode_conditional_get(request: GetRequest, read_token: int | None) -> bytes:
    """The body that :func:`parse_conditional_get` reads."""
    return dump_json({**orjson.loads(encode_get(request)), "read_token": read_token})


def encode_conditional_commit(commit: ConditionalCommit, *, base64: bool) -> bytes:
    """The body that :func:`parse_conditional_commit` reads."""
    operations: list[Json] = []
    for operation in commit.operations:
        if isinstance(operation, DeleteOperation):
            operations.append({"operation": "delete", "payload": {"ids": list(operation.ids)}})
        else:
            payload = orjson.loads(encode_write(operation.batch, base64=base64))
            operations.append({"operation": str(operation.kind), "payload": payload})
    return dump_json({"read_token": commit.read_token, "read_ids": commit.read_ids, "operations": operations})


def encode_conditional_records(records: Records, read_token: int) -> bytes:
    """The answer to a conditional get: a get result with its token."""
    return dump_json({**orjson.loads(encode_records(records)), "read_token": read_token})


def decode_conditional_records(raw: bytes) -> tuple[Records, int]:
    """The answer to a conditional get. :raises ProtocolError: it is none."""
    return read_answer(raw, "a conditional get result", lambda value: (records_of(value), whole(value["read_token"], "read_token")))


def encode_outcome(outcome: CommitOutcome) -> bytes:
    """The answer to a commit."""
    fields = {"first_inserted_record_offset": outcome.first_inserted_record_offset, "record_count": outcome.record_count}
    return dump_json(fields)


def decode_outcome(raw: bytes) -> CommitOutcome:
    """The answer to a commit. :raises ProtocolError: it is none."""
    return read_answer(raw, "the outcome of a commit", _outcome)


def _outcome(value: Json) -> CommitOutcome:
    first = value["first_inserted_record_offset"]
    return CommitOutcome(
        None if first is None else whole(first, "first_inserted_record_offset"), whole(value["record_count"], "record_count")
    )


def _operation(item: Json, path: str) -> Operation:
    if type(item) is not dict:
        raise unexpected(path, "an object", item)
    kind, payload = item.get("operation"), item.get("payload")
    if not isinstance(kind, str) or kind not in (*WriteKind, "delete"):
        raise UnprocessableError(f"{path}.operation: expected one of add, update, upsert, delete, found {kind!r:.40}")
    if type(payload) is not dict:
        raise unexpected(f"{path}.payload", "an object", payload)
    if kind == "delete":
        request = parse_delete(dump_json(payload))
        if request.where is not None or request.where_document is not None or not request.ids:
            raise InvalidArgumentError(f"{path}: a transaction deletes by ids; read what a filter means, then name the ids")
        return DeleteOperation(tuple(request.ids))
    verb = WriteKind(kind)
    return WriteOperation(verb, parse_write(dump_json(payload), verb))


def _token(value: Json) -> int:
    if type(value) is not int or value < 0:
        raise UnprocessableError(f"read_token: expected an integer from 0, found {value!r:.40}")
    return value
