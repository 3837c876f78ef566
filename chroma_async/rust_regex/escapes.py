"""Backslash sequences of Rust's regular expressions: characters, classes and assertions."""

from __future__ import annotations

from dataclasses import dataclass

from chroma_async.rust_regex import char_sets
from chroma_async.rust_regex.cursor import WHITESPACE, Cursor

_CONTROLS = {"a": "\x07", "f": "\x0c", "t": "\t", "n": "\n", "r": "\r", "v": "\x0b"}
_HEX_DIGITS = {"x": 2, "u": 4, "U": 8}
_HALVES = {
    "start": r"(?:(?<!W)(?=W))",
    "end": r"(?:(?<=W)(?!W))",
    "start-half": r"(?<!W)",
    "end-half": r"(?!W)",
}
_ASCII_BOUNDARY = r"(?:(?<!W)(?=W)|(?<=W)(?!W))".replace("W", "[0-9A-Za-z_]")
_ASCII_NO_BOUNDARY = r"(?:(?<!W)(?!W)|(?<=W)(?=W))".replace("W", "[0-9A-Za-z_]")


@dataclass(frozen=True, slots=True)
class Escape:
    """What a backslash sequence stands for: exactly one of a character, a set, or an assertion."""

    char: str = ""
    members: str = ""
    assertion: str = ""
    #: Written as two hexadecimal digits, which means a byte when Unicode is off.
    byte: bool = False
    cost: int = 1


class EscapeReader(Cursor):
    """A cursor that reads the backslash sequence on which it stands."""

    def escape(self) -> Escape:
        """Read one backslash sequence; the position is behind it afterwards."""
        start = self.position
        self.position += 1
        char = self.char
        if not char:
            self.refuse("the pattern ends inside of an escape sequence")
        if char in "0123456789":
            self.refuse("backreferences are not supported", start)
        if char in _HEX_DIGITS:
            return self.hexadecimal(start)
        if char in "pP":
            return self.unicode_class(start)
        self.position += 1
        if char in "dswDSW":
            return self.perl_class(char, start)
        if char in _CONTROLS:
            return Escape(char=_CONTROLS[char])
        word = r"\w" if "u" in self.flags else r"[0-9A-Za-z_]"
        match char:
            case "A":
                return Escape(assertion=r"\A")
            case "z":
                return Escape(assertion=r"\Z")
            case "b":
                kind = self.half_boundary(start) if self.char == "{" else None
                if kind is not None:
                    return Escape(assertion=_HALVES[kind].replace("W", word))
                return Escape(assertion=r"\b" if "u" in self.flags else _ASCII_BOUNDARY)
            case "B":
                return Escape(assertion=r"\B" if "u" in self.flags else _ASCII_NO_BOUNDARY)
            case "<":
                return Escape(assertion=_HALVES["start"].replace("W", word))
            case ">":
                return Escape(assertion=_HALVES["end"].replace("W", word))
        if char > "\x7f" or char.isalnum():
            self.refuse("unrecognized escape sequence", start)
        return Escape(char=char)

    def half_boundary(self, start: int) -> str | None:
        r"""The word in ``\b{word}``, or ``None`` when the brace begins a counted repetition."""
        rest = self.position
        self.advance()
        first = self.char
        if not (first == "-" or (first.isascii() and first.isalpha())):
            self.position = rest
            return None
        end = self.source.find("}", self.position)
        word = self.source[self.position : end] if end >= 0 else ""
        if "x" in self.flags:
            word = "".join(char for char in word if char not in WHITESPACE)
        if word not in _HALVES:
            self.refuse("unrecognized or unclosed word boundary", start)
        self.position = end + 1
        return word

    def hexadecimal(self, start: int) -> Escape:
        width = _HEX_DIGITS[self.char]
        self.advance()
        fixed = self.char != "{"
        digits = ""
        if fixed:
            while len(digits) < width and self.char:
                digits += self.char
                self.advance()
            if len(digits) < width:
                self.refuse("the pattern ends inside of an escape sequence", start)
        else:
            self.advance()
            while self.char and self.char != "}":
                digits += self.char
                self.advance()
            if not self.char:
                self.refuse("the pattern ends inside of an escape sequence", start)
            self.advance()
        if not digits or any(digit not in "0123456789abcdefABCDEF" for digit in digits):
            self.refuse("invalid hexadecimal number", start)
        code = int(digits[-9:], 16) if not digits[:-9].strip("0") else 0x110000
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            self.refuse("the number is not a Unicode character", start)
        return Escape(char=chr(code), byte=fixed and width == 2)

    def unicode_class(self, start: int) -> Escape:
        outside = self.char == "P"
        self.advance()
        if not self.char or self.char == "\\":
            self.refuse("incomplete Unicode class", start)
        single = self.char != "{"
        if single:
            name = self.char
        else:
            name = ""
            self.advance()
            while self.char and self.char != "}":
                name += self.char
                self.advance()
            if not self.char:
                self.refuse("incomplete Unicode class", start)
        self.advance()
        if "u" not in self.flags:
            self.refuse("a Unicode class while Unicode is off", start)
        members = char_sets.property_class(("gc=" if single else "") + name)
        if members is None:
            self.refuse("unknown Unicode property or value", start)
        if "i" in self.flags:
            members = char_sets.closed(members, unicode=True)
        return Escape(members=char_sets.negated(members) if outside else members, cost=1300)

    def perl_class(self, char: str, start: int) -> Escape:
        if "u" in self.flags:
            return Escape(members="\\" + char, cost={"w": 1560, "d": 160}.get(char.lower(), 40))
        if char.isupper():
            self.refuse("the pattern can match invalid UTF-8", start)
        name = {"d": "digit", "s": "space", "w": "word"}[char]
        return Escape(members=f"[{char_sets.ascii_class(name)}]", cost=3)
