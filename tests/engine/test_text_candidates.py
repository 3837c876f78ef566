"""A query for a text is answered from what the trigram index proposes, and is right also where the index proposes too much."""

from __future__ import annotations

import numpy as np
import pytest

from chroma_async.engine.read.text_candidates import SPARE, confirmed, may_be_approximate, with_spare
from chroma_async.query_language.filter_evaluate import predicate
from chroma_async.query_language.filter_parse import parse
from chroma_async.types import Json
from tests.engine.store import Store

#: Holds every trigram of the needle, and not the needle.
NEEDLE, DECOY = "abcabd", "cabd abca bcab"
ROWS = 120


def document(number: int, decoys: int) -> str:
    return f"{number} {DECOY}" if number < decoys else f"{number} {NEEDLE}" if number % 3 else f"{number} nothing"


@pytest.mark.parametrize(
    ("where", "where_document", "approximate"),
    [
        (None, {"$contains": NEEDLE}, True),
        ({"n": {"$gt": 3}}, {"$contains": NEEDLE}, True),
        ({"n": {"$ne": 3}}, {"$contains": NEEDLE}, True),
        (None, {"$or": [{"$contains": NEEDLE}, {"$contains": "nothing"}]}, True),
        (None, {"$not_contains": NEEDLE}, False),
        (None, {"$and": [{"$contains": NEEDLE}, {"$not_contains": "x"}]}, False),
        (None, {"$and": [{"$contains": NEEDLE}, {"$regex": "x"}]}, False),
        (None, {"$regex": NEEDLE}, False),
        ({"n": 3}, None, False),
    ],
)
def test_only_filters_that_can_match_too_much_but_not_too_little_are_answered_so(
    where: Json, where_document: Json, approximate: bool
) -> None:
    filter = parse(where, where_document)
    assert filter is not None
    assert may_be_approximate(filter) is approximate


@pytest.mark.parametrize("decoys", [0, 5, 40, 90])
@pytest.mark.parametrize("n_results", [1, 3, 20, 500])
@pytest.mark.parametrize(
    ("where", "where_document"),
    [
        (None, {"$contains": NEEDLE}),
        ({"n": {"$gte": 30}}, {"$contains": NEEDLE}),
        (None, {"$or": [{"$contains": NEEDLE}, {"$contains": "9 no"}]}),
        (None, {"$and": [{"$contains": NEEDLE}, {"$not_contains": "11"}]}),
    ],
)
async def test_the_answer_is_that_of_the_filters_meaning(
    disk: Store, decoys: int, n_results: int, where: Json, where_document: Json
) -> None:
    documents = [document(number, decoys) for number in range(ROWS)]
    await disk.add(
        [str(number) for number in range(ROWS)],
        [[float(number)] * 4 for number in range(ROWS)],
        documents=documents,
        metadatas=[{"n": number} for number in range(ROWS)],
    )
    await disk.finish()
    await disk.delete(["1", "59", "60"])
    await disk.add(["late"], [[4.0] * 4], documents=[f"late {NEEDLE}"], metadatas=[{"n": 1000}])
    (segment,) = {view.segment.key: view.segment for view in (await disk.collection()).version.segments[:1]}.values()
    assert segment.trigrams
    filter = parse(where, where_document)
    assert filter is not None
    alive = {str(number): (number, documents[number]) for number in range(ROWS) if number not in (1, 59, 60)}
    expected = [(abs(number - 2.2), id) for id, (number, text) in alive.items() if predicate(filter)(id, {"n": number}, text)]
    if predicate(filter)("late", {"n": 1000}, f"late {NEEDLE}"):
        expected.append((abs(4.0 - 2.2), "late"))
    # Of two equally far ones the older comes first.
    expected.sort(key=lambda each: (each[0], each[1] == "late"))
    rows = await disk.query([2.2] * 4, n_results, where=where, where_document=where_document)
    assert rows.ids == [id for _, id in expected[:n_results]]


async def test_too_many_wrong_proposals_are_noticed(disk: Store) -> None:
    await disk.add([str(n) for n in range(60)], documents=[DECOY] * 59 + [NEEDLE])
    await disk.finish()
    filter = parse(None, {"$contains": NEEDLE})
    assert filter is not None
    version = (await disk.collection()).version
    places = version.find([str(n) for n in range(60)])
    few = places.at(np.arange(with_spare(1)))
    assert confirmed(version, filter, [(few, np.zeros(len(few), np.float32))], 1) is None
    fewer = places.at(np.arange(SPARE - 1))
    ((nothing, _),) = confirmed(version, filter, [(fewer, np.zeros(len(fewer), np.float32))], 1) or [(places, None)]
    assert len(nothing) == 0
