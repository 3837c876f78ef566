"""Names under concurrent create, delete, rename and fork: every history that callers see is one that some order of the verbs explains.

The verbs of a round run at once; for each it is noted when it was called, when it answered, and what. A search then looks for an order in
which a plain dict of names, asked one verb after another, would have given the same answers, and in which no verb stands before one that
had answered when it was called (linearizability: Herlihy and Wing, 1990; the search is that of Wing and Gong, 1993, and remembers states as
Lowe's, 2017).
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from chroma_async.errors import ChromaError, NotFoundError, UniqueConstraintError
from tests.api.conftest import Store

NAMES = ("red", "green", "blue")
WORKERS = 4
VERBS_EACH = 5
ROUNDS = 60
#: The more often a verb stands here, the more often it is called.
VERBS = (
    "create", "get_or_create", "get_or_create", "get", "get", "delete", "delete", "rename", "rename", "fork", "get_by_id", "list",
)  # fmt: skip
OURS = pytest.mark.parametrize("store", ["ephemeral", "persistent", "http"], indirect=True)

#: Name -> id of a collection. What a verb answers: an id and a name, a list of both, "missing" or "taken".
State = frozenset[tuple[str, str]]
Answer = Any
MISSING, TAKEN, DONE = "missing", "taken", "done"


@dataclass
class Call:
    """A verb as its caller saw it."""

    verb: str
    #: A name, or the id of a collection.
    subject: str
    #: A new name, where the verb takes one.
    name: str = ""
    called_at: int = 0
    answered_at: int = 0
    answer: Answer = None
    clock: Iterator[int] = field(default_factory=itertools.count, repr=False)


def then(state: State, call: Call) -> State | None:
    """The state after the call, if it would have been answered so in this state; else ``None``."""
    named, subject, name, answer = dict(state), call.subject, call.name, call.answer
    by_id = {id: held for held, id in state}
    if call.verb == "list":
        return state if answer == tuple(sorted(by_id.items())) else None
    if call.verb == "get":
        expected = (named[subject], subject) if subject in named else MISSING
        return state if answer == expected else None
    if call.verb == "get_by_id":
        expected = (subject, by_id[subject]) if subject in by_id else MISSING
        return state if answer == expected else None
    if call.verb == "delete":
        if answer != (DONE if subject in named else MISSING):
            return None
        return state - {(subject, named[subject])} if answer == DONE else state
    if call.verb == "get_or_create" and subject in named:
        return state if answer == (named[subject], subject) else None
    if call.verb in ("create", "get_or_create"):
        if subject in named:
            return state if answer == TAKEN else None
        made = answer if isinstance(answer, tuple) and answer[1] == subject and answer[0] not in by_id else None
        return None if made is None else state | {(subject, made[0])}
    if subject not in by_id:  # of a rename or a fork
        return state if answer == MISSING else None
    if name in named and not (call.verb == "rename" and named[name] == subject):
        return state if answer == TAKEN else None
    if call.verb == "rename":
        return (state - {(by_id[subject], subject)}) | {(name, subject)} if answer == DONE else None
    return state | {(name, answer[0])} if isinstance(answer, tuple) and answer[1] == name else None


def order_of(calls: list[Call], begin: State) -> list[Call] | None:
    """An order that explains all answers; ``None`` when there is none."""
    seen: set[tuple[frozenset[int], State]] = set()

    def search(waiting: frozenset[int], state: State) -> list[Call] | None:
        if not waiting:
            return []
        if (waiting, state) in seen:
            return None
        seen.add((waiting, state))
        first_answer = min(calls[at].answered_at for at in waiting)
        for at in sorted(waiting):
            after = then(state, calls[at]) if calls[at].called_at < first_answer else None
            if after is not None and (rest := search(waiting - {at}, after)) is not None:
                return [calls[at], *rest]
        return None

    return search(frozenset(range(len(calls))), begin)


async def answered(store: Store, call: Call, known: dict[str, Any]) -> Answer:
    """Ask the store; ``known`` are the collections by their ids, which the caller has met."""
    client = store.client
    try:
        if call.verb == "list":
            return tuple(sorted((str(each.id), each.name) for each in await client.list_collections()))
        if call.verb == "delete":
            await client.delete_collection(call.subject)
            return DONE
        if call.verb == "rename":
            await known[call.subject].modify(name=call.name)
            return DONE
        if call.verb == "fork":
            found = await known[call.subject].fork(call.name)
        elif call.verb == "get_by_id":
            found = await client.get_collection_by_id(call.subject)
        elif call.verb == "get":
            found = await client.get_collection(call.subject)
        else:
            make = client.create_collection if call.verb == "create" else client.get_or_create_collection
            found = await make(call.subject, embedding_function=None)
    except NotFoundError:
        return MISSING
    except UniqueConstraintError:
        return TAKEN
    known[str(found.id)] = found
    return str(found.id), found.name


def chosen(rng: random.Random, known: dict[str, Any]) -> Call:
    verb = rng.choice(
        ("create", "get_or_create", "get_or_create", "get", "get", "delete", "delete", "rename", "rename", "fork", "get_by_id", "list")
    )
    if verb in ("rename", "fork", "get_by_id"):
        if not known:
            return Call("get", rng.choice(NAMES))
        return Call(verb, rng.choice(sorted(known)[-4:]), rng.choice(NAMES))
    return Call(verb, rng.choice(NAMES))


async def worker(store: Store, rng: random.Random, known: dict[str, Any], clock: Iterator[int], history: list[Call]) -> None:
    for _ in range(VERBS_EACH):
        call = chosen(rng, known)
        history.append(call)
        handles = dict(known)
        call.called_at = next(clock)
        call.answer = await answered(store, call, handles)
        call.answered_at = next(clock)
        known.update({id: handle for id, handle in handles.items() if id not in known})


def test_the_search_tells_a_history_that_has_an_order_from_one_that_has_none() -> None:
    def history(found: Answer) -> list[Call]:
        return [
            Call("create", "red", called_at=0, answered_at=3, answer=("1", "red")),
            Call("delete", "red", called_at=1, answered_at=2, answer=DONE),
            Call("get", "red", called_at=4, answered_at=5, answer=found),
        ]

    assert order_of(history(MISSING), frozenset()) is not None
    assert order_of(history(("1", "red")), frozenset()) is None


@OURS
async def test_what_callers_see_of_names_has_an_order(store: Store) -> None:
    rng, clock, met = random.Random(20261128), itertools.count(), set[str]()
    for round in range(ROUNDS):
        known: dict[str, Any] = {str(each.id): each for each in await store.client.list_collections()}
        begin: State = frozenset((each.name, id) for id, each in known.items())
        history: list[Call] = []
        seeds = [random.Random(rng.random()) for _ in range(WORKERS)]
        await asyncio.gather(*(worker(store, seed, known, clock, history) for seed in seeds))
        assert order_of(history, begin) is not None, f"no order explains round {round}: " + "\n".join(map(str, history))
        met.update(f"{call.verb} {call.answer if isinstance(call.answer, str) else 'found'}" for call in history)
    assert {
        f"rename {MISSING}",
        f"rename {TAKEN}",
        f"rename {DONE}",
        f"fork {MISSING}",
        f"fork {TAKEN}",
        "fork found",
        f"create {TAKEN}",
    } <= met


@OURS
async def test_a_change_that_was_made_is_told_though_the_collection_is_deleted_before_it_is_read_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    docs = await store.collection(metadata={"of": "tests"})
    read: Callable[..., Any] = docs.api.get_collection_by_id

    async def read_late(*arguments: Any) -> Any:
        await store.client.delete_collection("renamed")
        return await read(*arguments)

    monkeypatch.setattr(docs.api, "get_collection_by_id", read_late)
    await docs.modify(name="renamed", metadata={"a": 1, "b": None})
    assert (docs.name, docs.metadata) == ("renamed", {"a": 1})
    with pytest.raises(ChromaError):
        await docs.count()
