"""The filters of a request as one tree, and what it costs to parse what is asked."""

from __future__ import annotations

import re

from chroma_async.costs import INLINE_US, PARSE_NODE, PARSE_NUMBER, UNKNOWN, by_cost
from chroma_async.query_language.filter_ast import Filter
from chroma_async.query_language.filter_parse import parse
from chroma_async.query_language.filter_rules import check_filter
from chroma_async.threads import Run
from chroma_async.types import Json

#: Short patterns without classes, flags and counted repetitions take microseconds to translate; others may take any time.
_PLAIN_CHARS = 200
_PLAIN = re.compile(r"[^\\\[({]*")
_PATTERNS = frozenset({"$regex", "$not_regex"})
_CONTAINERS = (dict, list, tuple)


async def condition(schema: dict[str, Json], where: Json, where_document: Json, max_pattern_chars: int, run: Run) -> Filter | None:
    """Both filters together, checked against a collection's schema; ``None`` for none.

    :param run: a way to a worker thread.
    :raises InvalidArgumentError: the filter is none, holds a pattern that is too long, or asks an index that the schema has switched off.
    """
    if where is None and where_document is None:
        return None
    cost_us = parsing_us(where) + parsing_us(where_document)
    return await by_cost(run, cost_us, _parsed, schema, where, where_document, max_pattern_chars)


def _parsed(schema: dict[str, Json], where: Json, where_document: Json, max_pattern_chars: int) -> Filter | None:
    filter = parse(where, where_document, max_pattern_chars=max_pattern_chars)
    if filter is not None:
        check_filter(schema, filter)
    return filter


def parsing_us(body: Json) -> float:
    """What parsing a filter or a search costs in microseconds. Looks at no more of it than could be parsed at once."""
    cost_us = PARSE_NODE
    waiting = [body] if isinstance(body, _CONTAINERS) else []
    while waiting:
        container = waiting.pop()
        cost_us += PARSE_NUMBER * len(container)
        if cost_us > INLINE_US:
            return cost_us
        if isinstance(container, dict):
            patterns = container.keys() & _PATTERNS
            if patterns and any(_is_elaborate(container[name]) for name in patterns):
                return UNKNOWN
            nodes = list(container.values())
        else:
            nodes = [item for item in container if type(item) is not float]
        cost_us += PARSE_NODE * len(nodes)
        waiting += [node for node in nodes if isinstance(node, _CONTAINERS)]
    return cost_us


def _is_elaborate(pattern: Json) -> bool:
    """Whether translating a pattern may take any time."""
    return isinstance(pattern, str) and (len(pattern) > _PLAIN_CHARS or not _PLAIN.fullmatch(pattern))
