"""Attached functions: JSON bytes <-> types, both ways."""

from __future__ import annotations

from dataclasses import dataclass, fields
from uuid import UUID

from chroma_async.types import Attachment, FunctionInfo, Json
from chroma_async.wire.answers import read_answer
from chroma_async.wire.body import dump_json, optional_object, parse_body, required, text, unexpected


@dataclass(frozen=True, slots=True)
class AttachFunction:
    """The body of an attach request."""

    name: str
    function_id: str
    output_collection: str
    params: dict[str, Json] | None = None


def parse_attach_function(raw: bytes) -> AttachFunction:
    """``{"name", "function_id", "output_collection", "params"}``; params may be null or absent."""
    body = parse_body(raw, ("name", "function_id", "output_collection", "params"))
    return AttachFunction(
        name=text(required(body, "name"), "name"),
        function_id=text(required(body, "function_id"), "function_id"),
        output_collection=text(required(body, "output_collection"), "output_collection"),
        params=optional_object(body.fields.get("params"), "params"),
    )


def encode_attach_function(request: AttachFunction) -> bytes:
    """The body that :func:`parse_attach_function` reads."""
    names = ("name", "function_id", "output_collection", "params")
    return dump_json({name: getattr(request, name) for name in names})


def encode_attachment(attachment: Attachment) -> bytes:
    """The answer to attach."""
    about = {"id": attachment.id, "name": attachment.name, "function_name": attachment.function_name}
    return dump_json({"attached_function": about, "created": attachment.created})


def decode_attachment(raw: bytes) -> Attachment:
    """The answer to attach; a server that does not say whether it is new means that it is. :raises ProtocolError: it is none."""

    def build(answer: Json) -> Attachment:
        about = answer["attached_function"]
        return Attachment(UUID(about["id"]), str(about["name"]), str(about["function_name"]), bool(answer.get("created", True)))

    return read_answer(raw, "an attached function", build)


def encode_function(info: FunctionInfo) -> bytes:
    """The answer to get."""
    return dump_json({"attached_function": {field.name: getattr(info, field.name) for field in fields(info)}})


def decode_function(raw: bytes) -> FunctionInfo:
    """The answer to get. :raises ProtocolError: it is none."""

    def build(answer: Json) -> FunctionInfo:
        about = answer["attached_function"]
        params = about.get("params")
        return FunctionInfo(
            id=UUID(about["id"]),
            name=str(about["name"]),
            function_name=str(about["function_name"]),
            input_collection_id=UUID(about["input_collection_id"]),
            output_collection=str(about["output_collection"]),
            output_collection_id=UUID(about["output_collection_id"]),
            params=None if params is None else str(params),
            tenant_id=str(about["tenant_id"]),
            database_id=str(about["database_id"]),
            completion_offset=int(about["completion_offset"]),
            min_records_for_invocation=int(about["min_records_for_invocation"]),
        )

    return read_answer(raw, "a function", build)


def parse_detach_function(raw: bytes) -> bool:
    """``{"delete_output"}``, false when absent."""
    delete_output = parse_body(raw, ("delete_output",)).fields.get("delete_output", False)
    if type(delete_output) is not bool:
        raise unexpected("delete_output", "a boolean", delete_output)
    return delete_output


def encode_detach_function(delete_output: bool) -> bytes:
    """The body that :func:`parse_detach_function` reads."""
    return dump_json({"delete_output": delete_output})


def encode_detached(success: bool) -> bytes:
    """The answer to detach."""
    return dump_json({"success": success})


def decode_detached(raw: bytes) -> bool:
    """The answer to detach. :raises ProtocolError: it is none."""
    return read_answer(raw, "whether a function was detached", lambda answer: bool(answer["success"]))
