"""What checks refuse, and what callers' objects raise while they are checked, leaves as one kind of error that names the argument."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from chroma_async.client.validate import check_ids, check_n_results, check_window
from chroma_async.errors import ClosedError, DuplicateIDError, ValidationError, ValidationTypeError
from chroma_async.refusing import calling, guarded, guarded_class, refusing


class Boom(Exception):
    pass


class Unwhole:
    """No whole number, which it says in an unusual way."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __index__(self) -> int:
        raise self.error


class Sulking(Exception):
    """An error that fails at saying what it is."""

    def __str__(self) -> str:
        raise Boom


def test_refusals_end_with_the_method_and_keep_their_class() -> None:
    with pytest.raises(ValueError, match=r" in add\.$") as refusal, refusing("add"):
        check_ids([])
    assert isinstance(refusal.value, ValidationError)
    with pytest.raises(TypeError, match=r" in query\.$"), refusing("query"):
        check_n_results(0)
    with pytest.raises(DuplicateIDError, match=r" in get\.$"), refusing("get"):
        check_ids(["a", "a"])


def verb(limit: Any, offset: Any = None) -> None:
    with refusing("verb"):
        check_window(limit, "limit")
        check_window(offset, "start")


def test_what_a_method_of_an_argument_raises_is_a_refusal_of_that_argument() -> None:
    with pytest.raises(ValidationError, match=r"^limit: Unwhole\.__index__ raised Boom: no in verb\.$") as refusal:
        verb(Unwhole(Boom("no")))
    assert isinstance(refusal.value.__cause__, Boom)
    with pytest.raises(ValidationError, match=r"^offset: "):
        verb(5, Unwhole(Boom("no")))


def test_a_type_error_stays_a_type_error_and_every_other_a_value_error() -> None:
    with pytest.raises(ValidationTypeError), refusing("get"):
        len(5)  # type: ignore[arg-type]
    with pytest.raises(ValidationError), refusing("get"):
        raise KeyError("a")


def test_where_no_argument_was_being_read_what_the_check_calls_it_is_named() -> None:
    with pytest.raises(ValidationError, match=r"^start: Unwhole\.__index__ raised Boom: no in get\.$"), refusing("get"):
        check_window(Unwhole(Boom("no")), "start")
    with pytest.raises(ValidationTypeError, match=r"^an argument: .*object of type 'int' has no len\(\) in get\.$"), refusing("get"):
        len(5)  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), asyncio.CancelledError(), GeneratorExit()])
def test_what_stops_a_program_or_a_task_goes_through(error: BaseException) -> None:
    with pytest.raises(type(error)):
        verb(Unwhole(error))


def test_other_errors_of_the_package_go_through_untouched() -> None:
    with pytest.raises(ClosedError, match=r"^closed$"), refusing("get"):
        raise ClosedError("closed")


def test_an_error_that_cannot_say_what_it_is_is_named_by_its_class() -> None:
    with pytest.raises(ValidationError, match=r"raised Sulking in verb\.$"):
        verb(Unwhole(Sulking()))


def test_what_comes_out_of_a_function_of_the_callers_goes_through() -> None:
    @calling
    def call(function: Any) -> Any:
        return function()

    def mine() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"), refusing("add"):
        call(mine)
    with pytest.raises(KeyError, match="mine"):
        guarded(call)(mine)


@guarded_class
class Window:
    def __init__(self, start: Any) -> None:
        self.start = check_window(start, "start")

    def __eq__(self, other: object) -> bool:
        return bool(check_window(other, "other") == self.start)

    @staticmethod
    def read(data: Any) -> int:
        return len(data)

    def _own(self) -> None:
        raise Boom

    __hash__ = object.__hash__


def test_a_guarded_class_refuses_in_its_constructor_operators_and_public_methods() -> None:
    with pytest.raises(ValidationError, match=r"^start: Unwhole\.__index__ raised Boom: no$"):
        Window(Unwhole(Boom("no")))
    with pytest.raises(ValidationError, match=r"^other: "):
        assert Window(1) == Unwhole(Boom("no"))
    with pytest.raises(ValidationTypeError, match=r"^an argument: .*object of type 'int' has no len"):
        Window.read(5)
    with pytest.raises(Boom):
        Window(1)._own()


def test_python_itself_says_which_argument_is_missing_or_unknown() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'start'") as refusal:
        Window()  # type: ignore[call-arg]
    assert type(refusal.value) is TypeError
