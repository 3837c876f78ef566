"""Groups of scored rows: rows with equal metadata under some keys, and the best few of each group."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from chroma_async.query_language.search_ast import SCORE, Aggregate
from chroma_async.types import Floats, Ints, Metadata, MetadataValue

#: A value in the one order that all values have: the family first, then the value within it.
Ordered: TypeAlias = tuple[Any, ...]

_MISSING: Ordered = (0,)
#: Families from low to high. Integers and floats compare by value, so 1 and 1.0 are equal; true is neither.
_FAMILIES: dict[type, int] = {bool: 1, int: 2, float: 2, str: 3}
_ARRAY, _SPARSE = 4, 5


def group(keys: Sequence[str], aggregate: Aggregate, metadatas: Sequence[Metadata | None], scores: Floats) -> Ints:
    """Which rows stay, as ascending indices.

    :param keys: rows with equal values under all of them are a group; a row without a key is equal to the others without it.
    :param metadatas: one per row; the rows in the order of their scores.
    :param scores: one per row.

    The first ``aggregate.k`` rows of each group stay, sorted by the aggregate's keys; a missing value is lower than any other. Of equal
    rows those with the lower score come first, in both directions.
    """
    groups: dict[Ordered, list[int]] = {}
    for row, metadata in enumerate(metadatas):
        groups.setdefault(_values(keys, metadata, 0.0), []).append(row)
    kept: list[int] = []
    for rows in groups.values():
        if len(rows) > aggregate.k:
            rows.sort(key=lambda row: _values(aggregate.keys, metadatas[row], float(scores[row])), reverse=aggregate.largest)
        kept.extend(rows[: aggregate.k])
    return np.array(sorted(kept), dtype=np.int64)


def _values(keys: Sequence[str], metadata: Metadata | None, score: float) -> Ordered:
    known = metadata or {}
    return tuple(_score(score) if key == SCORE else _MISSING if key not in known else _ordered(known[key]) for key in keys)


def _score(score: float) -> Ordered:
    """NaN is higher than any number."""
    return (2, math.inf if math.isnan(score) else score, math.isnan(score))


def _ordered(value: MetadataValue) -> Ordered:
    if isinstance(value, list):
        return (_ARRAY, tuple(map(_ordered, value)))
    if isinstance(value, dict):
        return (_SPARSE, tuple(value["indices"]), tuple(value["values"]))
    return (_FAMILIES[type(value)], value)
