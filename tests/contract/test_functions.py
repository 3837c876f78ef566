"""What every catalog promises of attached functions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from chroma_async.errors import NotFoundError, UniqueConstraintError
from chroma_async.storage.base.catalog import Catalog
from chroma_async.storage.base.functions import FunctionRow
from chroma_async.threads import Threads
from tests.contract.conftest import opened
from tests.contract.test_catalog import DEFAULT, OTHER, collection

ROW = FunctionRow(UUID(int=9), UUID(int=1), "counts", "record_counter", UUID(int=2), {}, completed=0, min_records=100)


@pytest.fixture
async def attached(catalog: Catalog) -> Catalog:
    """A catalog with a function on collection 1, whose output is collection 2."""
    await catalog.create_collection(collection(1))
    await catalog.attach_function(ROW, collection(2))
    return catalog


async def test_attaching_creates_the_output_collection(attached: Catalog) -> None:
    assert await attached.list_functions() == [ROW]
    assert await attached.find_collection(UUID(int=2)) == collection(2)


async def test_a_collection_has_one_function_and_a_refused_one_creates_no_output(attached: Catalog) -> None:
    with pytest.raises(UniqueConstraintError, match="name=counts, function=record_counter, output_collection=name-2"):
        await attached.attach_function(replace(ROW, id=UUID(int=10), output=UUID(int=3)), collection(3))
    with pytest.raises(NotFoundError):
        await attached.find_collection(UUID(int=3))


async def test_an_output_with_a_taken_name_is_refused_and_nothing_is_attached(catalog: Catalog) -> None:
    await catalog.create_collection(collection(1))
    with pytest.raises(UniqueConstraintError, match=r"Output collection \[name-1\] already exists"):
        await catalog.attach_function(ROW, collection(2, "name-1"))
    with pytest.raises(NotFoundError):
        await catalog.attach_function(replace(ROW, collection=UUID(int=7)), collection(2))
    assert await catalog.list_functions() == []


async def test_completion_is_kept_for_one_that_is_attached(attached: Catalog) -> None:
    await attached.complete_function(ROW.id, 250)
    await attached.complete_function(UUID(int=77), 999)
    assert await attached.list_functions() == [replace(ROW, completed=250)]


async def test_a_detached_function_leaves_its_output(attached: Catalog) -> None:
    await attached.detach_function(ROW.id)
    await attached.detach_function(ROW.id)
    assert await attached.list_functions() == []
    assert (await attached.find_collection(UUID(int=2))).name == "name-2"


@pytest.mark.parametrize("name", ["name-1", "name-2"])
async def test_deleting_either_collection_detaches(attached: Catalog, name: str) -> None:
    await attached.delete_collection(DEFAULT, name)
    assert await attached.list_functions() == []
    assert await attached.count_collections(DEFAULT) == 1


async def test_deleting_a_database_detaches_what_is_in_it_only(attached: Catalog) -> None:
    await attached.delete_database(DEFAULT)
    assert await attached.list_functions() == []
    assert await attached.count_collections(OTHER) == 0


async def test_a_reset_detaches_everything(attached: Catalog) -> None:
    await attached.reset()
    assert await attached.list_functions() == []


async def test_attachments_survive_a_restart(tmp_path: Path, threads: Threads) -> None:
    async with opened(tmp_path / "s", threads) as backends:
        await backends.catalog.create_collection(collection(1))
        await backends.catalog.attach_function(ROW, collection(2))
        await backends.catalog.complete_function(ROW.id, 17)
    async with opened(tmp_path / "s", threads) as backends:
        assert await backends.catalog.list_functions() == [replace(ROW, completed=17)]
