"""Which metrics there are, and that they are few whatever happens."""

from __future__ import annotations

from uuid import UUID

import pytest

from chroma_async.errors import InvalidArgumentError
from chroma_async.measures import Histogram, Work
from chroma_async.schema.names import check_collection_name
from chroma_async.server.app import ROUTES
from chroma_async.server.metric_families import OTHER, Family, Snapshot, families
from chroma_async.server.traffic import Traffic
from chroma_async.statistics import CacheStatistics, CollectionStatistics, DiskStatistics, LaneStatistics, LogStatistics, StoreStatistics
from chroma_async.types import Scope

#: Every status that a route answers, and that of those who left.
STATUSES = (200, 201, 303, 400, 401, 403, 404, 405, 409, 412, 413, 415, 422, 429, 499, 500, 501, 503)


def collection(number: int) -> CollectionStatistics:
    return CollectionStatistics(
        id=UUID(int=number),
        scope=Scope(f"tenant-{number % 7}", "db"),
        name=f"c-{number}",
        rows=10,
        dead_rows=5,
        unindexed_rows=3,
        segments=1,
        memory_bytes=1000 + number,
        file_bytes=0,
        lag_rows=2,
        lag_s=float(number),
        queue_requests=1,
        queue_bytes=100,
    )


def store(collections: int) -> StoreStatistics:
    return StoreStatistics(
        collections=tuple(map(collection, range(collections))),
        total_collections=collections,
        damaged=1,
        memory_limit_bytes=1 << 30,
        log=LogStatistics(Histogram(), Histogram(), 1, 2, 3),
        lanes=tuple(LaneStatistics(name, 2, 1, Histogram()) for name in ("query", "write", "flush", "background", "log", "checkpoint")),
        work={kind: Work() for kind in ("flush", "merge", "vacuum", "index", "text_index")},
        filter_cache=CacheStatistics(1, 2, 3, 4),
        disk=DiskStatistics(1, 2),
        poisoned=False,
    )


def told(collections: int, most_collections: int, traffic: Traffic | None = None) -> dict[str, Family]:
    traffic = traffic or Traffic()
    snapshot = Snapshot("1", traffic.copies(), traffic.loop_lag, 1, 2, True, store(collections), most_collections)
    return {family.name: family for family in families(snapshot)}


def series(family: Family) -> int:
    """How many time series a family is: a histogram has one for each bucket, the sum and the count."""
    return sum(len(value.counts) + 2 if isinstance(value, Histogram) else 1 for _, value in family.samples)


def test_at_their_most_the_series_of_ten_thousand_collections_are_five_thousand() -> None:
    traffic = Traffic()
    for operation in ("unmatched", *(route.operation for route in ROUTES)):
        for status in STATUSES:
            traffic.answered(operation, status, 0.1, 1, 1)
    found = told(10_000, 200, traffic)
    assert sum(map(series, found.values())) <= 5000


def test_the_largest_collections_stand_by_themselves_and_the_rest_is_one() -> None:
    found = told(10, 3)
    sizes = dict(found["chroma_async_collection_memory_bytes"].samples)
    assert [labels[2] for labels in sizes] == ["c-9", "c-8", "c-7", "(other)"]
    assert sizes["(other)", "(other)", "(other)"] == sum(1000 + number for number in range(7))
    assert dict(found["chroma_async_collection_log_lag_seconds"].samples)["(other)", "(other)", "(other)"] == 6.0


def test_no_collection_can_be_called_what_the_others_are_together() -> None:
    with pytest.raises(InvalidArgumentError):
        check_collection_name(OTHER)


def test_where_all_have_room_there_are_no_others() -> None:
    assert len(told(3, 3)["chroma_async_collection_rows"].samples) == 3


def test_each_family_has_a_name_of_its_own_and_says_what_it_means() -> None:
    traffic = Traffic()
    snapshot = Snapshot("1", traffic.copies(), traffic.loop_lag, 1, 2, True, store(1), 1)
    found = list(families(snapshot))
    assert len({family.name for family in found}) == len(found)
    assert all(family.meaning.endswith(".") and family.name.startswith("chroma_async_") for family in found)
    assert all(len(labels) == len(family.labels) for family in found for labels, _ in family.samples)
