"""The rows of one part that satisfy a filter, found by columns.

They are exactly those for which :func:`chroma_async.query_language.filter_evaluate.predicate` holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeAlias

import numpy as np

from chroma_async.format import comparison
from chroma_async.format.column import Column
from chroma_async.format.columns import Columns
from chroma_async.query_language.filter_ast import (
    And,
    ArrayHas,
    Compare,
    DocumentContains,
    DocumentMatches,
    Equals,
    Everything,
    Filter,
    HasKey,
    IdIn,
    Leaf,
    Not,
    Nothing,
    OneOf,
    Or,
    TextLike,
    TextMatches,
    leaves,
)
from chroma_async.query_language.filter_evaluate import predicate
from chroma_async.query_language.like import compile_like
from chroma_async.rust_regex.patterns import REGEX_BUDGET_S, compile_pattern, required_literal
from chroma_async.types import Bools, Ints

_ColumnClause: TypeAlias = Equals | Compare | OneOf | ArrayHas | HasKey | TextMatches | TextLike


class FilterPart(Protocol):
    """What a filter may ask of a run of rows: a chunk, or a block of the memtable."""

    rows: int
    columns: Columns

    def find_ids(self, ids: Sequence[str]) -> Ints:
        """The rows of those of the ids that are here; -1 stands for one that is not."""

    def contains(self, needle: str, candidates: Bools) -> Bools:
        """The candidates that have a document with ``needle`` in it. Exact."""

    def documents(self, candidates: Bools) -> Iterator[tuple[int, str]]:
        """(row, document) of the candidates that have one."""


def evaluate_mask(filter: Filter, part: FilterPart, candidates: Bools | None, *, regex_budget_s: float = REGEX_BUDGET_S) -> Bools:
    """A new mask of ``part.rows`` bools: the candidates (None: all rows) that satisfy the filter.

    :param regex_budget_s: seconds that each regular expression may take in this part.
    :raises InvalidArgumentError: one took longer.
    """
    start = np.ones(part.rows, np.bool_) if candidates is None else candidates
    return _Evaluation(part, regex_budget_s).mask(filter, start)


class _Evaluation:
    """One filter over one part."""

    def __init__(self, part: FilterPart, regex_budget_s: float) -> None:
        self._part = part
        self._regex_budget_s = regex_budget_s

    def mask(self, filter: Filter, candidates: Bools) -> Bools:
        """A new array; ``candidates`` is left alone."""
        match filter:
            case Everything():
                return candidates.copy()
            case Nothing():
                return np.zeros_like(candidates)
            case And(clauses):
                left = candidates.copy()
                for clause in sorted(clauses, key=_cost):
                    if not left.any():
                        break
                    left = self.mask(clause, left)
                return left
            case Or(clauses):
                left = candidates.copy()
                for clause in sorted(clauses, key=_cost):
                    if not left.any():
                        break
                    left &= ~self.mask(clause, left)
                return candidates & ~left
            case Not(clause):
                return candidates & ~self.mask(clause, candidates)
            case IdIn(ids):
                return self._ids(ids, candidates)
            case DocumentContains(needle):
                return candidates & self._part.contains(needle, candidates) if candidates.any() else candidates.copy()
            case DocumentMatches(pattern):
                return self._matches(pattern, candidates)
            case Equals() | Compare() | OneOf() | ArrayHas() | HasKey() | TextMatches() | TextLike():
                return candidates & self._column(filter)

    def _column(self, clause: _ColumnClause) -> Bools:
        columns = self._part.columns
        found: Bools = np.zeros(self._part.rows, np.bool_)
        for column in columns.of(clause.key):
            hits = _hits(clause, column, self._regex_budget_s)
            if hits is not None:
                found |= column.rows_where(hits)
        if len(columns.spilled):
            holds = predicate(clause, regex_budget_s=self._regex_budget_s)
            for row, value in columns.spilled.of(clause.key):
                if holds("", {clause.key: value}, None):
                    found[row] = True
        return found

    def _ids(self, ids: tuple[str, ...], candidates: Bools) -> Bools:
        rows = self._part.find_ids(ids)
        found = np.zeros_like(candidates)
        found[rows[rows >= 0]] = True
        return candidates & found

    def _matches(self, pattern: str, candidates: Bools) -> Bools:
        search = compile_pattern(pattern, budget_s=self._regex_budget_s).search
        literal = required_literal(pattern)
        if literal:
            candidates = self.mask(DocumentContains(literal), candidates)
        found = np.zeros_like(candidates)
        for row, document in self._part.documents(candidates):
            if search(document):
                found[row] = True
        return found


def _hits(clause: _ColumnClause, column: Column, regex_budget_s: float) -> Bools | None:
    match clause:
        case Equals(_, value):
            return comparison.equals(column, value)
        case Compare(_, op, bound):
            return comparison.compare(column, op, bound)
        case OneOf(_, values):
            return comparison.one_of(column, values)
        case ArrayHas(_, value):
            return comparison.has(column, value)
        case HasKey():
            return comparison.exists(column)
        case TextMatches(_, pattern):
            return comparison.text(column, compile_pattern(pattern, budget_s=regex_budget_s).search)
        case TextLike(_, pattern):
            return comparison.text(column, compile_like(pattern))


def _cost(filter: Filter) -> int:
    """What to ask first: columns, then ids, then documents, then documents in Python. A tree costs what its dearest leaf costs."""
    return max(map(_leaf_cost, leaves(filter)), default=0)


def _leaf_cost(leaf: Leaf) -> int:
    match leaf:
        case IdIn():
            return 1
        case DocumentContains():
            return 2
        case DocumentMatches():
            return 3
        case TextMatches() | TextLike():
            # The dictionary of a column is small beside its rows, but not always.
            return 1
        case _:
            return 0
