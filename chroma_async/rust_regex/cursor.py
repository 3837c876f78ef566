"""A position in the source of a regular expression, with the flags that hold there."""

from __future__ import annotations

from typing import NoReturn

from chroma_async.errors import InvalidArgumentError

#: What the flag ``x`` passes over.
WHITESPACE = frozenset("\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B))))


class Cursor:
    """Goes forward over the source, once. Flags are Rust's letters; ``u`` is on at first."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.position = 0
        self.flags: frozenset[str] = frozenset("u")

    @property
    def char(self) -> str:
        """The character at the position; "" at the end."""
        return self.source[self.position : self.position + 1]

    def advance(self) -> None:
        """Go to the next character, over blanks and comments where ``x`` is on."""
        self.position += 1
        self.skip_space()

    def skip_space(self) -> None:
        """Pass over blanks and comments where ``x`` is on."""
        if "x" not in self.flags:
            return
        while True:
            if self.char in WHITESPACE:
                self.position += 1
            elif self.char == "#":
                end = self.source.find("\n", self.position)
                self.position = len(self.source) if end < 0 else end + 1
            else:
                return

    def refuse(self, reason: str, position: int | None = None) -> NoReturn:
        """:raises InvalidArgumentError: always; names the reason and the place, where the cursor stands unless told otherwise."""
        raise InvalidArgumentError(f"regex syntax: {reason} (at character {self.position if position is None else position})")
