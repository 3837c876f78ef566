"""Text that can be stored. A Python string may hold lone surrogates; UTF-8, and with it every index and file, cannot."""

from __future__ import annotations

from collections.abc import Sequence

from chroma_async.errors import InvalidArgumentError


def is_storable(text: str) -> bool:
    """Whether the text can be written as UTF-8. Constant time for ASCII."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_text(text: str, what: str) -> None:
    """:param what: names the text in the error, as ``document at index 3``.

    :raises InvalidArgumentError: it holds a lone surrogate.
    """
    if not is_storable(text):
        raise InvalidArgumentError(f"The {what} holds a lone surrogate, which is not valid Unicode text")


def check_texts(texts: Sequence[str | None], what: str) -> None:
    """Check a column at once; ``None`` passes. ``what`` is the singular, as ``document``.

    :raises InvalidArgumentError: one holds a lone surrogate; the message names its index.
    """
    for index, text in enumerate(texts):
        if text is not None and not text.isascii():
            check_text(text, f"{what} at index {index}")
