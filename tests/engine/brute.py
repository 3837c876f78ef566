"""What a search means, record by record in plain Python: the definition that the engine's arithmetic on supports is compared with."""

from __future__ import annotations

import math
from collections.abc import Sequence
from ctypes import c_float
from dataclasses import dataclass
from functools import cmp_to_key
from typing import Any

import numpy as np

from chroma_async.query_language.filter_evaluate import predicate
from chroma_async.query_language.filter_parse import parse as parse_filter

HIGHEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Record:
    """One record; ``age`` is its place in order of first insertion."""

    id: str
    age: int
    vector: list[float]
    metadata: dict[str, Any]
    document: str | None


def search(records: Sequence[Record], payload: dict[str, Any]) -> list[tuple[str, float]]:
    """(id, score) of the answer to a payload, in order."""
    where = payload.get("filter")
    passing = [r for r in records if where is None or predicate(parse_filter(where, None))(r.id, r.metadata, r.document)]
    if payload.get("rank") is None:
        scored = [(record, float(place)) for place, record in enumerate(passing)]
    else:
        rank = _with_neighbours(payload["rank"], passing)
        scored = [(r, s) for r in passing for named, s in [_score(rank, r)] if named and s is not None]
        scored.sort(key=lambda pair: (math.isnan(pair[1]), 0.0 if math.isnan(pair[1]) else pair[1], pair[0].age))
    group_by = payload.get("group_by") or {}
    if group_by:
        scored = _grouped(scored, group_by["keys"], group_by["aggregate"])
    window = payload.get("limit") or {}
    offset, limit = window.get("offset", 0), window.get("limit")
    return [(record.id, score) for record, score in scored[offset:][:limit]]


def f32(value: float) -> float:
    """The nearest float32."""
    return c_float(value).value


def _with_neighbours(node: dict[str, Any], records: Sequence[Record]) -> dict[str, Any]:
    """The expression with the answer of each ``$knn`` beside it."""
    ((operator, body),) = node.items()
    if operator == "$knn":
        distances = {record.id: _distance(body, record) for record in records}
        near = sorted((r for r in records if distances[r.id] is not None), key=lambda r: (distances[r.id], r.age))[: body.get("limit", 16)]
        scores = {r.id: float(place) if body.get("return_rank") else distances[r.id] for place, r in enumerate(near)}
        return {"$knn": {**body, "scores": scores}}
    if isinstance(body, list):
        return {operator: [_with_neighbours(inner, records) for inner in body]}
    if operator in ("$sub", "$div"):
        return {operator: {side: _with_neighbours(inner, records) for side, inner in body.items()}}
    return node if operator == "$val" else {operator: _with_neighbours(body, records)}


def _distance(body: dict[str, Any], record: Record) -> float | None:
    query = body["query"]
    if isinstance(query, list):
        return f32(sum((x - q) ** 2 for x, q in zip(record.vector, query, strict=True)))
    held = record.metadata.get(body["key"])
    if held is None:
        return None
    mine, theirs = (dict(zip(vector["indices"], vector["values"], strict=True)) for vector in (held, query))
    shared = mine.keys() & theirs.keys()
    return f32(1 - sum(mine[index] * theirs[index] for index in shared)) if shared else None


def _score(node: dict[str, Any], record: Record) -> tuple[bool, float | None]:
    """Whether the expression names the record itself, and its score there; ``None`` when it has none."""
    ((operator, body),) = node.items()
    if operator == "$val":
        return False, f32(body)
    if operator == "$knn":
        if record.id in body["scores"]:
            return True, body["scores"][record.id]
        default = body.get("default")
        return False, None if default is None else f32(default)
    if operator in ("$abs", "$exp", "$log"):
        named, score = _score(body, record)
        return named, None if score is None else _mapped(operator, score)
    if operator in ("$sub", "$div"):
        scores = [_score(body["left"], record), _score(body["right"], record)]
    else:
        scores = [(False, {"$sum": 0.0, "$mul": 1.0, "$max": -HIGHEST, "$min": HIGHEST}[operator]), *(_score(n, record) for n in body)]
    if any(score is None for _, score in scores):
        return False, None
    result = scores[0][1]
    for _, score in scores[1:]:
        assert result is not None
        assert score is not None
        result = _combined(operator, result, score)
    return any(named for named, _ in scores), result


def _mapped(operator: str, score: float) -> float:
    if operator == "$abs":
        return abs(score)
    # How the last bit of these two is rounded is NumPy's affair.
    with np.errstate(all="ignore"):
        return float((np.exp if operator == "$exp" else np.log)(np.float32(score)))


def _combined(operator: str, left: float, right: float) -> float:
    match operator:
        case "$sum":
            return f32(left + right)
        case "$sub":
            return f32(left - right)
        case "$mul":
            return f32(left * right)
        case "$div":
            if right == 0:
                return math.nan if left == 0 or math.isnan(left) else math.inf * math.copysign(1, left) * math.copysign(1, right)
            return f32(left / right)
        case _:
            if math.isnan(left) or math.isnan(right):
                return right if math.isnan(left) else left
            return max(left, right) if operator == "$max" else min(left, right)


def _grouped(scored: list[tuple[Record, float]], keys: list[str], aggregate: dict[str, Any]) -> list[tuple[Record, float]]:
    ((operator, body),) = aggregate.items()
    sign = -1 if operator == "$max_k" else 1
    groups: list[list[tuple[Record, float]]] = []
    for pair in scored:
        for group in groups:
            if all(_order(pair[0].metadata.get(key), group[0][0].metadata.get(key)) == 0 for key in keys):
                group.append(pair)
                break
        else:
            groups.append([pair])

    def compare(left: tuple[Record, float], right: tuple[Record, float]) -> int:
        for key in body["keys"]:
            values = [score if key == "#score" else record.metadata.get(key) for record, score in (left, right)]
            found = _order(*values)
            if found:
                return sign * found
        return 0

    kept = [pair for group in groups for pair in sorted(group, key=cmp_to_key(compare))[: body["k"]]]
    return [pair for pair in scored if pair in kept]


def _order(left: Any, right: Any) -> int:
    """Missing, then booleans, numbers, strings, lists; within each by value."""
    families = [None.__class__, bool, (int, float), str, list]
    first, second = (next(place for place, kind in enumerate(families) if isinstance(value, kind)) for value in (left, right))
    if first != second:
        return -1 if first < second else 1
    if left is None or left == right:
        return 0
    if isinstance(left, float) and isinstance(right, float) and (math.isnan(left) or math.isnan(right)):
        return math.isnan(left) - math.isnan(right)
    return -1 if left < right else 1
