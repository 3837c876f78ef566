"""A probe: requests put to a server, and what their answers say once everything that differs from run to run is taken out."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.compat.raw import DATABASE, DROPPED, JSON_TYPE, Answer, Raw

#: Headers that are part of the contract.
HEADERS = ("content-type", "allow", "location", "access-control-allow-origin")
TRACE_ID_LENGTH = 32
EVERYTHING = ["documents", "metadatas", "embeddings", "uris"]

RECORDS = {
    "ids": ["ant", "bee", "cat", "dog", "eel", "Ωμέγα 🦊"],
    "embeddings": [[0, 1], [1, 0.5], [0, 2.25], [3, 0], [0, 4], [5.5, 0]],
    "documents": [
        "An ant carries leaves",
        "A bee makes honey",
        "A cat drinks milk\nand sleeps",
        "A dog eats MEAT",
        None,
        "50% naïve_fox 日本語",
    ],
    "metadatas": [
        {"legs": 6, "weight": 0.01, "tame": False, "kind": "insect"},
        {"legs": 6, "weight": 2, "tame": True, "kind": "insect"},
        {"legs": 4, "weight": 4.5, "tame": True, "kind": "mammal", "colours": ["black", "white"]},
        {"legs": 4.0, "weight": 20.0, "kind": "mammal", "colours": ["brown"], "flags": [True, False]},
        None,
        {"legs": "4", "kind": "日本", "years": [1, 2, 3], "ratios": [0.5, 1]},
    ],
    "uris": ["u:ant", None, None, None, None, "u:fox"],
}


@dataclass(frozen=True)
class Call:
    """A request. A path begins with ``C`` (the collection), ``~`` (the database) or ``/``; in path and body ``<name>`` stands for the
    name of the stage's collection and ``<id>`` for its id."""

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=lambda: JSON_TYPE)


def post(path: str, body: Any = None, **headers: str) -> Call:
    """A POST of JSON, or of bytes as they are."""
    return call("POST", path, body, **headers)


def get(path: str) -> Call:
    """A GET."""
    return Call("GET", path)


def call(method: str, path: str, body: Any = None, **headers: str) -> Call:
    """A request of any method; a header ``content_type=""`` leaves the content type out."""
    raw = body if body is None or isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    given = {"Content-Type": "application/json"} | {name.replace("_", "-").title(): value for name, value in headers.items()}
    return Call(method, path, raw, {name: value for name, value in given.items() if value})


RESET = "/api/v2/reset"

#: Looks at all of a collection, as a follow-up.
LOOK = post("C/get", {"include": EVERYTHING})
COUNT = get("C/count")
SELF = get("~/collections/by-id/<id>")


@dataclass(frozen=True)
class Probe:
    """Requests that belong together, and what this project answers to the middle one.

    ``stage``: ``filled`` (a new collection that holds RECORDS), ``empty`` (a new collection), ``none``, or ``read`` (as ``filled``, shared
    by probes that change nothing). ``says`` is text that the error's message holds, whatever its case.
    """

    name: str
    call: Call
    status: int
    error: str | None = None
    says: str = ""
    stage: str = "filled"
    before: tuple[Call, ...] = ()
    after: tuple[Call, ...] = ()
    #: What the stage's collection is created with.
    settings: Mapping[str, Any] = field(default_factory=dict)


class Stage:
    """Plays probes on one server. Names depend on the probe alone, so that two servers are told the same."""

    def __init__(self, raw: Raw) -> None:
        self.raw = raw
        self._read: tuple[str, str] | None = None

    def ask(self, probe: Probe, number: int) -> tuple[list[Answer], str]:
        """The answers to the middle request and its follow-ups, and the path of the stage's collection."""
        name, path = self._set(probe, f"stage-{number}")
        for each in probe.before:
            self._send(each, name, path)
        answers = [self._send(each, name, path) for each in (probe.call, *probe.after)]
        if probe.call.path == RESET and answers[0].status == 200:
            self._read = None
        return answers, path

    def play(self, probe: Probe, number: int) -> list[dict[str, Any]]:
        """As :meth:`ask`, comparable between servers."""
        answers, path = self.ask(probe, number)
        return [comparable(answer, path) for answer in answers]

    def _set(self, probe: Probe, name: str) -> tuple[str, str]:
        if probe.stage == "none":
            return name, ""
        if probe.stage == "empty":
            return name, self.raw.create(name, **probe.settings)
        if probe.stage == "filled":
            return name, self._filled(name, probe.settings)
        if self._read is None:
            self._read = "stage-read", self._filled("stage-read", probe.settings)
        return self._read

    def _filled(self, name: str, settings: Mapping[str, Any]) -> str:
        path = self.raw.create(name, metadata={"subject": "animals"}, **settings)
        self.raw.json("POST", f"{path}/add", RECORDS)
        return path

    def _send(self, each: Call, name: str, path: str) -> Answer:
        target = each.path
        if target.startswith("C"):
            target = path + target[1:]
        elif target.startswith("~"):
            target = DATABASE + target[1:]
        id = path.rpartition("/")[2]
        target = target.replace("<name>", name).replace("<id>", id)
        body = each.body and each.body.replace(b"<name>", name.encode()).replace(b"<id>", id.encode())
        return self.raw.send(each.method, target, body, each.headers)


#: Stands for RECORDS as LOOK shows them.
UNTOUCHED = "<the six records>"


def _untouched() -> dict[str, Any]:
    columns = {name: RECORDS[name] for name in ("ids", *EVERYTHING)}
    columns["metadatas"] = [each and {**each, **({"ratios": [0.5, 1.0]} if "ratios" in each else {})} for each in RECORDS["metadatas"]]  # type: ignore[misc]
    return {**columns, "include": EVERYTHING}


def comparable(answer: Answer, path: str = "") -> dict[str, Any]:
    """Status, headers that matter and body, without ids, clocks and the wording of messages."""
    if answer.status == DROPPED:
        return {"status": DROPPED}
    seen: dict[str, Any] = {"status": answer.status}
    headers = {name: answer.headers[name] for name in HEADERS if name in answer.headers}
    if headers.get("content-type") == "application/json":
        del headers["content-type"]
    if "allow" in headers:
        headers["allow"] = ",".join(sorted(headers["allow"].replace(" ", "").split(",")))
    if answer.status >= 400 and len(answer.headers.get("chroma-trace-id", "")) != TRACE_ID_LENGTH:
        headers["chroma-trace-id"] = "<none>"
    if headers:
        seen["headers"] = headers
    if answer.error is not None and answer.body.keys() == {"error", "message"}:
        seen["error"] = answer.error
    elif answer.body is not None:
        body = _without_chance(answer.body, path.rpartition("/")[2], failed=answer.status >= 400)
        seen["body"] = UNTOUCHED if body == _untouched() else body
    return seen


def _without_chance(value: Any, id: str, *, failed: bool, key: str = "") -> Any:
    if isinstance(value, dict):
        if value.keys() == {"config", "enabled"} and not value["config"]:
            return "on" if value["enabled"] else "off"  # an index of a schema; there are many
        return {name: _without_chance(inner, id, failed=failed, key=name) for name, inner in sorted(value.items())}
    if isinstance(value, list):
        return [_without_chance(inner, id, failed=failed, key=key) for inner in value]
    if failed and key != "error":
        return "<text>"
    if key == "distances" and isinstance(value, float):
        return float(f"{value:.5g}")
    if key == "num_threads" and value == os.cpu_count():
        return "<processors>"
    if key == "nanosecond heartbeat":
        return "<clock>"
    if key in ("version", "log_position") and isinstance(value, int):
        return 0  # as Chroma's single node always says; here it is how far compaction has come by now
    if key == "id" and value != "00000000-0000-0000-0000-000000000000":
        return "<id>"
    return value.replace(id, "<id>") if isinstance(value, str) and id else value
