"""Pieces of a translated pattern, with what is known of the texts that they match."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

#: Longest literal that is followed through repetitions, in characters.
_MAX_LITERAL = 1024


@dataclass(frozen=True, slots=True)
class Node:
    """One piece of pattern and its properties. Zero-width pieces have ``exact`` ""."""

    text: str
    #: A quantifier may follow the text as it stands.
    tight: bool = False
    #: More than one branch at the top: to be wrapped before anything stands beside it.
    branching: bool = False
    #: Nesting as Rust counts it.
    depth: int = 0
    #: Size with all repetitions written out; a literal byte is 1.
    cost: int = 1
    #: The one text that it matches, when there is only one.
    exact: str | None = None
    #: A text that lies in everything it matches; "" when none is known.
    required: str = ""
    #: How many ways there are to walk through it at one start, at most.
    ways: float = 1
    #: (piece, least, most) of a repetition.
    loop: tuple[Node, int, int | None] | None = None
    zero_width: bool = False


#: What stands for nothing and cannot be repeated: flags such as ``(?i)``.
EMPTY = Node("", exact="", cost=0, zero_width=True)


def concatenation(items: list[Node]) -> Node:
    """One after the other. Literal neighbours join into one required literal."""
    if len(items) == 1:
        return items[0]
    required, run = "", ""
    for item in items:
        if item.exact is None:
            required, run = max(required, run, item.required, key=len), ""
        else:
            run += item.exact
    return Node(
        "".join(_wrapped(item) if item.branching else item.text for item in items),
        depth=1 + max((item.depth for item in items), default=-1),
        cost=sum(item.cost for item in items),
        exact=run if all(item.exact is not None for item in items) else None,
        required=max(required, run, key=len),
        ways=math.prod(item.ways for item in items),
        zero_width=all(item.zero_width for item in items),
    )


def alternation(branches: list[Node]) -> Node:
    """Any of the branches."""
    if len(branches) == 1:
        return branches[0]
    return Node(
        "|".join(branch.text for branch in branches),
        branching=True,
        depth=1 + max(branch.depth for branch in branches),
        cost=sum(branch.cost + 2 for branch in branches),
        ways=sum(branch.ways for branch in branches),
        zero_width=all(branch.zero_width for branch in branches),
    )


def group(inner: Node) -> Node:
    """The same in parentheses, which are dropped: nothing is captured."""
    return replace(inner, depth=inner.depth + 1, cost=inner.cost + 2)


def repetition(inner: Node, least: int, most: int | None) -> Node:
    """``least`` to ``most`` times (``None``: no bound). Nested ``? * +`` become one of them, which defuses patterns such as ``(a+)+``."""
    depth, cost = inner.depth + 1, inner.cost * max(1, least if most is None else most) + 1
    if inner.zero_width:
        # Once is as good as many times; never is as good as true.
        return replace(inner, depth=depth, cost=cost) if least else replace(EMPTY, text="(?:)", tight=True, depth=depth, cost=cost)
    if inner.loop is not None and _simple(inner.loop[1:]) and _simple((least, most)):
        inner, inside_least, inside_most = inner.loop
        least, most = min(least, inside_least), None if most is None or inside_most is None else 1
    exact, required = None, ""
    literal = inner.exact
    if literal is not None and least == most and len(literal) * least <= _MAX_LITERAL:
        exact = literal * least
    if least:
        required = inner.required if literal is None else literal * min(least, max(1, _MAX_LITERAL // max(1, len(literal))))
    mark = {(0, 1): "?", (0, None): "*", (1, None): "+"}.get((least, most))
    if mark is None:
        mark = f"{{{least}}}" if least == most else f"{{{least},{'' if most is None else most}}}"
    return Node(
        (inner.text if inner.tight else _wrapped(inner)) + mark,
        depth=depth,
        cost=cost,
        exact=exact,
        required=required,
        ways=_loop_ways(inner.ways, least, most),
        loop=(inner, least, most),
    )


def _loop_ways(ways: float, least: int, most: int | None) -> float:
    if most is None:
        return math.inf
    if ways == 1:
        return most - least + 1
    # Beyond 64 rounds the sum is past any use as a bound.
    return math.inf if most > 64 or ways > 1e4 else sum(ways**count for count in range(least, most + 1))


def _simple(bounds: tuple[int, int | None]) -> bool:
    return bounds in ((0, 1), (0, None), (1, None))


def _wrapped(node: Node) -> str:
    return f"(?:{node.text})"
