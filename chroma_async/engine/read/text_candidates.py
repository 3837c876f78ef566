"""Queries with a text in them, answered from what the trigram index proposes.

An index proposes nearly the right rows, and looking at each of thousands is what such a query would spend its time on. Only the nearest
matter: so the search is made among the proposed rows, with a few results more than asked for, and those alone are looked at. Proposals miss
nothing, so the rows that pass, in their order, are the nearest that match. When too few pass, the query is made again the exact way.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chroma_async.engine.snapshot.version import Places, Version
from chroma_async.query_language.filter_ast import And, DocumentContains, DocumentMatches, Filter, Not, Or, leaves
from chroma_async.query_language.filter_evaluate import predicate
from chroma_async.types import Floats

#: Results beyond those asked for: this many, and this share of them.
SPARE, SPARE_SHARE = 16, 0.5


def may_be_approximate(filter: Filter) -> bool:
    """Whether the filter asks for a text in such a way that rows proposed too many make only its answer too large, never too small."""
    return _contains(filter) and _grows(filter)


def with_spare(n_results: int) -> int:
    """Results to search for, so that enough are left."""
    return n_results + SPARE + int(SPARE_SHARE * n_results)


def confirmed(
    version: Version, filter: Filter, found: Sequence[tuple[Places, Floats]], n_results: int
) -> list[tuple[Places, Floats]] | None:
    """Of the rows found for each query, nearest first, the first ``n_results`` that match. ``None``: for some query there may be more.

    :param found: the results of a search for ``with_spare(n_results)`` rows.
    """
    matches = predicate(filter)
    answers: list[tuple[Places, Floats]] = []
    for places, distances in found:
        chosen: list[int] = []
        for start in range(0, len(places), n_results):
            rows = range(start, min(start + n_results, len(places)))
            here = places.at(np.array(rows))
            documents, _, metadatas = version.fetch(here, documents=True, uris=False, metadatas=True)
            records = zip(version.ids_at(here), metadatas or (), documents or (), strict=True)
            chosen += [row for row, record in zip(rows, records, strict=True) if matches(*record)]
            if len(chosen) >= n_results:
                break
        if len(chosen) < n_results and len(places) >= with_spare(n_results):
            return None
        best = np.array(chosen[:n_results], dtype=np.int64)
        answers.append((places.at(best), distances[best]))
    return answers


def _contains(filter: Filter) -> bool:
    match filter:
        case And(clauses) | Or(clauses):
            return any(map(_contains, clauses))
        case _:
            return isinstance(filter, DocumentContains)


def _grows(filter: Filter) -> bool:
    match filter:
        case And(clauses) | Or(clauses):
            return all(map(_grows, clauses))
        case Not(clause):
            return not any(isinstance(leaf, DocumentContains | DocumentMatches) for leaf in leaves(clause))
        case _:
            # A regular expression costs too much to be evaluated once for the proposal and once more for the answer.
            return not isinstance(filter, DocumentMatches)
