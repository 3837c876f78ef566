"""Small work is done at once, and what would hold others up is not."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from chroma_async import costs
from chroma_async.costs import ALONE_US, INLINE_US, UNKNOWN, by_cost, in_slices, items_at_once
from chroma_async.plain import walking_us
from chroma_async.service.local import open_local
from chroma_async.threads import Lane
from tests.bench.costs import measures


async def test_work_is_done_here_up_to_the_bound_and_in_a_thread_beyond_it() -> None:
    here, lane = threading.get_ident(), Lane("test", 1)
    assert await by_cost(lane.run, 0.0, threading.get_ident) == here
    assert await by_cost(lane.run, INLINE_US, threading.get_ident) == here
    assert await by_cost(lane.run, INLINE_US + 0.1, threading.get_ident) != here
    assert await by_cost(lane.run, UNKNOWN, threading.get_ident) != here
    assert await by_cost(lane.run, UNKNOWN, dict, [("a", 1)], b=2) == {"a": 1, "b": 2}
    await lane.aclose()


async def test_of_pieces_that_follow_each_other_large_ones_let_others_have_their_turn() -> None:
    order: list[str] = []

    async def pieces(name: str, cost_us: float) -> None:
        for _ in range(2):
            await by_cost(lane.run, cost_us, order.append, name)

    lane = Lane("test", 1)
    await asyncio.gather(pieces("a", ALONE_US), pieces("b", ALONE_US))
    await asyncio.gather(pieces("c", INLINE_US), pieces("d", INLINE_US))
    assert order == ["a", "a", "b", "b", "c", "d", "c", "d"]
    await lane.aclose()


async def test_a_long_list_is_worked_through_in_order_and_others_have_their_turn() -> None:
    done: list[int] = []
    seen: list[int] = []

    async def other() -> None:
        while len(done) < 95:
            seen.append(len(done))
            await asyncio.sleep(0)

    watching = asyncio.ensure_future(other())
    work = lambda number: done.append(number) or -number  # noqa: E731
    assert await in_slices(range(95), INLINE_US / 10, work) == [-number for number in range(95)]
    await watching
    assert done == list(range(95))
    assert seen == list(range(10, 95, 10))


def test_items_that_cost_more_than_the_bound_are_worked_on_one_at_a_time() -> None:
    assert [items_at_once(cost) for cost in (INLINE_US / 3, INLINE_US, 3 * INLINE_US, UNKNOWN)] == [3, 1, 1, 1]


def test_a_walk_is_foreseen_by_looking_at_no_more_than_could_be_walked_at_once() -> None:
    vector, wide = [0.5] * 400, {"$and": [{"key": {"$gt": number}} for number in range(1000)]}
    endless: list[Any] = []
    endless.append(endless)
    assert walking_us(None) < walking_us({"key": 1}) < walking_us([vector]) < INLINE_US
    assert INLINE_US < walking_us(wide) < 3 * INLINE_US
    assert walking_us([[]] * 10**6) == walking_us([[]] * 10**5)
    assert walking_us(endless) > INLINE_US


async def test_every_cost_of_the_table_is_measured() -> None:
    api = await open_local(None)
    table = {name for name, value in vars(costs).items() if isinstance(value, float) and name not in ("INLINE_US", "ALONE_US", "UNKNOWN")}
    assert {name for measure in await measures(api) for name in measure.units} == table
    await api.aclose()
