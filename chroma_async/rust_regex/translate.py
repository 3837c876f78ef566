"""Rust's regular expression syntax, checked and rewritten for Python's ``regex`` library.

Syntax and meaning are those of the Rust ``regex`` crate (https://docs.rs/regex, section "Syntax"); what it refuses is refused here, its
nesting limit and (roughly) its size limit included. Only *whether* a text matches is asked, so groups do not capture and laziness is
dropped. The rewriting takes one pass with an explicit stack: a hostile pattern cannot exhaust Python's. Positions in messages are
0-based character offsets.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from chroma_async.rust_regex import char_sets
from chroma_async.rust_regex.cursor import WHITESPACE
from chroma_async.rust_regex.escapes import EscapeReader
from chroma_async.rust_regex.nodes import EMPTY, Node, alternation, concatenation, group, repetition
from chroma_async.rust_regex.set_syntax import SetReader

#: Rust's default limit on nested groups, brackets and repetitions.
MAX_DEPTH = 250
#: Rust's default limit on the compiled program (10 MiB), in the units of :attr:`Node.cost`; about 326,000 literal bytes.
MAX_COST = 326_000

_LINE_STARTS = {False: r"(?<![^\n])", True: r"(?:(?<![^\n])|(?<=\r)(?!\n))"}
_LINE_ENDS = {False: r"(?![^\n])", True: r"(?:(?![^\r])|(?<!\r)(?=\n))"}
_UTF8_COST = 31


@dataclass(slots=True)
class _Group:
    """An open group: the flags outside of it, and what was read of it."""

    start: int
    flags: frozenset[str]
    branches: list[Node] = field(default_factory=list)
    items: list[Node] = field(default_factory=list)


def translate(source: str) -> Node:
    """The pattern in the syntax of ``regex`` (VERSION1, no other flag), with what is known of it.

    :raises InvalidArgumentError: Rust's crate would refuse it, too; the text says "regex", what is wrong, and where.
    """
    return Reader(source).read()


class Reader(EscapeReader):
    """One pass over the source."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.names: set[str] = set()

    # --------------------------------------------------------------------------------------------------------------- structure

    def read(self) -> Node:
        stack = [_Group(0, self.flags)]
        while True:
            self.skip_space()
            top = stack[-1]
            char = self.char
            if not char:
                break
            if char == "(":
                opened = self.open_group()
                if opened is None:
                    top.items.append(EMPTY)
                else:
                    stack.append(opened)
            elif char == ")":
                if len(stack) == 1:
                    self.refuse("unopened group")
                self.position += 1
                self.flags = top.flags
                stack.pop()
                stack[-1].items.append(self.checked(group(self.closing(top))))
            elif char == "|":
                self.position += 1
                top.branches.append(concatenation(top.items))
                top.items = []
            elif char in "?*+{":
                self.repeat(top.items)
            else:
                top.items.append(self.checked(self.single(char)))
        if len(stack) > 1:
            self.refuse("unclosed group", stack[-1].start)
        return self.closing(stack[0])

    def closing(self, top: _Group) -> Node:
        return self.checked(alternation([*top.branches, self.checked(concatenation(top.items))]))

    def checked(self, node: Node) -> Node:
        if node.depth > MAX_DEPTH:
            self.refuse(f"nested more than {MAX_DEPTH} levels")
        if node.cost > MAX_COST:
            self.refuse("the expression is too large once its repetitions are written out")
        return node

    def open_group(self) -> _Group | None:
        """The group that begins here, or ``None`` for flags such as ``(?i)``, which hold to the end of the group around them."""
        start = self.position
        self.advance()
        if any(self.source.startswith(prefix, self.position) for prefix in ("?=", "?!", "?<=", "?<!")):
            self.refuse("look-around is not supported", start)
        outside = self.flags
        for prefix in ("?P<", "?<"):
            if self.source.startswith(prefix, self.position):
                self.position += len(prefix)
                self.group_name()
                return _Group(start, outside)
        if self.char != "?":
            return _Group(start, outside)
        self.position += 1
        if not self.char:
            self.refuse("unclosed group", start)
        flags, read = self.read_flags()
        self.flags = flags
        end = self.char
        self.position += 1
        if end == ":":
            return _Group(start, outside)
        if not read:
            self.refuse("a repetition operator has nothing to repeat", start)
        return None

    def group_name(self) -> None:
        end = self.source.find(">", self.position)
        name = self.source[self.position : end] if end >= 0 else ""
        if end < 0:
            self.refuse("unclosed group name")
        if not name:
            self.refuse("empty group name")
        if not all(char in "_.[]" or char.isalnum() for char in name) or not (name[0] == "_" or name[0].isalpha()):
            self.refuse("invalid group name")
        if name in self.names:
            self.refuse("duplicate group name")
        self.names.add(name)
        self.position = end + 1

    def read_flags(self) -> tuple[frozenset[str], bool]:
        """Flags up to ":" or ")", applied to those that hold now; and whether any was read."""
        on, off, seen = set(self.flags), False, set()
        last = ""
        while self.char not in (":", ")"):
            last = self.char
            if not last:
                self.refuse("unclosed group")
            if last == "-":
                if off:
                    self.refuse("flags are negated twice")
                off = True
            elif last not in "imsUuRx":
                self.refuse("unrecognized flag")
            elif last in seen:
                self.refuse("duplicate flag")
            else:
                seen.add(last)
                (on.discard if off else on.add)(last)
            self.advance()
        if last == "-":
            self.refuse("dangling flag negation")
        return frozenset(on), bool(seen)

    # -------------------------------------------------------------------------------------------------------------- repetitions

    def repeat(self, items: list[Node]) -> None:
        """Apply the operator that stands here to the last item."""
        if not items or items[-1] is EMPTY:
            self.refuse("a repetition operator has nothing to repeat")
        operator = self.char
        if operator == "{":
            low, high = self.counts()
        else:
            low, high = {"?": (0, 1), "*": (0, None), "+": (1, None)}[operator]
            self.position += 1
        if self.char == "?":
            self.position += 1
        items[-1] = self.checked(repetition(items[-1], low, high))

    def counts(self) -> tuple[int, int | None]:
        start = self.position
        self.advance()
        low = self.decimal()
        high: int | None = low
        if self.char == ",":
            self.advance()
            high = self.decimal() if self.char != "}" else None
        if self.char != "}":
            self.refuse("unclosed counted repetition", start)
        self.advance()
        if high is not None and low > high:
            self.refuse("a repetition range starts above its end", start)
        return low, high

    def decimal(self) -> int:
        while self.char in WHITESPACE:
            self.position += 1
        digits = ""
        while self.char and self.char in "0123456789":
            digits += self.char
            self.advance()
        while self.char in WHITESPACE:
            self.position += 1
        if not digits or len(digits) > 20 or int(digits) >= 2**32:
            self.refuse("a repetition count is not a valid number")
        return int(digits)

    # -------------------------------------------------------------------------------------------------------------- one element

    def single(self, char: str) -> Node:
        if char == "[":
            members, depth, cost = SetReader(self).read()
            return Node(members, tight=True, depth=depth, cost=cost)
        if char == "\\":
            escape = self.escape()
            if escape.assertion:
                return Node(escape.assertion, tight=True, exact="", zero_width=True)
            if escape.members:
                return Node(escape.members, tight=True, cost=escape.cost)
            if escape.byte and escape.char > "\x7f" and "u" not in self.flags:
                self.refuse("the pattern can match invalid UTF-8")
            return self.literal(escape.char)
        start = self.position
        self.position += 1
        if char == ".":
            if "u" not in self.flags:
                self.refuse("the pattern can match invalid UTF-8", start)
            newline = r"[^\r\n]" if "R" in self.flags else r"[^\n]"
            return Node(char_sets.ANY if "s" in self.flags else newline, tight=True, cost=_UTF8_COST)
        if char in "^$":
            ends = "m" in self.flags, "R" in self.flags
            start_text, end_text = (_LINE_STARTS[ends[1]], _LINE_ENDS[ends[1]]) if ends[0] else (r"\A", r"\Z")
            return Node(start_text if char == "^" else end_text, tight=True, exact="", zero_width=True)
        return self.literal(char)

    def literal(self, char: str) -> Node:
        same = self.orbit(char) if "i" in self.flags else char
        if len(same) == 1:
            return Node(char_sets.escaped(char), tight=True, exact=char, cost=len(char.encode()))
        return Node(f"[{''.join(map(char_sets.escaped, same))}]", tight=True, cost=3 * len(same))

    def orbit(self, char: str) -> str:
        return char_sets.orbit(char) if "u" in self.flags else char_sets.ascii_orbit(char)
