r"""Regular expressions over documents: Rust ``regex`` syntax and semantics, executed by Python's ``regex`` library in bounded time.

Differences from Python's own syntax that matter: no look-around and no backreferences; ``\w \d \s \b`` and case folding follow Unicode;
``.`` excludes only ``\n``; ``$`` is the end of the text, not also the place before a final newline; classes nest and take ``&& -- ~~``.
Matching backtracks, so a hostile pattern can be slow. It cannot hang: every :class:`Pattern` has a budget of seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

import regex

from chroma_async.errors import InvalidArgumentError
from chroma_async.filter.nodes import Node
from chroma_async.filter.translate import translate

#: Longest pattern by default, in characters. Compiling takes about 4 microseconds a character.
MAX_PATTERN_CHARS = 10_000
#: Seconds of matching that one pattern object may use by default, over all its texts.
REGEX_BUDGET_S = 10.0

#: Steps below which a search is let run without a clock; the clock costs 2 microseconds a search.
_UNTIMED_STEPS = 200_000


class Pattern:
    """A pattern for one request. Not to be shared between threads that search at once; make one each, which is cheap."""

    __slots__ = ("_budget_s", "_clock", "_found", "_left_s", "_untimed_chars", "source")

    def __init__(self, source: str, node: Node, budget_s: float, clock: Callable[[], float]) -> None:
        self.source = source
        self._found: Callable[..., object] | None = None
        self._untimed_chars = _UNTIMED_STEPS / (node.ways * max(1, node.cost))
        self._budget_s = self._left_s = budget_s
        self._clock = clock

    def search(self, text: str) -> bool:
        """Whether the pattern matches anywhere in the text. Releases the GIL while it searches.

        :raises InvalidArgumentError: the budget is used up; the text names the pattern's regex and the budget.
        """
        found = self._found
        if found is None:
            found = self._found = _compiled(self.source).search
        if len(text) <= self._untimed_chars:
            return found(text, concurrent=True) is not None
        start = self._clock()
        try:
            if self._left_s <= 0:
                raise TimeoutError
            return found(text, concurrent=True, timeout=self._left_s) is not None
        except TimeoutError:
            raise InvalidArgumentError(
                f"the regex {self.source[:80]!a} took longer than {self._budget_s:g} s to match; simplify its repetitions"
            ) from None
        finally:
            self._left_s -= self._clock() - start


def compile_pattern(
    source: str,
    *,
    max_chars: int = MAX_PATTERN_CHARS,
    budget_s: float = REGEX_BUDGET_S,
    clock: Callable[[], float] = time.perf_counter,
) -> Pattern:
    """Check a pattern. Cheap when the same source was checked lately; the library compiles it at the first search only.

    :raises InvalidArgumentError: a syntax error, a pattern over ``max_chars``, or one too large once repetitions are written out.
    """
    if len(source) > max_chars:
        raise InvalidArgumentError(f"the regex has {len(source)} characters; at most {max_chars} are allowed")
    return Pattern(source, _translated(source), budget_s, clock)


def required_literal(source: str) -> str | None:
    """The longest text known to lie in every document that the pattern matches; ``None`` when no such text is known."""
    node = _translated(source)
    literal = node.required if node.exact is None else node.exact
    return literal or None


@lru_cache(maxsize=256)
def _translated(source: str) -> Node:
    return translate(source)


@lru_cache(maxsize=256)
def _compiled(source: str) -> regex.Pattern[str]:
    try:
        return regex.compile(_translated(source).text, flags=regex.VERSION1, cache_pattern=False)
    except RecursionError:
        raise InvalidArgumentError("the regex nests too deep") from None
