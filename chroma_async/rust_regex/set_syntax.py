"""Bracketed character classes of Rust's regular expressions: nesting, ``&&``, ``--``, ``~~``, ``[:names:]``, case folding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from chroma_async.rust_regex import char_sets
from chroma_async.rust_regex.escapes import Escape, EscapeReader

_OPERATORS: dict[str, Callable[[str, str], str]] = {
    "&&": char_sets.intersection,
    "--": char_sets.difference,
    "~~": char_sets.symmetric_difference,
}
#: Rust's nesting limit; deeper classes are cut off here, before their text grows, and refused by the reader.
_MAX_DEPTH = 250
_MAX_CHARS = 100_000


@dataclass(slots=True)
class _Bracket:
    """An open bracket: the union being read, and the operation that waits for it as its right side."""

    start: int
    negated: bool
    #: Characters, ranges and plain classes as they stand between brackets; everything else in ``sets``.
    flat: list[str] = field(default_factory=list)
    sets: list[str] = field(default_factory=list)
    #: First and last of the characters and ranges in ``flat``.
    ranges: list[tuple[str, str]] = field(default_factory=list)
    waiting: tuple[Callable[[str, str], str], str] | None = None
    depth: int = 0
    cost: int = 2


class SetReader:
    """Reads one class, brackets included, from a reader that stands on its "["."""

    def __init__(self, reader: EscapeReader) -> None:
        self.reader = reader
        self.folds = "i" in reader.flags
        self.unicode = "u" in reader.flags

    def read(self) -> tuple[str, int, int]:
        """The set as pattern text, its nesting, its cost."""
        stack = [self.open()]
        reader = self.reader
        while True:
            reader.skip_space()
            top = stack[-1]
            char = reader.char
            if not char:
                reader.refuse("unclosed character class", top.start)
            pair = reader.source[reader.position : reader.position + 2]
            if char == "[":
                name = self.named()
                if name is not None:
                    self.add(top, name)
                    continue
                if len(stack) >= _MAX_DEPTH:
                    reader.refuse(f"nested more than {_MAX_DEPTH} levels")
                stack.append(self.open())
            elif char == "]":
                reader.position += 1
                members = self.close(top)
                stack.pop()
                if not stack:
                    return members, top.depth + 1, top.cost
                outer = stack[-1]
                outer.depth = max(outer.depth, top.depth + 1)
                outer.cost += top.cost
                self.add(outer, members)
            elif pair in _OPERATORS:
                reader.position += 2
                members = self.operand(top)
                top.waiting = (_OPERATORS[pair], members)
                top.flat, top.sets, top.ranges = [], [], []
                top.depth += 1
            else:
                self.range(top)

    def open(self) -> _Bracket:
        """Read "[", "^", and the characters that are literal only here: any number of "-", or one "]"."""
        reader = self.reader
        bracket = _Bracket(reader.position, negated=False)
        reader.advance()
        if reader.char == "^":
            bracket.negated = True
            reader.advance()
        while reader.char == "-":
            bracket.flat.append(r"\-")
            reader.advance()
        if not bracket.flat and reader.char == "]":
            bracket.flat.append(r"\]")
            reader.advance()
        return bracket

    def close(self, bracket: _Bracket) -> str:
        simple = bracket.waiting is None and not bracket.sets and bool(bracket.flat)
        members = self.operand(bracket)
        if not bracket.negated:
            return members
        if not self.unicode:
            self.reader.refuse("the pattern can match invalid UTF-8", bracket.start)
        return f"[^{''.join(bracket.flat)}]" if simple else char_sets.negated(members)

    def operand(self, bracket: _Bracket) -> str:
        """What was read since the bracket or the last operator, combined with what that operator holds."""
        if self.folds and bracket.ranges:
            # Only characters and ranges lack their other cases: all sets were closed when made, and the operations keep them closed.
            others = char_sets.folding(bracket.ranges, unicode=self.unicode)
            bracket.flat.append(others)
            bracket.cost += len(others)
        members = char_sets.union(([f"[{''.join(bracket.flat)}]"] if bracket.flat else []) + bracket.sets)
        if bracket.waiting is not None:
            operation, left = bracket.waiting
            members = operation(left, members)
        if len(members) > _MAX_CHARS:
            self.reader.refuse("a character class is too large", bracket.start)
        return members

    def add(self, bracket: _Bracket, members: str) -> None:
        # Complements stay out of the library's brackets, where it may fold them wrongly.
        if members in (r"\d", r"\s", r"\w") or members.startswith(r"\p"):
            bracket.flat.append(members)
        elif members not in bracket.sets:
            bracket.sets.append(members)

    def named(self) -> str | None:
        """``[:name:]`` or ``[:^name:]``; ``None`` (and nothing read) when it is an ordinary bracket."""
        reader = self.reader
        if not reader.source.startswith("[:", reader.position):
            return None
        end = reader.source.find(":]", reader.position + 2)
        if end < 0:
            return None
        name = reader.source[reader.position + 2 : end]
        outside = name.startswith("^")
        members = char_sets.ascii_class(name.removeprefix("^"))
        if members is None:
            return None
        if outside and not self.unicode:
            reader.refuse("the pattern can match invalid UTF-8")
        reader.position = end + 2
        inside = f"[{members}]"
        if self.folds:
            inside = char_sets.closed(inside, unicode=self.unicode)
        return char_sets.negated(inside) if outside else inside

    def range(self, bracket: _Bracket) -> None:
        """A character, a class escape, or a range of characters."""
        reader = self.reader
        start = reader.position
        first = self.item()
        reader.skip_space()
        if not reader.char:
            reader.refuse("unclosed character class", bracket.start)
        if reader.char != "-" or self.after_hyphen() in ("]", "-"):
            bracket.cost += 2
            if isinstance(first, str):
                bracket.flat.append(char_sets.escaped(first))
                bracket.ranges.append((first, first))
            else:
                bracket.cost += first.cost
                self.add(bracket, first.members)
            return
        reader.advance()
        if not reader.char:
            reader.refuse("unclosed character class", bracket.start)
        last = self.item()
        if not isinstance(first, str) or not isinstance(last, str):
            reader.refuse("a range does not end at a character", start)
        if first > last:
            reader.refuse("a range starts above its end", start)
        bracket.cost += 3 if last <= "\x7f" else 12
        bracket.flat.append(f"{char_sets.escaped(first)}-{char_sets.escaped(last)}")
        bracket.ranges.append((first, last))

    def after_hyphen(self) -> str:
        """The character behind the hyphen that stands here, blanks aside."""
        reader = self.reader
        here = reader.position
        reader.advance()
        char = reader.char
        reader.position = here
        return char

    def item(self) -> str | Escape:
        """One character, or an escape that is a set."""
        reader = self.reader
        start = reader.position
        if reader.char == "\\":
            escape = reader.escape()
            if escape.assertion:
                reader.refuse("an assertion inside of a character class", start)
            if escape.members:
                return escape
            char = escape.char
        else:
            char = reader.char
            reader.position += 1
        if char > "\x7f" and not self.unicode:
            reader.refuse("a character beyond ASCII in a class while Unicode is off", start)
        return char
