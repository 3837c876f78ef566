"""The embedding function a collection remembers. It is a label for clients: nothing here, or in the server, ever builds or runs one."""

from __future__ import annotations

from chroma_async.schema.json_shape import read_choice, read_object, read_string, refuse
from chroma_async.types import Json

#: The name under which clients persist the function they fall back to.
DEFAULT_NAME = "default"
UNKNOWN: dict[str, Json] = {"type": "unknown"}


def read_embedding_function(value: Json, path: str) -> dict[str, Json]:
    """One of ``{"type": "legacy"}``, ``{"type": "unknown"}`` and ``{"type": "known", "name": str, "config": any}``.

    ``config`` is opaque and kept as it is. Members beyond these are left out.

    :raises UnprocessableError: any other shape.
    """
    fields = read_object(value, path)
    if "type" not in fields:
        refuse(path, "missing field 'type'")
    kind = read_choice(fields["type"], f"{path}.type", ("legacy", "known", "unknown"))
    if kind != "known":
        return {"type": kind}
    for name in ("name", "config"):
        if name not in fields:
            refuse(path, f"missing field '{name}'")
    return {"type": kind, "name": read_string(fields["name"], f"{path}.name"), "config": fields["config"]}


def is_default_function(value: Json) -> bool:
    """Whether it says no more than that the client chose none: absent, unknown, or the client's fallback."""
    return value is None or value["type"] == "unknown" or (value["type"] == "known" and value["name"] == DEFAULT_NAME)
