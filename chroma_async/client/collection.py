"""AsyncCollection: a collection's verbs, with the names, parameters and results of chromadb's, each awaited."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from chroma_async.client.collection_writes import CollectionWrites
from chroma_async.client.embedding import Embedder, configuration_to_update
from chroma_async.client.filters import checked_filters
from chroma_async.client.functions import AttachedFunction, check_params, function_id, read_params
from chroma_async.client.metadata import check_collection_metadata
from chroma_async.client.record_arguments import (
    checked_ids,
    one_source,
)
from chroma_async.client.results import DeleteResult, GetResult, Include, QueryResult, get_result, query_result
from chroma_async.client.transaction import ATTEMPTS, Transaction, run
from chroma_async.client.validate import (
    as_list,
    check_cursor,
    check_flag,
    check_include,
    check_max_distance,
    check_n_results,
    check_name,
    check_read_level,
    check_texts,
    check_window,
)
from chroma_async.costs import RESULT_ROW, by_cost
from chroma_async.errors import NotFoundError, UnavailableError, ValidationError
from chroma_async.plain import plain_json, walking_us
from chroma_async.refusing import refusing
from chroma_async.schema.metadata import replace_collection_metadata
from chroma_async.types import (
    DeleteRequest,
    Floats,
    GetRequest,
    IndexingStatus,
    QueryRequest,
    ReadLevel,
    Rows,
    SearchRequest,
)

if TYPE_CHECKING:
    from chroma_async.client.search_result import SearchResult

T = TypeVar("T")


class AsyncCollection(CollectionWrites):
    """Handed out by a client, and usable as long as that client is."""

    async def get(
        self,
        ids: Any = None,
        where: Mapping[str, Any] | None = None,
        limit: int | None = None,
        offset: int | None = None,
        where_document: Mapping[str, Any] | None = None,
        include: Include = ["metadatas", "documents"],  # noqa: B006
        *,
        order_by: Any = None,
        cursor: str | None = None,
    ) -> GetResult:
        """Records by ids, by filter, or all, in order of first insertion.

        Beyond chromadb's parameters:

        :param order_by: metadata keys to order by instead: ``"year"``, ``{"year": "desc"}``, or a list of these. Records without the key
            come last.
        :param cursor: ``""`` to read in pages of ``limit`` that stay true while records come and go; the answer's ``cursor`` is what to
            pass for the next page, and ``None`` behind the last.
        :raises ValidationError, ValidationTypeError, DuplicateIDError: the arguments. :raises InvalidArgumentError: the filter.
        """
        with refusing("get"):
            included, asked = check_include(include, distances=False, loader=self._data_loader is not None)
            filters = await checked_filters(where, where_document, self._client.lane)
            request = GetRequest(
                ids=await checked_ids(ids, self._client.lane),
                where=filters[0],
                where_document=filters[1],
                limit=check_window(limit, "limit"),
                offset=check_window(offset, "offset") or 0,
                include=asked,
                order_by=None if order_by is None else plain_json(order_by, "order_by"),
                cursor=check_cursor(cursor),
            )
        records = await self.api.get(self._scope, self.id, request)
        data = await self._data(records.rows, included)
        result = await by_cost(self._client.lane.run, RESULT_ROW * len(records.rows.ids), get_result, records, included, data)
        if request.cursor is not None:
            result["cursor"] = records.cursor
        return result

    async def peek(self, limit: int = 10) -> GetResult:
        """The first records, with their embeddings. :raises: as :meth:`get`."""
        with refusing("peek"):
            request = GetRequest(limit=check_window(limit, "limit"), include=("metadatas", "documents", "embeddings"))
        records = await self.api.get(self._scope, self.id, request)
        return get_result(records, request.include)

    async def query(
        self,
        query_embeddings: Any = None,
        query_texts: Any = None,
        query_images: Any = None,
        query_uris: Any = None,
        ids: Any = None,
        n_results: int = 10,
        where: Mapping[str, Any] | None = None,
        where_document: Mapping[str, Any] | None = None,
        include: Include = ["metadatas", "documents", "distances"],  # noqa: B006
        *,
        max_distance: float | None = None,
        exact: bool = False,
    ) -> QueryResult:
        """For each query the ``n_results`` nearest records (fewer only when fewer match), nearest first.

        Beyond chromadb's parameters: ``max_distance`` leaves out what is farther; ``exact`` compares with every matching record instead
        of following the index.

        :raises ValidationError, ValidationTypeError: the arguments. :raises InvalidDimensionException: the vectors' length.
        :raises InvalidArgumentError: the filter, or an id that does not exist.
        """
        with refusing("query"):
            included, asked = check_include(include, distances=True, loader=self._data_loader is not None)
            request_ids = await checked_ids(ids, self._client.lane, unique=False, empty=True)
            filters = await checked_filters(where, where_document, self._client.lane)
            count, threshold, exhaustive = check_n_results(n_results), check_max_distance(max_distance), check_flag(exact, "exact")
            if query_embeddings is not None:
                embeddings = await self._vectors(query_embeddings, "query_embeddings")
            else:
                embeddings = await self._embedded_queries(query_texts, query_images, query_uris)
        request = QueryRequest(
            embeddings=embeddings,
            n_results=count,
            ids=request_ids,
            where=filters[0],
            where_document=filters[1],
            include=asked,
            max_distance=threshold,
            exact=exhaustive,
        )
        neighbours = await self.api.query(self._scope, self.id, request)
        data = [await self._data(rows, included) or [] for rows in neighbours.queries] if "data" in included else None
        cost_us = RESULT_ROW * sum(len(rows.ids) for rows in neighbours.queries)
        return await by_cost(self._client.lane.run, cost_us, query_result, neighbours, included, data)

    async def _embedded_queries(self, texts: Any, images: Any, uris: Any) -> Floats:
        listed = {"query_texts": as_list(texts), "query_images": as_list(images), "query_uris": as_list(uris)}
        for field in ("query_texts", "query_uris"):
            if given := listed[field]:
                listed[field] = check_texts(given, field)
        name, values = one_source(**listed)
        if not values:
            raise ValidationError(f"{name}: expected at least one to embed")
        return await self._embedder.queries(await self._load(values) if name == "query_uris" else values)

    async def _data(self, rows: Rows, included: list[str]) -> list[Any] | None:
        if "data" not in included:
            return None
        return await self._load(rows.uris or [])

    async def search(self, searches: Any, read_level: ReadLevel | str = ReadLevel.INDEX_AND_WAL) -> SearchResult:
        """The answers to one search or several, each a :class:`~chroma_async.builders.search.Search` or its dictionary.

        Texts in rank expressions are embedded: by the collection's function, or under another key by the sparse function in the schema.

        :raises ValidationError, ValidationTypeError: the arguments, or a text that nothing embeds.
        :raises InvalidArgumentError, UnprocessableError: a search is outside the grammar, or a score is no finite number.
        """
        try:
            # Imported when they are first used: most programs never search by rank expressions.
            from chroma_async.client.rank_embedding import RankEmbedding, payloads
            from chroma_async.client.search_result import search_result, search_result_us
        except OSError as error:
            raise UnavailableError(f"search cannot be loaded now: {error.strerror or error}") from error

        with refusing("search"):
            level = check_read_level(read_level)
            rank_embedding = RankEmbedding(self._embedder, self._info.schema, self._client.functions.sparse, self._client.lane)
            asked = await rank_embedding.answered(await payloads(searches, self._client.lane))
        answers = await self.api.search(self._scope, self.id, SearchRequest(asked, level))
        return await by_cost(self._client.lane.run, search_result_us(answers), search_result, answers)

    async def delete(
        self,
        ids: Any = None,
        where: Mapping[str, Any] | None = None,
        where_document: Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> DeleteResult:
        """Remove records by ids, by filter, or by both.

        :raises ValidationError, ValidationTypeError, DuplicateIDError: nothing selects records, or an argument is wrong.
        """
        with refusing("delete"):
            if ids is None and where is None and where_document is None:
                raise ValidationError("At least one of ids, where, or where_document must be provided")
            filters = await checked_filters(where, where_document, self._client.lane)
            request = DeleteRequest(
                ids=await checked_ids(ids, self._client.lane),
                where=filters[0],
                where_document=filters[1],
                limit=check_window(limit, "limit"),
            )
            if limit is not None and where is None and where_document is None:
                raise ValidationError("limit can only be specified when a where or where_document clause is provided")
        return {"deleted": await self.api.delete(self._scope, self.id, request)}

    async def count(
        self,
        read_level: ReadLevel | str = ReadLevel.INDEX_AND_WAL,
        *,
        where: Mapping[str, Any] | None = None,
        where_document: Mapping[str, Any] | None = None,
    ) -> int:
        """How many records there are; with a filter, beyond chromadb's parameters, how many match.

        :raises ValidationError: the arguments.
        """
        with refusing("count"):
            level = check_read_level(read_level)
            filters = await checked_filters(where, where_document, self._client.lane)
        return await self.api.count(self._scope, self.id, level, where=filters[0], where_document=filters[1])

    async def run(self, work: Callable[[Transaction], Awaitable[T]], attempts: int = ATTEMPTS) -> T:
        """A transaction: ``work`` reads and writes through the :class:`~chroma_async.client.transaction.Transaction` that it is given.
        What it writes takes effect together, if nothing that it read was changed meanwhile; else it is called again, ``attempts`` times
        at most.

        :raises ConditionalWriteConflictError: others were faster each time; nothing was written.
        """
        return await run(self, work, attempts)

    async def fork(self, new_name: str) -> AsyncCollection:
        """A copy of this collection that costs milliseconds at any size; later writes on either side never show on the other.

        :raises UniqueConstraintError: the name is taken.
        """
        with refusing("fork"):
            name = check_name(new_name, "collection")
        info = await self.api.fork_collection(self._scope, self.id, name)
        return AsyncCollection(self._client, info, self._embedder.function, self._data_loader)

    async def fork_count(self) -> int:
        """Forks in the whole tree that this collection belongs to; source and forks report the same number."""
        return await self.api.fork_count(self._scope, self.id)

    async def get_indexing_status(self) -> IndexingStatus:
        """How far indexing is behind what was written."""
        return await self.api.indexing_status(self._scope, self.id)

    async def attach_function(
        self, function: Any, name: str, output_collection: str, params: dict[str, Any] | None = None
    ) -> tuple[AttachedFunction, bool]:
        """Keep what a built-in function (:class:`~chroma_async.client.functions.Function`, or its name) makes of this collection in a new
        collection, from now on. The second of the result says whether it is new: it is not when the same one is attached already.

        :raises ValidationError: the arguments. :raises InvalidArgumentError: parameters, of which no function has any.
        :raises NotFoundError: there is no such function.
        :raises UniqueConstraintError: another function is attached, or the output collection exists.
        """
        with refusing("attach_function"):
            given = check_params(params)
            identifier, output = function_id(function), check_name(output_collection, "collection")
            own_name = check_name(name, "function")
        made = await self.api.attach_function(self._scope, self.id, own_name, identifier, output, given)
        function_name, scope = made.function_name, self._scope
        return AttachedFunction(made.id, made.name, function_name, self.id, output, given, scope.tenant, scope.database), made.created

    async def get_attached_function(self, name: str) -> AttachedFunction:
        """The attached function of that name. :raises NotFoundError: there is none."""
        with refusing("get_attached_function"):
            own_name = check_name(name, "function")
        info, scope = await self.api.get_attached_function(self._scope, self.id, own_name), self._scope
        params = read_params(info.params)
        return AttachedFunction(
            info.id, info.name, info.function_name, self.id, info.output_collection, params, scope.tenant, scope.database
        )

    async def detach_function(self, name: str, delete_output_collection: bool = False) -> bool:
        """Stop it. The output collection is brought up to date and stays, or is deleted. :raises NotFoundError: there is none."""
        with refusing("detach_function"):
            own_name, with_output = check_name(name, "function"), check_flag(delete_output_collection, "delete_output_collection")
        return await self.api.detach_function(self._scope, self.id, own_name, with_output)

    async def modify(
        self, name: str | None = None, metadata: Mapping[str, Any] | None = None, configuration: Mapping[str, Any] | None = None
    ) -> None:
        """Rename, replace the metadata, change the configuration. ``None`` leaves things as they are.

        :raises ValidationError, ValidationTypeError: the arguments; the space cannot change.
        :raises UniqueConstraintError: the name is taken.
        """
        with refusing("modify"):
            run = self._client.lane.run
            new_metadata = await by_cost(run, walking_us(metadata), check_collection_metadata, metadata, removing=True)
            if new_metadata is not None and "hnsw:space" in new_metadata:
                raise ValidationError(
                    "metadata: changing hnsw:space, the distance function of a collection, is not supported once it exists"
                )
            new_configuration, function = configuration_to_update(self._info, configuration)
            new_name = None if name is None else check_name(name, "collection")
        api = self._client.api
        await api.modify_collection(self._scope, self.id, new_name=new_name, new_metadata=new_metadata, new_configuration=new_configuration)
        try:
            self._info = await api.get_collection_by_id(self._scope, self.id)
        except NotFoundError:
            # Deleted since; it was changed before that, and others may have seen it so.
            self._info = replace(
                self._info, name=new_name or self._info.name, metadata=replace_collection_metadata(self._info.metadata, new_metadata)
            )
        self._embedder = Embedder(self._info, function or self._embedder.function, self._client.functions, self._client.lane)
