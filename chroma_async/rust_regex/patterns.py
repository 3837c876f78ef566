r"""Regular expressions over documents: Rust ``regex`` syntax and semantics, executed by Python's ``regex`` library in bounded time.

Differences from Python's own syntax that matter: no look-around and no backreferences; ``\w \d \s \b`` and case folding follow Unicode;
``.`` excludes only ``\n``; ``$`` is the end of the text, not also the place before a final newline; classes nest and take ``&& -- ~~``.
Matching backtracks, so a hostile pattern can be slow. It cannot hang: every :class:`Pattern` has a :class:`Budget`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import lru_cache
from types import TracebackType

import regex

from chroma_async.errors import InvalidArgumentError
from chroma_async.rust_regex.nodes import Node
from chroma_async.rust_regex.translate import translate

#: Longest pattern by default, in characters. Compiling takes about 4 microseconds a character.
MAX_PATTERN_CHARS = 10_000
#: Seconds of matching that one pattern object may use where no budget is in force, over all its texts.
REGEX_BUDGET_S = 10.0

#: Patterns up to this length are remembered in numbers.
SHORT_CHARS = 200
#: Steps below which a search is let run without a clock; the clock costs 2 microseconds a search.
_UNTIMED_STEPS = 200_000


class Budget:
    """Seconds of matching for all patterns of a request together. Patterns that are made inside ``with budget:`` in that thread spend it;
    several threads may work on one request, each with the same budget.
    """

    __slots__ = ("_before", "clock", "left_s", "seconds")

    def __init__(self, seconds: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self.seconds = self.left_s = seconds
        self.clock = clock
        self._before: Budget | None = None

    def __enter__(self) -> Budget:
        self._before = _ambient.budget
        _ambient.budget = self
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        _ambient.budget = self._before


class _Ambient(threading.local):
    budget: Budget | None = None


_ambient = _Ambient()


class Pattern:
    """A pattern for one request. Not to be shared between threads that search at once; make one each, which is cheap."""

    __slots__ = ("_budget", "_found", "_untimed_chars", "source")

    def __init__(self, source: str, node: Node, budget: Budget) -> None:
        self.source = source
        self._found: Callable[..., object] | None = None
        self._untimed_chars = _UNTIMED_STEPS / (node.ways * max(1, node.cost))
        self._budget = budget

    def search(self, text: str) -> bool:
        """Whether the pattern matches anywhere in the text. Releases the GIL while it searches.

        :raises InvalidArgumentError: the budget is used up; the text names the pattern's regex and the budget.
        """
        found, budget = self._found, self._budget
        if found is None:
            found = self._found = _compiled(self.source).search
        start = budget.clock()
        try:
            if budget.left_s <= 0:
                raise TimeoutError
            # A search that cannot take long by itself is not given a time limit, which would cost more than the search.
            if len(text) <= self._untimed_chars:
                return found(text, concurrent=True) is not None
            return found(text, concurrent=True, timeout=budget.left_s) is not None
        except TimeoutError:
            raise InvalidArgumentError(
                f"the regex {self.source[:80]!a} took longer than {budget.seconds:g} s to match; simplify its repetitions"
            ) from None
        finally:
            budget.left_s -= budget.clock() - start


def compile_pattern(
    source: str,
    *,
    max_chars: int = MAX_PATTERN_CHARS,
    budget_s: float = REGEX_BUDGET_S,
    clock: Callable[[], float] = time.perf_counter,
) -> Pattern:
    """Check a pattern. Cheap when the same source was checked lately; the library compiles it at the first search only.

    :param budget_s: seconds of matching, where no :class:`Budget` is in force.
    :raises InvalidArgumentError: a syntax error, a pattern over ``max_chars``, or one too large once repetitions are written out.
    """
    if len(source) > max_chars:
        raise InvalidArgumentError(f"the regex has {len(source)} characters; at most {max_chars} are allowed")
    return Pattern(source, _translated(source), _ambient.budget or Budget(budget_s, clock))


def required_literal(source: str) -> str | None:
    """The longest text known to lie in every document that the pattern matches; ``None`` when no such text is known."""
    node = _translated(source)
    literal = node.required if node.exact is None else node.exact
    return literal or None


def _translated(source: str) -> Node:
    return _translate_short(source) if len(source) <= SHORT_CHARS else _translate_long(source)


def _compiled(source: str) -> regex.Pattern[str]:
    return _compile_short(source) if len(source) <= SHORT_CHARS else _compile_long(source)


def _compile(source: str) -> regex.Pattern[str]:
    try:
        return regex.compile(_translated(source).text, flags=regex.VERSION1, cache_pattern=False)
    except RecursionError:
        raise InvalidArgumentError(f"the regex of {len(source)} characters nests too deep; use fewer groups inside one another") from None


# Many short patterns are remembered and few long ones: a compiled pattern of 10,000 characters takes some 3 MB.
_translate_short, _translate_long = lru_cache(256)(translate), lru_cache(8)(translate)
_compile_short, _compile_long = lru_cache(256)(_compile), lru_cache(8)(_compile)
