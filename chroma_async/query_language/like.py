"""``$like``: SQL's LIKE over metadata strings. ``%`` stands for any run of characters, ``_`` for one, a backslash takes the next literally.

Case-sensitive, over the whole string. The search goes back to the last ``%`` only, so its time is bounded by the product of both lengths:
no pattern can make it explode, as a regular expression of many ``.*`` can.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

#: What ``%`` and ``_`` become once escapes are resolved; no string that is stored holds lone surrogates.
_ANY_RUN, _ANY_ONE = "\ud800", "\ud801"


@lru_cache(maxsize=64)
def compile_like(pattern: str) -> Callable[[str], bool]:
    """A function that says whether a string is like ``pattern``. A backslash at the very end stands for itself."""
    signs = _signs(pattern)
    if _ANY_ONE in signs:
        return lambda text: _matches(signs, text)
    if _ANY_RUN not in signs:
        return lambda text: text == signs
    first, *middle, last = signs.split(_ANY_RUN)

    def pieces_in_order(text: str) -> bool:
        if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
            return False
        at, end = len(first), len(text) - len(last)
        for piece in middle:
            at = text.find(piece, at, end)
            if at < 0:
                return False
            at += len(piece)
        return True

    return pieces_in_order


def _signs(pattern: str) -> str:
    signs: list[str] = []
    rest = iter(pattern)
    for sign in rest:
        if sign == "\\":
            signs.append(next(rest, "\\"))
        else:
            signs.append({"%": _ANY_RUN, "_": _ANY_ONE}.get(sign, sign))
    return "".join(signs)


def _matches(signs: str, text: str) -> bool:
    """Walk both; on a mismatch let the last run take one character more."""
    at = place = 0
    run, resume = -1, 0
    while place < len(text):
        sign = signs[at] if at < len(signs) else None
        if sign == _ANY_RUN:
            run, resume = at, place
            at += 1
        elif sign is not None and sign in (_ANY_ONE, text[place]):
            at += 1
            place += 1
        elif run >= 0:
            at, resume = run + 1, resume + 1
            place = resume
        else:
            return False
    return all(sign == _ANY_RUN for sign in signs[at:])
