"""What every catalog promises."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from chroma_async.errors import ClosedError, FencedError, InvalidArgumentError, NotFoundError, UniqueConstraintError
from chroma_async.storage.base.catalog import Catalog
from chroma_async.storage.base.collections import CollectionChange, CollectionRow
from chroma_async.storage.base.manifests import ForkCommit, ManifestCommit, ManifestRow, TailRow
from chroma_async.types import Database, Scope, Tenant

DEFAULT = Scope()
OTHER = Scope("default_tenant", "other")


def collection(number: int, name: str | None = None, scope: Scope = DEFAULT, **changes: Any) -> CollectionRow:
    fields: dict[str, Any] = {
        "metadata": {"a": 1, "b": "x", "c": 1.0, "d": True},
        "configuration": {"hnsw": {"space": "l2"}, "embedding_function": None},
        "schema": {"keys": {"#embedding": [1, None, "\ud800é"]}},
        "dimension": None,
        "created_ns": 17,
    }
    return CollectionRow(UUID(int=number), name or f"name-{number}", scope.tenant, scope.database, **(fields | changes))


def commit(number: int, expected: int, files: set[str], **changes: Any) -> ManifestCommit:
    fields: dict[str, Any] = {"body": b"manifest %d" % expected, "dimension": 3, "schema": {"v": expected}, "seq": 0}
    return ManifestCommit(collection=UUID(int=number), expected_version=expected, files=frozenset(files), **(fields | changes))


async def test_a_new_catalog_has_the_default_tenant_and_the_default_database_with_the_nil_id(catalog: Catalog) -> None:
    assert await catalog.get_tenant("default_tenant") == Tenant("default_tenant")
    assert await catalog.get_database(DEFAULT) == Database(UUID(int=0), "default_database", "default_tenant")


async def test_a_tenant_is_created_once(catalog: Catalog) -> None:
    with pytest.raises(NotFoundError, match=r"Tenant \[acme\] not found"):
        await catalog.get_tenant("acme")
    await catalog.create_tenant("acme")
    assert await catalog.get_tenant("acme") == Tenant("acme")
    with pytest.raises(UniqueConstraintError, match=r"Tenant \[acme\] already exists"):
        await catalog.create_tenant("acme")


async def test_a_tenants_name_is_kept_to_the_last_byte(catalog: Catalog) -> None:
    for name in ("a'b\"c", "nul\0inside", "ünï", "   "):
        await catalog.create_tenant(name)
        assert (await catalog.get_tenant(name)).name == name


async def test_a_resource_name_is_set_once_and_belongs_to_one_tenant(catalog: Catalog) -> None:
    await catalog.create_tenant("acme")
    await catalog.set_resource_name("nobody", "crn")
    await catalog.set_resource_name("acme", "crn")
    await catalog.set_resource_name("acme", "crn")
    assert await catalog.get_tenant("acme") == Tenant("acme", "crn")
    with pytest.raises(UniqueConstraintError):
        await catalog.set_resource_name("acme", "other")
    with pytest.raises(UniqueConstraintError):
        await catalog.set_resource_name("default_tenant", "crn")
    assert await catalog.get_tenant("default_tenant") == Tenant("default_tenant")


async def test_a_database_may_stand_in_an_unknown_tenant_and_its_name_is_unique_there(catalog: Catalog) -> None:
    database = Database(UUID(int=5), "data", "nobody")
    await catalog.create_database(database)
    assert await catalog.get_database(Scope("nobody", "data")) == database
    with pytest.raises(UniqueConstraintError, match=r"Database \[data\] already exists for tenant \[nobody\]"):
        await catalog.create_database(Database(UUID(int=6), "data", "nobody"))
    await catalog.create_database(Database(UUID(int=7), "data", "default_tenant"))


async def test_databases_are_listed_by_name_in_windows(catalog: Catalog) -> None:
    for number, name in enumerate(("beta", "Zeta", "alpha", "ämil")):
        await catalog.create_database(Database(UUID(int=number), name, "t"))

    async def names(limit: int | None, offset: int) -> list[str]:
        return [database.name for database in await catalog.list_databases("t", limit, offset)]

    assert await names(None, 0) == ["Zeta", "alpha", "beta", "ämil"]
    assert await names(2, 1) == ["alpha", "beta"]
    assert await names(0, 0) == []
    assert await names(2**70, 2**70) == []
    assert await catalog.list_databases("unknown", None, 0) == []


async def test_a_missing_database_is_named_in_the_words_of_each_verb(catalog: Catalog) -> None:
    with pytest.raises(NotFoundError, match=r"^Database \[other\] not found\. Are you sure it exists\?$"):
        await catalog.get_database(OTHER)
    with pytest.raises(NotFoundError, match=r"^Database \[other\] not found$"):
        await catalog.delete_database(OTHER)
    with pytest.raises(InvalidArgumentError, match=r"Database \[other\] does not exist"):
        await catalog.create_collection(collection(1, scope=OTHER))


async def test_deleting_a_database_deletes_its_collections_their_manifests_and_their_files(catalog: Catalog) -> None:
    await catalog.create_database(Database(UUID(int=1), "other", "default_tenant"))
    for number, scope in ((3, OTHER), (2, OTHER), (1, DEFAULT)):
        await catalog.create_collection(collection(number, scope=scope))
        await catalog.commit_manifest(commit(number, 0, {f"file-{number}", "shared"}))
    assert await catalog.delete_database(OTHER) == [UUID(int=2), UUID(int=3)]
    assert await catalog.collection_ids() == [UUID(int=1)]
    assert await catalog.named_files() == {"file-1", "shared"}
    assert await catalog.load_manifest(UUID(int=2)) == ManifestRow(0, b"")
    assert await catalog.count_collections(OTHER) == 0
    with pytest.raises(NotFoundError):
        await catalog.get_database(OTHER)


async def test_a_collection_is_read_back_as_it_was_created(catalog: Catalog) -> None:
    for row in (collection(1), collection(2, metadata=None, dimension=384)):
        await catalog.create_collection(row)
        assert await catalog.get_collection(DEFAULT, row.name) == row
        assert await catalog.get_collection_by_id(DEFAULT, row.id) == row


async def test_a_row_that_was_handed_out_is_not_part_of_the_catalog(catalog: Catalog) -> None:
    row = collection(1)
    await catalog.create_collection(row)
    row.configuration["changed"] = True
    (await catalog.get_collection(DEFAULT, row.name)).schema["changed"] = True
    assert await catalog.get_collection(DEFAULT, row.name) == collection(1)


async def test_a_collections_name_is_unique_in_its_database_and_case_sensitive(catalog: Catalog) -> None:
    await catalog.create_collection(collection(1, "same"))
    with pytest.raises(UniqueConstraintError, match=r"Collection \[same\] already exists"):
        await catalog.create_collection(collection(2, "same"))
    with pytest.raises(UniqueConstraintError):
        await catalog.create_collection(collection(1, "another"))
    await catalog.create_collection(collection(3, "Same"))
    await catalog.create_database(Database(UUID(int=1), "other", "default_tenant"))
    await catalog.create_collection(collection(4, "same", OTHER))


async def test_a_collection_is_found_in_its_own_scope_only(catalog: Catalog) -> None:
    await catalog.create_collection(collection(1))
    for scope in (OTHER, Scope("nobody", "default_database")):
        with pytest.raises(NotFoundError, match=r"^Collection \[name-1\] does not exist$"):
            await catalog.get_collection(scope, "name-1")
        with pytest.raises(NotFoundError, match=rf"^Collection \[{UUID(int=1)}\] does not exist\.$"):
            await catalog.get_collection_by_id(scope, UUID(int=1))
        with pytest.raises(NotFoundError):
            await catalog.update_collection(scope, UUID(int=1), CollectionChange())
        with pytest.raises(NotFoundError):
            await catalog.delete_collection(scope, "name-1")
        assert await catalog.list_collections(scope, None, 0) == []
        assert await catalog.count_collections(scope) == 0
    assert await catalog.count_collections(DEFAULT) == 1


async def test_collections_are_listed_by_id_in_windows(catalog: Catalog) -> None:
    numbers = [2**127 + 1, 5, 2**64, 0x80, 0x7F]
    for number in numbers:
        await catalog.create_collection(collection(number))

    async def listed(limit: int | None, offset: int) -> list[int]:
        return [row.id.int for row in await catalog.list_collections(DEFAULT, limit, offset)]

    assert await listed(None, 0) == sorted(numbers)
    assert await listed(2, 1) == sorted(numbers)[1:3]
    assert await listed(0, 0) == []
    assert await listed(None, 4) == sorted(numbers)[4:]
    assert await catalog.collection_ids() == [UUID(int=number) for number in sorted(numbers)]


async def test_an_update_changes_what_is_given_and_nothing_else(catalog: Catalog) -> None:
    row = collection(1, dimension=8)
    await catalog.create_collection(row)
    assert await catalog.update_collection(DEFAULT, row.id, CollectionChange()) == row
    changed = await catalog.update_collection(DEFAULT, row.id, CollectionChange("renamed", schema={"s": 2}))
    assert changed == collection(1, "renamed", schema={"s": 2}, dimension=8)
    cleared = await catalog.update_collection(DEFAULT, row.id, CollectionChange(replace_metadata=True, configuration={}))
    assert cleared == collection(1, "renamed", schema={"s": 2}, dimension=8, metadata=None, configuration={})
    assert await catalog.get_collection(DEFAULT, "renamed") == cleared


async def test_a_collection_may_be_renamed_to_its_own_name_but_not_to_anothers(catalog: Catalog) -> None:
    await catalog.create_collection(collection(1))
    await catalog.create_collection(collection(2))
    await catalog.update_collection(DEFAULT, UUID(int=1), CollectionChange("name-1"))
    with pytest.raises(UniqueConstraintError, match=r"Collection \[name-2\] already exists"):
        await catalog.update_collection(DEFAULT, UUID(int=1), CollectionChange("name-2", schema={"lost": 1}))
    assert await catalog.get_collection_by_id(DEFAULT, UUID(int=1)) == collection(1)


async def test_deleting_a_collection_takes_its_manifest_and_frees_its_name(catalog: Catalog) -> None:
    await catalog.create_collection(collection(1))
    await catalog.commit_manifest(commit(1, 0, {"a"}))
    assert await catalog.delete_collection(DEFAULT, "name-1") == UUID(int=1)
    assert await catalog.named_files() == set()
    with pytest.raises(NotFoundError):
        await catalog.delete_collection(DEFAULT, "name-1")
    with pytest.raises(NotFoundError):
        await catalog.commit_manifest(commit(1, 1, {"a"}))
    await catalog.create_collection(collection(2, "name-1"))


async def test_a_manifest_commit_stores_body_files_and_facts_in_one_step(catalog: Catalog) -> None:
    await catalog.create_collection(collection(1))
    assert await catalog.load_manifest(UUID(int=1)) == ManifestRow(0, b"")
    await catalog.commit_manifest(commit(1, 0, {"a", "b"}))
    assert await catalog.load_manifest(UUID(int=1)) == ManifestRow(1, b"manifest 0")
    assert await catalog.get_collection_by_id(DEFAULT, UUID(int=1)) == collection(1, dimension=3, schema={"v": 0})
    await catalog.commit_manifest(commit(1, 1, {"b", "c"}, seq=12))
    assert await catalog.load_manifest(UUID(int=1)) == ManifestRow(2, b"manifest 1")
    assert await catalog.named_files() == {"b", "c"}
    for row in (
        await catalog.get_collection(DEFAULT, "name-1"),
        await catalog.get_collection_by_id(DEFAULT, UUID(int=1)),
        await catalog.find_collection(UUID(int=1)),
        *await catalog.list_collections(DEFAULT, None, 0),
        await catalog.update_collection(DEFAULT, UUID(int=1), CollectionChange()),
    ):
        assert row == collection(1, dimension=3, schema={"v": 1}, seq=12)


async def test_a_fork_has_the_seq_that_its_first_manifest_reaches(catalog: Catalog) -> None:
    await catalog.create_collection(collection(1))
    await catalog.commit_manifest(commit(1, 0, {"a"}, seq=5))
    row = collection(2, seq=7)
    tails = (TailRow(UUID(int=2), UUID(int=1), 5),)
    await catalog.fork_collection(ForkCommit(row, UUID(int=1), b"manifest", frozenset({"a"}), tails, max_forks=1))
    assert await catalog.get_collection_by_id(DEFAULT, UUID(int=2)) == row
    assert (await catalog.get_collection_by_id(DEFAULT, UUID(int=1))).seq == 5


async def test_a_tree_takes_no_more_forks_than_it_may_have(catalog: Catalog) -> None:
    await catalog.create_collection(collection(1))
    for number, source in ((2, 1), (3, 2)):
        await catalog.fork_collection(ForkCommit(collection(number), UUID(int=source), b"manifest", frozenset(), (), max_forks=2))
    for source in (1, 2, 3):
        with pytest.raises(InvalidArgumentError, match="has 2 forks, as many as there may be"):
            await catalog.fork_collection(ForkCommit(collection(4), UUID(int=source), b"manifest", frozenset(), (), max_forks=2))
        assert await catalog.fork_count(UUID(int=source)) == 2
    with pytest.raises(NotFoundError):
        await catalog.fork_count(UUID(int=4))


async def test_creating_may_give_what_has_the_name_or_the_alias_already(catalog: Catalog) -> None:
    assert await catalog.create_collection(collection(1), or_get=True) == collection(1)
    assert await catalog.create_collection(collection(2, "name-1"), or_get=True) == collection(1)
    await catalog.set_alias(DEFAULT, "second", UUID(int=1))
    assert await catalog.create_collection(collection(3, "second"), or_get=True) == collection(1)
    assert await catalog.collection_ids() == [UUID(int=1)]


async def test_a_collection_is_deleted_by_its_id_whatever_its_name_is_by_then(catalog: Catalog) -> None:
    await catalog.create_collection(collection(1))
    await catalog.update_collection(DEFAULT, UUID(int=1), CollectionChange("renamed"))
    await catalog.create_collection(collection(2, "name-1"))
    with pytest.raises(NotFoundError):
        await catalog.delete_collection(OTHER, UUID(int=1))
    assert await catalog.delete_collection(DEFAULT, UUID(int=1)) == UUID(int=1)
    with pytest.raises(NotFoundError):
        await catalog.delete_collection(DEFAULT, UUID(int=1))
    assert await catalog.collection_ids() == [UUID(int=2)]


async def test_a_commit_that_expects_another_version_is_fenced_and_changes_nothing(catalog: Catalog) -> None:
    await catalog.create_collection(collection(1))
    await catalog.commit_manifest(commit(1, 0, {"a"}))
    for expected in (0, 2):
        with pytest.raises(FencedError):
            await catalog.commit_manifest(commit(1, expected, {"lost"}))
    assert await catalog.load_manifest(UUID(int=1)) == ManifestRow(1, b"manifest 0")
    assert await catalog.named_files() == {"a"}


async def test_of_two_commits_at_once_one_is_fenced(catalog: Catalog) -> None:
    await catalog.create_collection(collection(1))
    results = await asyncio.gather(*(catalog.commit_manifest(commit(1, 0, {str(n)})) for n in range(4)), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["FencedError"] * 3 + ["NoneType"]
    assert (await catalog.load_manifest(UUID(int=1))).version == 1


async def test_a_file_is_named_until_the_last_manifest_drops_it(catalog: Catalog) -> None:
    for number in (1, 2):
        await catalog.create_collection(collection(number))
        await catalog.commit_manifest(commit(number, 0, {"shared"}))
    await catalog.delete_collection(DEFAULT, "name-1")
    assert await catalog.named_files() == {"shared"}
    await catalog.commit_manifest(commit(2, 1, set()))
    assert await catalog.named_files() == set()


async def test_reset_leaves_the_defaults_and_nothing_else(catalog: Catalog) -> None:
    await catalog.create_tenant("acme")
    await catalog.create_collection(collection(1))
    await catalog.commit_manifest(commit(1, 0, {"a"}))
    await catalog.delete_database(DEFAULT)
    await catalog.reset()
    assert await catalog.get_database(DEFAULT) == Database(UUID(int=0), "default_database", "default_tenant")
    assert await catalog.list_databases("default_tenant", None, 0) == [await catalog.get_database(DEFAULT)]
    assert await catalog.collection_ids() == []
    assert await catalog.named_files() == set()
    with pytest.raises(NotFoundError):
        await catalog.get_tenant("acme")


async def test_many_calls_at_once_are_each_whole(catalog: Catalog) -> None:
    async def one(number: int) -> None:
        await catalog.create_collection(collection(number))
        assert (await catalog.get_collection_by_id(DEFAULT, UUID(int=number))).name == f"name-{number}"

    await asyncio.gather(*(one(number) for number in range(20)))
    assert await catalog.count_collections(DEFAULT) == 20


async def test_a_cancelled_call_is_done_whole_or_not_at_all(catalog: Catalog) -> None:
    for turns in range(8):
        task = asyncio.ensure_future(catalog.create_collection(collection(turns)))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        # The next call waits behind whatever is still going on.
        await catalog.create_tenant(f"after {turns}")
    rows = await catalog.list_collections(DEFAULT, None, 0)
    assert rows == [collection(row.id.int) for row in rows]


async def test_a_closed_catalog_says_so_and_closes_again(catalog: Catalog) -> None:
    await catalog.aclose()
    await catalog.aclose()
    with pytest.raises(ClosedError):
        await catalog.get_tenant("default_tenant")
    with pytest.raises(ClosedError):
        await catalog.create_tenant("acme")
