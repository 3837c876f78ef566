"""From the bodies of answers to vectors, and from the bodies of refusals to a sentence."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import orjson

from chroma_async.errors import EmbeddingAnswerError
from chroma_async.types import Floats

#: Vectors as they come: lists of numbers, or base64 of little-endian float32.
Answer: TypeAlias = Sequence[Any]

#: Characters of a service's own words that are passed on.
_QUOTED = 500


def vectors(raw: bytes, answer: Callable[[Any], Answer], count: int) -> Floats:
    """The vectors in an answer: float32 of shape ``(count, dimension)``, all finite.

    :raises EmbeddingAnswerError: it is something else; the message says what.
    """
    try:
        found = list(answer(orjson.loads(raw)))
        rows = [_decoded(row) for row in found]
    except orjson.JSONDecodeError as error:
        raise EmbeddingAnswerError(f"the answer is not JSON: {_shown(raw)!r}") from error
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise EmbeddingAnswerError(f"the answer has no vectors where they should be ({error!r}): {_shown(raw)!r}") from error
    if len(rows) != count:
        raise EmbeddingAnswerError(f"asked for {count} vectors, the answer has {len(rows)}")
    try:
        with np.errstate(over="ignore"):  # what overflows becomes infinite, and is refused below
            result = np.asarray(rows, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise EmbeddingAnswerError(f"the answer's vectors are not numbers, or not all of one length: {error}") from error
    if result.ndim != 2 or result.shape[1] == 0:
        raise EmbeddingAnswerError(f"the answer's vectors have the shape {result.shape[1:]}, one number per dimension was expected")
    if not np.isfinite(result).all():
        raise EmbeddingAnswerError("the answer's vectors hold numbers that are not finite")
    return result


def _decoded(row: Any) -> Any:
    if not isinstance(row, str):
        return row
    try:
        return np.frombuffer(base64.b64decode(row, validate=True), dtype="<f4")
    except binascii.Error as error:
        raise ValueError("a vector that is text is not base64") from error


def in_order(items: Sequence[dict[str, Any]]) -> Answer:
    """The ``embedding`` of each item, by its ``index`` where all have one."""
    indexed = all("index" in item for item in items)
    if indexed and sorted(item["index"] for item in items) != list(range(len(items))):
        raise ValueError("the indexes do not number the vectors")
    return [item["embedding"] for item in (sorted(items, key=lambda item: item["index"]) if indexed else items)]


def refusal(status: int, raw: bytes) -> str:
    """What a service says of a refusal: in ``error``, ``error.message``, ``message`` or ``detail``, or the body itself."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError:
        body = None
    said: Any = None
    if isinstance(body, dict):
        error = body.get("error")
        if isinstance(error, dict):
            said = " ".join(str(error[part]) for part in ("code", "message") if error.get(part))
        said = said or error or body.get("message") or body.get("detail")
    text = said if isinstance(said, str) else orjson.dumps(said).decode() if said else raw.decode("utf-8", "replace")
    return f"status {status}: {text.strip()[:_QUOTED] or 'without a word'}"


def _shown(raw: bytes) -> str:
    return raw[:100].decode("utf-8", "replace")
