"""Verbs that are watched: each is an operation with a beginning, steps and an end, of which spans and lines about slow ones are made."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from functools import wraps
from time import time_ns
from typing import Any, Protocol, TypeVar
from uuid import UUID

from chroma_async.observation import CURRENT, REQUEST_ID, Observation, Step
from chroma_async.spans import Spans, plans_named
from chroma_async.types import DeleteRequest, GetRequest, QueryRequest, RecordBatch, Scope, SearchRequest, WriteKind

logger = logging.getLogger(__name__)

Verb = Callable[..., Awaitable[Any]]
C = TypeVar("C", bound=type)

#: Nothing takes as long.
NEVER_NS = 1 << 62
#: Steps that a line about a slow operation tells, the longest ones.
_MOST_STEPS_TOLD = 20


class Watch:
    """Who is told of operations that have ended.

    :ivar inner: whether they want to know of steps in threads.
    """

    def __init__(self, spans: Spans, slow_operation_s: float) -> None:
        """:param slow_operation_s: operations that take as long are logged; 0 logs none."""
        self._spans = spans
        self._slow_ns = int(slow_operation_s * 1e9) or NEVER_NS
        self.inner = spans.inner

    def wants(self, observed: Observation) -> bool:
        """Whether anybody is to be told of an operation that ends now. Asked of each, and false for nearly all."""
        return self._spans.on or time_ns() - observed.began_ns >= self._slow_ns

    def ended(self, observed: Observation, arguments: Iterable[object], error: BaseException | None) -> None:
        """An operation has ended, well or with ``error``."""
        ended_ns, shape = time_ns(), _shape(arguments)
        self._spans.operation(observed, ended_ns, shape, error)
        if ended_ns - observed.began_ns >= self._slow_ns:
            _tell(observed, ended_ns, shape, error)


class Watched(Protocol):
    """What has verbs that are watched."""

    watch: Watch


def observed(*verbs: str) -> Callable[[C], C]:
    """A class whose coroutines of these names, its own or inherited, are operations."""

    def with_watched_verbs(owner: C) -> C:
        for name in verbs:
            setattr(owner, name, _watched(getattr(owner, name)))
        return owner

    return with_watched_verbs


def _watched(verb: Verb) -> Verb:
    name = verb.__name__

    @wraps(verb)
    async def around(self: Watched, *args: Any, **kwargs: Any) -> Any:
        seen, failure = Observation(name, self.watch.inner), None
        before = CURRENT.set(seen)
        try:
            return await verb(self, *args, **kwargs)
        except BaseException as error:
            failure = error
            raise
        finally:
            CURRENT.reset(before)
            if self.watch.wants(seen):
                self.watch.ended(seen, (*args, *kwargs.values()), failure)

    return around


def _shape(arguments: Iterable[object]) -> dict[str, Any]:
    """What was asked for, by place and size; nothing of what is stored or looked for."""
    shape: dict[str, Any] = {}
    for argument in arguments:
        match argument:
            case Scope(tenant, database):
                shape |= {"tenant": tenant, "database": database}
            case UUID():
                shape["collection_id"] = str(argument)
            case QueryRequest():
                shape |= {"queries": len(argument.embeddings), "n_results": argument.n_results, "filtered": _filtered(argument)}
            case GetRequest() | DeleteRequest():
                shape |= {"ids": len(argument.ids or ()), "filtered": _filtered(argument)}
            case SearchRequest():
                shape["searches"] = len(argument.searches)
            case RecordBatch():
                shape["rows"] = len(argument.ids)
            case WriteKind():
                shape["kind"] = str(argument)
    return shape


def _filtered(request: QueryRequest | GetRequest | DeleteRequest) -> bool:
    return request.where is not None or request.where_document is not None


def _tell(observed: Observation, ended_ns: int, shape: dict[str, Any], error: BaseException | None) -> None:
    longest = sorted(observed.steps, key=lambda step: step.began_ns - step.ended_ns)[:_MOST_STEPS_TOLD]
    fields = {
        "operation": observed.name,
        "duration_ms": round((ended_ns - observed.began_ns) / 1e6, 3),
        "request_id": REQUEST_ID.get(),
        "error": None if error is None else type(error).__name__,
        **shape,
        "steps": [_told(step) for step in longest],
    }
    logger.warning("a slow operation", extra={"fields": fields})


def _told(step: Step) -> dict[str, Any]:
    detail = {name: plans_named(value) if name == "plan" else value for name, value in step.detail.items()}
    return {"step": step.name, "duration_ms": round((step.ended_ns - step.began_ns) / 1e6, 3), **detail}
