"""What every error of the package has in common."""

from __future__ import annotations

import inspect
import pickle

import pytest

from chroma_async import errors
from chroma_async.errors import MESSAGE_CHARS, ChromaError, CorruptionError, NotFoundError, ValidationError

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ChromaError)]


@pytest.mark.parametrize("kind", CLASSES)
def test_of_a_long_message_both_ends_are_kept(kind: type[ChromaError]) -> None:
    text = f"Collection [{'x' * 70_000}] does not exist"
    for said in (str(kind(text)), kind(text).message()):
        assert said.startswith("Collection [xxx")
        assert f" ... {len(text)} characters ... " in said
        assert said.endswith("xxx] does not exist")
        assert MESSAGE_CHARS - 40 <= len(said) <= MESSAGE_CHARS + 20


def test_a_message_of_ordinary_length_is_kept_as_it_is() -> None:
    text = "x" * MESSAGE_CHARS
    assert str(NotFoundError(text)) == NotFoundError(text).message() == text


def test_an_error_survives_the_way_to_another_process() -> None:
    found = pickle.loads(pickle.dumps(CorruptionError("y" * 70_000, "a.vectors")))
    assert str(found) == str(CorruptionError("y" * 70_000))
    assert str(pickle.loads(pickle.dumps(ValidationError("limit: no")))) == "limit: no"
