"""From the JSON of search payloads to their trees. The only place where a search is refused for its form.

::

    payload  := {"filter": where | {} | null, "rank": rank | null, "group_by": {...}, "limit": {"offset": n, "limit": n | null},
                 "select": {"keys": [...]}}                                                               all optional
    rank     := {"$knn": {"query": [number] | sparse, "key": "#embedding", "limit": 16, "default": null, "return_rank": false}}
              | {"$val": number} | {"$sum" | "$mul" | "$max" | "$min": [rank]} | {"$sub" | "$div": {"left": rank, "right": rank}}
              | {"$abs" | "$exp" | "$log": rank}
    sparse   := {"#type": "sparse_vector"?, "indices": [u32], "values": [number], "tokens": [text]?}
    group_by := {} | {"keys": [field], "aggregate": {"$min_k" | "$max_k": {"keys": [field | "#score"], "k": n}}}

Two steps, as Chroma takes them: :func:`parse` judges shape (422; a node that is no object with one member counts as bad JSON and is a
400), before it is known whether the collection exists; :func:`check` holds what has the right shape to the rules (400).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import TypeVar

import numpy as np

from chroma_async.errors import InvalidArgumentError, UnprocessableError
from chroma_async.plain import MAX_LEVELS
from chroma_async.query_language.filter_ast import Filter
from chroma_async.query_language.filter_parse import parse as parse_filter
from chroma_async.query_language.search_ast import (
    SCORE,
    SPECIAL_KEYS,
    Aggregate,
    DenseKnn,
    Fold,
    FoldOperator,
    GroupBy,
    Map,
    MapOperator,
    Pair,
    PairOperator,
    Rank,
    Search,
    SparseKnn,
    Val,
    knns,
)
from chroma_async.rust_regex.patterns import MAX_PATTERN_CHARS
from chroma_async.schema.sparse import check_sparse, looks_sparse
from chroma_async.types import EMBEDDING_KEY, JSON_KINDS, U32_LIMIT, Floats, Json

T = TypeVar("T")

DEFAULT_LIMIT = 16

_NUMBERS: frozenset[type] = frozenset({int, float})
_FOLDS: dict[str, FoldOperator] = {"$sum": "sum", "$mul": "mul", "$max": "max", "$min": "min"}
_PAIRS: dict[str, PairOperator] = {"$sub": "sub", "$div": "div"}
_MAPS: dict[str, MapOperator] = {"$abs": "abs", "$exp": "exp", "$log": "log"}
_AGGREGATES = {"$min_k": False, "$max_k": True}


def parse(searches: Json, max_pattern_chars: int = MAX_PATTERN_CHARS) -> list[Search]:
    """Read a list of payloads. What they hold has the right shape then, and may still break a rule.

    :param max_pattern_chars: characters of a pattern in a filter at the most.

    :raises UnprocessableError: the shape is wrong; the message names the place.
    :raises InvalidArgumentError: where Chroma's reader takes a wrong shape for a syntax error, or a rank nests too deep.
    """
    return [_search(payload, f"searches[{index}]", max_pattern_chars) for index, payload in enumerate(_list(searches, "searches"))]


def check(searches: Sequence[Search]) -> None:
    """:raises InvalidArgumentError: a payload breaks a rule of grouping or of vectors; the message names the place."""
    for index, search in enumerate(searches):
        _check_grouping(search, f"searches[{index}]")
        for knn in knns(search.rank):
            _check_knn(knn, f"searches[{index}].rank")


# --------------------------------------------------------------------------------------------------------------------------------- shape


def _search(payload: Json, path: str, max_pattern_chars: int) -> Search:
    fields = _object(payload, path)
    offset, limit = _window(fields, path)
    return Search(
        filter=_filter(fields.get("filter"), f"{path}.filter", max_pattern_chars),
        rank=None if fields.get("rank") is None else _rank(fields["rank"], f"{path}.rank", 1),
        group_by=_member(fields, "group_by", path, _group_by, GroupBy()),
        offset=offset,
        limit=limit,
        select=_member(fields, "select", path, _select, ()),
    )


def _filter(where: Json, path: str, max_pattern_chars: int) -> Filter | None:
    if where is None or where == {}:
        return None
    try:
        return parse_filter(where, None, max_pattern_chars=max_pattern_chars)
    except InvalidArgumentError as error:
        raise UnprocessableError(f"{path}: {error.message()}") from None


def _window(fields: dict[str, Json], path: str) -> tuple[int, int | None]:
    if "limit" not in fields:
        return 0, None
    path = f"{path}.limit"
    window = _object(fields["limit"], path)
    limit = None if window.get("limit") is None else _u32(window["limit"], f"{path}.limit")
    return _member(window, "offset", path, _u32, 0), limit


def _select(value: Json, path: str) -> tuple[str, ...]:
    return tuple(sorted(set(_texts(_object(value, path).get("keys", []), f"{path}.keys"))))


def _group_by(value: Json, path: str) -> GroupBy:
    fields = _object(value, path)
    aggregate = fields.get("aggregate")
    return GroupBy(
        keys=tuple(_texts(fields.get("keys", []), f"{path}.keys")),
        aggregate=None if aggregate is None else _aggregate(aggregate, f"{path}.aggregate"),
    )


def _aggregate(value: Json, path: str) -> Aggregate:
    operator, body = _variant(value, path, _AGGREGATES)
    path = f"{path}.{operator}"
    fields = _object(body, path)
    return Aggregate(
        keys=tuple(_texts(_required(fields, "keys", path), f"{path}.keys")),
        k=_u32(_required(fields, "k", path), f"{path}.k"),
        largest=_AGGREGATES[operator],
    )


def _rank(value: Json, path: str, level: int) -> Rank:
    if level > MAX_LEVELS:
        raise InvalidArgumentError(f"{path[:80]}...: a rank expression nests at most {MAX_LEVELS} levels")
    operator, body = _variant(value, path, _RANKS)
    path = f"{path}.{operator}"
    if operator in _FOLDS:
        ranks = [_rank(item, f"{path}[{index}]", level + 2) for index, item in enumerate(_list(body, path))]
        return Fold(_FOLDS[operator], tuple(ranks))
    if operator in _PAIRS:
        fields = _object(body, path)
        left, right = (_rank(_required(fields, side, path), f"{path}.{side}", level + 2) for side in ("left", "right"))
        return Pair(_PAIRS[operator], left, right)
    if operator in _MAPS:
        return Map(_MAPS[operator], _rank(body, path, level + 1))
    return Val(_number(body, path)) if operator == "$val" else _knn(body, path)


_RANKS = {"$knn", "$val", *_FOLDS, *_PAIRS, *_MAPS}


def _knn(value: Json, path: str) -> DenseKnn | SparseKnn:
    fields = _object(value, path)
    query = _required(fields, "query", path)
    key = _member(fields, "key", path, _text, EMBEDDING_KEY)
    limit = _member(fields, "limit", path, _u32, DEFAULT_LIMIT)
    default = None if fields.get("default") is None else _number(fields["default"], f"{path}.default")
    return_rank = _member(fields, "return_rank", path, _boolean, False)
    if looks_sparse(query):
        indices, tokens = np.array(query["indices"], dtype=np.int64), query.get("tokens")
        values = _floats(query["values"], f"{path}.query.values")
        return SparseKnn(key, indices, values, None if tokens is None else len(tokens), limit, default, return_rank)
    return DenseKnn(_vector(query, f"{path}.query"), limit, default, return_rank, key)


def _vector(value: Json, path: str) -> Floats:
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "fiu":
        return _floats(value, path)
    if not isinstance(value, list | tuple) or not _NUMBERS.issuperset(map(type, value)):
        raise _unexpected(path, "a list of numbers or a sparse vector", value)
    return _floats(value, path)


def _floats(values: Json, path: str) -> Floats:
    """float32; what is beyond its range becomes infinite, for :func:`check` to see."""
    try:
        with np.errstate(over="ignore"):
            return np.array(values, dtype=np.float64).astype(np.float32)
    except OverflowError:
        raise UnprocessableError(f"{path}: a number is beyond 64 bits") from None


# --------------------------------------------------------------------------------------------------------------------------------- rules


def _check_grouping(search: Search, path: str) -> None:
    keys, aggregate = search.group_by.keys, search.group_by.aggregate
    refusal = None
    if bool(keys) != (aggregate is not None):
        refusal = "keys and aggregate go together: give both or neither"
    elif aggregate is None:
        return
    elif not SPECIAL_KEYS.isdisjoint(keys):
        refusal = f"keys are metadata fields, not one of {', '.join(sorted(SPECIAL_KEYS))}"
    elif not aggregate.keys:
        refusal = "the aggregate needs at least one key"
    elif not (SPECIAL_KEYS - {SCORE}).isdisjoint(aggregate.keys):
        refusal = f"aggregate keys are metadata fields or {SCORE}"
    elif aggregate.k == 0:
        refusal = "the aggregate keeps at least one record of each group: k must be greater than 0"
    elif search.rank is None:
        refusal = "grouping needs a rank expression"
    if refusal is not None:
        raise InvalidArgumentError(f"Validation error: {path}.group_by: {refusal}")


def _check_knn(knn: DenseKnn | SparseKnn, path: str) -> None:
    if isinstance(knn, SparseKnn):
        tokens = None if knn.tokens is None else [""] * knn.tokens
        check_sparse(
            {"indices": knn.indices.tolist(), "values": knn.values.tolist(), "tokens": tokens}, f"Validation error: {path}: $knn query"
        )
        numbers = knn.values
    else:
        if knn.key != EMBEDDING_KEY:
            raise InvalidArgumentError(
                f"Validation error: {path}: a dense $knn query searches {EMBEDDING_KEY!r}; key {knn.key!r} takes a sparse vector"
            )
        numbers = knn.query
    if not np.isfinite(numbers).all():
        raise InvalidArgumentError(f"Validation error: {path}: $knn query holds NaN, infinity or a number beyond float32")


# --------------------------------------------------------------------------------------------------------------------------------- pieces


def _variant(value: Json, path: str, names: Sequence[str] | set[str] | dict[str, bool]) -> tuple[str, Json]:
    """The only member of an object that stands for one of several things."""
    if isinstance(value, dict) and len(value) == 1:
        name, body = next(iter(value.items()))
        if name in names:
            return name, body
    elif not isinstance(value, str):
        raise InvalidArgumentError(f"{path}: expected an object with exactly one of {', '.join(sorted(names))}")
    else:
        name = value
    raise UnprocessableError(f"{path}: expected one of {', '.join(sorted(names))}, found {name!r:.40}")


def _member(fields: dict[str, Json], name: str, path: str, read: Callable[[Json, str], T], default: T) -> T:
    """A member that may be absent and may not be null."""
    return read(fields[name], f"{path}.{name}") if name in fields else default


def _required(fields: dict[str, Json], name: str, path: str) -> Json:
    if name not in fields:
        raise UnprocessableError(f"{path}.{name}: the field is missing")
    return fields[name]


def _object(value: Json, path: str) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise _unexpected(path, "an object", value)
    return value


def _list(value: Json, path: str) -> Sequence[Json]:
    if not isinstance(value, list | tuple):
        raise _unexpected(path, "a list", value)
    return value


def _texts(value: Json, path: str) -> list[str]:
    return [_text(item, f"{path}[{index}]") for index, item in enumerate(_list(value, path))]


def _text(value: Json, path: str) -> str:
    if not isinstance(value, str):
        raise _unexpected(path, "a string", value)
    return value


def _boolean(value: Json, path: str) -> bool:
    if not isinstance(value, bool):
        raise _unexpected(path, "a boolean", value)
    return value


def _u32(value: Json, path: str) -> int:
    if type(value) is not int or not 0 <= value < U32_LIMIT:
        raise UnprocessableError(f"{path}: expected an integer from 0 to {U32_LIMIT - 1}, found {value!r:.40}")
    return value


def _number(value: Json, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, Real):
        raise _unexpected(path, "a number", value)
    try:
        number = float(value)
    except OverflowError:
        raise UnprocessableError(f"{path}: the number is beyond 64 bits") from None
    if math.isnan(number):
        raise UnprocessableError(f"{path}: expected a number, found NaN")
    return number


def _unexpected(path: str, wanted: str, value: Json) -> UnprocessableError:
    return UnprocessableError(f"{path}: expected {wanted}, found {JSON_KINDS.get(type(value), type(value).__name__)}")
