"""What a new collection gets, and what a modification makes of it: metadata, configuration and schema decided together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chroma_async.errors import InvalidArgumentError
from chroma_async.schema import hnsw
from chroma_async.schema.configuration import IndexSettings, configuration_json, read_configuration, read_new_configuration, settle
from chroma_async.schema.defaults import complete, default_schema, is_default
from chroma_async.schema.metadata import check_collection_metadata
from chroma_async.schema.read import check_schema, read_schema
from chroma_async.types import EMBEDDING_KEY, Json, Scalar


@dataclass(frozen=True, slots=True)
class CollectionSettings:
    """What is stored with a collection. ``configuration`` and ``schema`` are the JSON that clients get back."""

    metadata: dict[str, Scalar] | None
    configuration: dict[str, Json]
    schema: dict[str, Json]


def create_settings(metadata: Json, configuration: Json, schema: Json, *, num_threads: int) -> CollectionSettings:
    """Decide the settings of a new collection from the raw members of a create request.

    A schema that says nothing beyond the defaults gives way to the configuration; a configuration that says nothing gives way to
    the schema; two that both say something are refused.

    :param num_threads: the host's CPU count, shown as the default of the option of that name.
    :raises UnprocessableError: a member has the wrong shape.
    :raises InvalidArgumentError: a rule is broken.
    """
    given = read_configuration(configuration)
    read = None if schema is None else read_schema(schema)
    checked = check_collection_metadata(metadata, "metadata")
    if read is not None:
        check_schema(read)
    made = _reconcile(read, settle(given, checked, num_threads), num_threads)
    return CollectionSettings(checked, configuration_json(made), made)


def _reconcile(schema: dict[str, Json] | None, index: IndexSettings, num_threads: int) -> dict[str, Json]:
    if schema is None or is_default(schema):
        return default_schema(index.options, index.embedding_function)
    if not index.is_default:
        raise InvalidArgumentError("Failed to reconcile schema: give either a schema or a configuration, not both")
    completed = complete(schema, num_threads)
    _check_batches(completed)
    # Completed, it may turn out to have said nothing but defaults.
    return default_schema(index.options, index.embedding_function) if is_default(completed) else completed


def _check_batches(schema: dict[str, Json]) -> None:
    for types in (schema["defaults"], schema["keys"][EMBEDDING_KEY]):
        options = types["float_list"]["vector_index"]["config"]["hnsw"]
        for name in ("batch_size", "sync_threshold"):
            if options[name] < hnsw.SMALLEST_BATCH:
                raise InvalidArgumentError(f"Failed to reconcile schema: {name} of hnsw must be at least {hnsw.SMALLEST_BATCH}")


def update_settings(schema: Mapping[str, Json], new_configuration: Json) -> tuple[dict[str, Json], dict[str, Json]]:
    """Apply the raw ``new_configuration`` of a modify request. Null, and SPANN options, change nothing.

    The options and the embedding function go into ``defaults`` and ``#embedding`` alike.

    :returns: the new ``(configuration, schema)``; the schema given is not touched.
    :raises UnprocessableError: the wrong shape, also for ``space`` and ``ef_construction``, which cannot change.
    :raises InvalidArgumentError: both index kinds.
    """
    change = read_new_configuration(new_configuration)
    updated = dict(schema)
    if change.hnsw or change.embedding_function is not None:
        updated["defaults"] = _with_change(schema["defaults"], change.hnsw, change.embedding_function)
        embedding = _with_change(schema["keys"][EMBEDDING_KEY], change.hnsw, change.embedding_function)
        updated["keys"] = {**schema["keys"], EMBEDDING_KEY: embedding}
    return configuration_json(updated), updated


def _with_change(types: dict[str, Json], options: dict[str, Json] | None, function: dict[str, Json] | None) -> dict[str, Json]:
    index = types["float_list"]["vector_index"]
    config = {**index["config"], "hnsw": {**index["config"].get("hnsw", {}), **(options or {})}}
    if function is not None:
        config["embedding_function"] = function
    return {**types, "float_list": {"vector_index": {**index, "config": config}}}
