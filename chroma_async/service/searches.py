"""The nearest records to a vector, and searches by rank expressions."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from chroma_async.costs import by_cost
from chroma_async.engine.read.query import query
from chroma_async.engine.read.search import search_each
from chroma_async.query_language.filter_rules import check_filter, sparse_weighting
from chroma_async.query_language.search_ast import Search, SparseKnn, knns
from chroma_async.query_language.search_parse import check as check_searches
from chroma_async.query_language.search_parse import parse as parse_searches
from chroma_async.service.filters import parsing_us
from chroma_async.service.verbs import Verbs
from chroma_async.types import Json, Neighbours, QueryRequest, Scope, SearchRequest, SearchRows


class SearchVerbs(Verbs):
    """Queries and searches."""

    async def query(self, scope: Scope, id: UUID, request: QueryRequest) -> Neighbours:
        async with self.engine.registry.using(scope, id) as collection:
            filter = await self._filter(collection.row, request.where, request.where_document)
            nearest = collection.nearest_request(
                request.embeddings, request.n_results, exact=request.exact, max_distance=request.max_distance, include=request.include
            )
            return Neighbours(await collection.read(query, nearest, filter, request.ids), request.include)

    async def search(self, scope: Scope, id: UUID, request: SearchRequest) -> list[SearchRows]:
        run, cost_us = self._threads.run, parsing_us(request.searches)
        searches = await by_cost(run, cost_us, parse_searches, request.searches, self.settings.max_pattern_chars)
        async with self.engine.registry.using(scope, id) as collection:
            sparse = await by_cost(run, cost_us, _checked_searches, collection.row.schema, searches)
            dense, at_once = collection.nearest_request(), self.settings.search_concurrency
            version = await collection.version_at(request.read_level)
            return await search_each(version, searches, collection.bounded(), at_once, dense, sparse)


def _checked_searches(schema: dict[str, Json], searches: Sequence[Search]) -> dict[str, bool]:
    """For each sparse key whether its terms are weighted by rarity. :raises InvalidArgumentError: a search breaks a rule."""
    check_searches(searches)
    sparse: dict[str, bool] = {}
    for search in searches:
        check_filter(schema, search.filter)
        for knn in knns(search.rank):
            if isinstance(knn, SparseKnn):
                sparse[knn.key] = sparse_weighting(schema, knn.key)
    return sparse
