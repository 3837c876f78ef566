"""JSON members of catalog rows as text, ten times as fast as the standard library does it; a schema can have thousands of keys."""

from __future__ import annotations

import json
import re

import orjson

from chroma_async.types import Json

#: Integers that orjson would read as floats.
_LONG_NUMBER = re.compile(r"\d{19}")


def dump(value: Json) -> str:
    """As text. What orjson does not know (integers beyond 64 bits, lone surrogates) the standard library writes."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value)


def load(text: str) -> Json:
    """The value that :func:`dump`, or an earlier release, wrote. :raises ValueError: it is none."""
    if _LONG_NUMBER.search(text) is None:
        try:
            return orjson.loads(text)
        except ValueError:
            pass  # a number that is no number, which the standard library reads too
    return json.loads(text)
