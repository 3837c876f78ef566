"""The filters of a request as one tree: parsed on the event loop when they are light, in a thread when that could hold others up."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chroma_async.query_language.filter_ast import Filter
from chroma_async.query_language.filter_parse import parse
from chroma_async.query_language.filter_rules import check_filter
from chroma_async.threads import Run
from chroma_async.types import Json

#: Nodes of JSON, and characters of a pattern, that take about as long as a hop to a thread.
LIGHT_NODES, LIGHT_PATTERN_CHARS = 200, 200
#: Patterns without classes, flags and counted repetitions take microseconds to translate; those may take any time.
_PLAIN = re.compile(r"[^\\\[({]*")
_PATTERNS = ("$regex", "$not_regex")


async def condition(schema: dict[str, Json], where: Json, where_document: Json, max_pattern_chars: int, run: Run) -> Filter | None:
    """Both filters together, checked against a collection's schema; ``None`` for none.

    :param run: a way to a worker thread.
    :raises InvalidArgumentError: the filter is none, holds a pattern that is too long, or asks an index that the schema has switched off.
    """
    if where is None and where_document is None:
        return None
    if is_light(where) and is_light(where_document):
        return _checked(schema, where, where_document, max_pattern_chars)
    return await run(_checked, schema, where, where_document, max_pattern_chars)


def _checked(schema: dict[str, Json], where: Json, where_document: Json, max_pattern_chars: int) -> Filter | None:
    filter = parse(where, where_document, max_pattern_chars=max_pattern_chars)
    if filter is not None:
        check_filter(schema, filter)
    return filter


def is_light(body: Json) -> bool:
    """Whether parsing it takes a fraction of a millisecond. Looks at few nodes itself, whatever the size."""
    left = LIGHT_NODES
    waiting: list[Iterator[tuple[object, Json]]] = [iter(((None, body),))]
    while waiting:
        following = next(waiting[-1], None)
        if following is None:
            waiting.pop()
            continue
        left -= 1
        name, value = following
        if left < 0:
            return False
        if isinstance(value, dict):
            waiting.append(iter(value.items()))
        elif isinstance(value, list | tuple):
            if len(value) > left:
                return False
            waiting.append((None, item) for item in value)
        elif name in _PATTERNS and isinstance(value, str) and (len(value) > LIGHT_PATTERN_CHARS or not _PLAIN.fullmatch(value)):
            return False
    return True
