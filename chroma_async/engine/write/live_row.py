"""The live row: the collection's row of the catalog, with what the log knows besides, and what is read off it for every request."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from chroma_async.format.logbatch import Facts
from chroma_async.schema.collection_settings import update_settings
from chroma_async.schema.hnsw import HnswOptions
from chroma_async.schema.keys import KnownKeys, discover
from chroma_async.storage.base.collections import CollectionChange, CollectionRow, Collections
from chroma_async.types import EMBEDDING_KEY, Json, Scalar, Scope


def with_facts(row: CollectionRow, facts: Facts) -> CollectionRow:
    """A catalog row with what the log says besides."""
    dimension = row.dimension if facts.dimension is None else facts.dimension
    return replace(row, dimension=dimension, schema=discover(row.schema, facts.keys))


def with_keys(row: CollectionRow, keys: dict[str, Json]) -> CollectionRow:
    """A catalog row with the keys of a live row's schema, which writes discover. What callers change, the embedding's, is as it says."""
    return replace(row, schema={**row.schema, "keys": {**keys, EMBEDDING_KEY: row.schema["keys"][EMBEDDING_KEY]}})


class LiveRow:
    """One collection's row as of now. Belongs to one event loop.

    :ivar row: replaced as a whole, never changed.
    :ivar known: the metadata keys that its schema knows.
    :ivar options: how its vectors are compared and indexed.
    :ivar catalog_turn: held while the catalog is told of a change of this row, so that a manifest commit, which folds facts into it, and a
        change that a user asks for do not overwrite each other.
    """

    def __init__(self, row: CollectionRow, schema_keys: int) -> None:
        """:param schema_keys: the most keys that writes may add to the schema."""
        self.row = row
        self.known = KnownKeys(row.schema, schema_keys)
        self.options = HnswOptions.from_schema(row.schema)
        self.catalog_turn = asyncio.Lock()

    def learn(self, facts: Facts) -> None:
        """Facts that have become durable in the log."""
        self.known.learn(facts.keys)
        self.row = with_facts(self.row, facts)

    async def modify(
        self,
        collections: Collections,
        *,
        name: str | None,
        metadata: Mapping[str, Scalar] | None,
        replace_metadata: bool,
        configuration: Json,
    ) -> None:
        """Rename, replace metadata, change the configuration: all or nothing. Not to be cancelled.

        :raises UniqueConstraintError: the name is taken.
        :raises InvalidArgumentError, UnprocessableError: the configuration is not one; nothing was changed.
        """
        async with self.catalog_turn:
            stored_configuration = stored_schema = None
            if configuration is not None:
                stored_configuration, stored_schema = update_settings(self.row.schema, configuration)
            own_metadata = None if metadata is None else dict(metadata)
            change = CollectionChange(name, own_metadata, replace_metadata, stored_configuration, stored_schema)
            changed = await collections.update_collection(Scope(self.row.tenant, self.row.database), self.row.id, change)
            # Keys may have been discovered while the catalog wrote: the change is made again on what the schema is now.
            schema = self.row.schema if configuration is None else update_settings(self.row.schema, configuration)[1]
            self.row = replace(changed, dimension=self.row.dimension, schema=schema)
            self.options = HnswOptions.from_schema(schema)
