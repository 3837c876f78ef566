"""Where arguments are read: what a caller's objects raise while they are looked at becomes a refusal that names the argument.

Python lets every object answer for itself: ``len(x)``, ``x == y``, even ``isinstance(x, list)`` run code of its class, and that may raise
anything. Only errors of :mod:`chroma_async.errors` leave a public method, so one ``with refusing("get"):`` stands around all checks of a
verb, and :func:`guarded` around what has no verb. Both cost nothing while nothing is raised. Afterwards the traceback still knows which
argument was being read.

What the caller's own functions raise when they are called (:func:`calling`) goes through as it is, and so does what stops a program.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from types import CodeType, FrameType, FunctionType, TracebackType
from typing import Any, ParamSpec, TypeVar, cast

from chroma_async.errors import ChromaError, DuplicateIDError, InvalidArgumentError, ValidationError, ValidationTypeError

P = ParamSpec("P")
T = TypeVar("T")

_REFUSALS = (ValidationError, ValidationTypeError, DuplicateIDError)
_SHOWN_CHARS, _MOST_NAMED = 200, 3
_PACKAGE = __name__.partition(".")[0]
#: Types of which equal values are often one object, so that being the same object says nothing.
_SHARED: frozenset[type] = frozenset({type(None), bool, int, float, str})
#: What checks call the name of what they are given, where it is no argument of the method.
_NAMES = ("field", "what")
_OPERATORS = frozenset(
    {f"__{name}__" for name in ("init", "eq", "ne", "lt", "le", "gt", "ge", "and", "or", "neg", "abs")}
    | {f"__{side}{name}__" for name in ("add", "sub", "mul", "truediv", "and", "or") for side in ("", "r")}
)
_calling: set[CodeType] = set()


class refusing:  # noqa: N801 - reads as a statement, as contextlib.suppress does
    """``with refusing(method):`` names the method at the end of whatever a check inside the block refuses.

    An error of a class that the caller made of this package's goes through as it is: only who wrote it knows how to make another. What is
    no error of this package becomes a :class:`~chroma_async.errors.ValidationError`, or a
    :class:`~chroma_async.errors.ValidationTypeError` if it is a TypeError.
    """

    __slots__ = ("_method",)

    def __init__(self, method: str) -> None:
        self._method = method

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            return
        if kind in _REFUSALS:
            message = cast(InvalidArgumentError, error).message()
        elif isinstance(error, ChromaError) or not isinstance(error, Exception) or _is_of_a_call(trace):
            return
        else:
            kind, message = _kind(error), _message(error, trace)
        cause = error.__cause__ if isinstance(error, ChromaError) else error
        raise cast(Any, kind)(f"{message.rstrip('.')} in {self._method}.") from cause


def calling(function: Callable[P, T]) -> Callable[P, T]:
    """Marks the function in which a function of the caller's is called: what comes out of it is the caller's own."""
    _calling.add(cast(FunctionType, function).__code__)
    return function


def guarded(function: Callable[P, T]) -> Callable[P, T]:
    """The function, letting out no errors but this package's, for what callers hand to it. Python's own words on a missing or unknown
    argument stay as they are."""

    @functools.wraps(function)
    def guarding(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return function(*args, **kwargs)
        except ChromaError:
            raise
        except Exception as error:
            trace = error.__traceback__.tb_next if error.__traceback__ is not None else None
            if trace is None or _is_of_a_call(trace):
                raise
            raise _kind(error)(_message(error, trace)) from error

    return guarding


def guarded_class(cls: type[T]) -> type[T]:
    """The class, with its constructor, operators and public methods :func:`guarded`; not coroutine functions, which do more than read."""
    for name, member in list(vars(cls).items()):
        if name.startswith("_") and name not in _OPERATORS:
            continue
        if isinstance(member, FunctionType) and not inspect.iscoroutinefunction(member):
            setattr(cls, name, guarded(member))
        elif isinstance(member, staticmethod | classmethod):
            setattr(cls, name, type(member)(guarded(member.__func__)))
    return cls


def _kind(error: BaseException) -> type[InvalidArgumentError]:
    return ValidationTypeError if isinstance(error, TypeError) else ValidationError


def _message(error: BaseException, trace: TracebackType | None) -> str:
    """What is refused: the argument, whose method raised, and what."""
    frames = [] if trace is None else list(_frames(trace))
    name, said = _argument(frames) or "an argument", _said(error)
    if frames and frames[-1].f_globals.get("__name__", "").partition(".")[0] != _PACKAGE:
        return f"{name}: {frames[-1].f_code.co_qualname.rpartition('<locals>.')[2]} raised {said}"
    return f"{name}: it cannot be read ({said})"


def _said(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # an error of the caller's may fail at this too
        text = ""
    return f"{type(error).__name__}: {text:.{_SHOWN_CHARS}}" if text else type(error).__name__


def _frames(trace: TracebackType) -> Iterator[FrameType]:
    following: TracebackType | None = trace
    while following is not None:
        yield following.tb_frame
        following = following.tb_next


def _is_of_a_call(trace: TracebackType | None) -> bool:
    return trace is not None and any(frame.f_code in _calling for frame in _frames(trace))


def _argument(frames: list[FrameType]) -> str | None:
    """The argument of the first frame that was being read in the deepest frame that has one of them, or what that frame says it reads."""
    given = {name: value for name, value in _parameters(frames[0]).items() if name not in ("self", "cls")} if frames else {}
    for frame in reversed(frames[1:]):
        parameters = _parameters(frame)
        if read := [name for name, argument in given.items() if _was_given(name, argument, parameters)]:
            return " or ".join(read) if len(read) <= _MOST_NAMED else None
        for name in _NAMES:
            if type(parameters.get(name)) is str:
                return cast(str, parameters[name])
    return None


def _was_given(name: str, argument: Any, parameters: dict[str, Any]) -> bool:
    """Whether a function was given the argument. Values that may be one object by chance count under the same name only."""
    by_chance = type(argument) in _SHARED
    return argument is not None and any(value is argument and (not by_chance or name == own) for own, value in parameters.items())


def _parameters(frame: FrameType) -> dict[str, Any]:
    """What the function of a frame was given, by name."""
    code = frame.f_code
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return {name: frame.f_locals[name] for name in names if name in frame.f_locals}
