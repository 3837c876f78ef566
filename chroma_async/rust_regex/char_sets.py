"""Sets of characters as the ``regex`` library's source text: Unicode properties by name, simple case folding, set algebra.

A set is a piece of pattern that matches exactly one character. The algebra is built from look-aheads instead of the library's own set
operators: those fold complements wrongly in places (``[^\\s\\S]`` matches everything). Patterns made here are case-sensitive; letters that
differ by case only are added one by one, as Rust does it, since the library would apply full folding ("ss" for "ß") and Turkic rules.
"""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
import regex

from chroma_async.errors import InvalidArgumentError
from chroma_async.types import Ints

ANY = r"(?s:.)"
NONE = r"(?!)"

_CATEGORIES = {
    short: (short, *names.split())
    for short, names in (
        line.split(" ", 1)
        for line in (
            "c other",
            "cc control cntrl",
            "cf format",
            "cn unassigned",
            "co privateuse",
            "l letter",
            "lc casedletter",
            "ll lowercaseletter",
            "lm modifierletter",
            "lo otherletter",
            "lt titlecaseletter",
            "lu uppercaseletter",
            "m mark combiningmark",
            "mc spacingmark",
            "me enclosingmark",
            "mn nonspacingmark",
            "n number",
            "nd decimalnumber digit",
            "nl letternumber",
            "no othernumber",
            "p punctuation punct",
            "pc connectorpunctuation",
            "pd dashpunctuation",
            "pe closepunctuation",
            "pf finalpunctuation",
            "pi initialpunctuation",
            "po otherpunctuation",
            "ps openpunctuation",
            "s symbol",
            "sc currencysymbol",
            "sk modifiersymbol",
            "sm mathsymbol",
            "so othersymbol",
            "z separator",
            "zl lineseparator",
            "zp paragraphseparator",
            "zs spaceseparator",
        )
    )
}
_CATEGORY_OF_NAME = {name: short for short, names in _CATEGORIES.items() for name in names}
_PSEUDO_CATEGORIES = {"any": ANY, "assigned": r"\P{gc=cn}", "ascii": r"[\x00-\x7f]"}

#: Binary properties of Unicode, by short and long name, spelled without "_", "-" and spaces.
_BINARY_NAMES = """
    ahex asciihexdigit alpha alphabetic bidic bidicontrol bidim bidimirrored ci caseignorable cased cwcf changeswhencasefolded
    cwcm changeswhencasemapped cwl changeswhenlowercased cwt changeswhentitlecased cwu changeswhenuppercased dash
    di defaultignorablecodepoint dep deprecated dia diacritic emoji ecomp emojicomponent emod emojimodifier ebase emojimodifierbase
    epres emojipresentation extpict extendedpictographic ext extender grbase graphemebase grext graphemeextend grlink graphemelink
    hex hexdigit hyphen idsb idsbinaryoperator idst idstrinaryoperator idsu idsunaryoperator idc idcontinue ids idstart
    idcompatmathstart idcompatmathcontinue ideo ideographic joinc joincontrol loe logicalorderexception lower lowercase math
    mcm modifiercombiningmark nchar noncharactercodepoint oalpha otheralphabetic odi otherdefaultignorablecodepoint
    ogrext othergraphemeextend oidc otheridcontinue oids otheridstart olower otherlowercase omath othermath oupper otheruppercase
    patsyn patternsyntax patws patternwhitespace pcm prependedconcatenationmark qmark quotationmark radical ri regionalindicator
    sterm sentenceterminal sd softdotted term terminalpunctuation uideo unifiedideograph upper uppercase vs variationselector
    wspace space whitespace xidc xidcontinue xids xidstart
"""
_BINARY = frozenset(_BINARY_NAMES.split())
_VALUED = {
    "gc": "gc",
    "generalcategory": "gc",
    "sc": "sc",
    "script": "sc",
    "scx": "scx",
    "scriptextensions": "scx",
    "gcb": "gcb",
    "graphemeclusterbreak": "gcb",
    "wb": "wb",
    "wordbreak": "wb",
    "sb": "sb",
    "sentencebreak": "sb",
}
_NO_SCRIPTS = frozenset({"zzzz", "unknown", "hrkt", "katakanaorhiragana"})

_ASCII_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\x09\x20",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": r"\x21-\x7e",
    "lower": "a-z",
    "print": r"\x20-\x7e",
    "punct": r"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    "space": r"\x09-\x0d\x20",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}


def ascii_class(name: str) -> str | None:
    """The members of ``[:name:]`` as they stand between brackets."""
    return _ASCII_CLASSES.get(name)


@lru_cache(maxsize=512)
def property_class(query: str) -> str | None:
    r"""The set that ``\p{query}`` names, or ``None`` when Unicode knows no such property or value.

    Names are matched loosely (case, spaces, "-", "_" and a leading "is" do not count). A bare name is a binary property, a general
    category or a script; ``name=value`` and ``name:value`` take gc, sc, scx, gcb, wb and sb, and ``name!=value`` is the complement.

    :raises InvalidArgumentError: a property that exists but is not supported here (Age).
    """
    for separator in ("!=", ":", "="):
        name, found, value = query.partition(separator)
        if found:
            members = _valued(_loose(name), _loose(value))
            return negated(members) if members is not None and separator == "!=" else members
    name = _loose(query)
    if name in _BINARY:
        return _known(rf"\p{{{name}=yes}}")
    return _valued("gc", name) or _valued("sc", name)


def _valued(name: str, value: str) -> str | None:
    if name == "age":
        raise InvalidArgumentError("the Unicode property Age is not supported in a regex")
    kind = _VALUED.get(name)
    if kind is None or not value.isalnum():
        return None
    if kind == "gc":
        category = _CATEGORY_OF_NAME.get(value)
        return _PSEUDO_CATEGORIES.get(value) if category is None else rf"\p{{gc={category}}}"
    if kind in ("sc", "scx") and value in _NO_SCRIPTS:
        return None
    return _known(rf"\p{{{kind}={value}}}")


def _loose(name: str) -> str:
    stripped = name[2:] if name[:2].lower() == "is" else name
    loose = "".join(char for char in stripped.lower() if char.isascii() and char not in " _-")
    return "isc" if loose == "c" and stripped is not name else loose


@lru_cache(maxsize=512)
def _known(source: str) -> str | None:
    try:
        regex.compile(source, flags=regex.VERSION1)
    except regex.error:
        return None
    return source


def negated(members: str) -> str:
    """Every character outside the set."""
    if members.startswith((r"\p", r"\P")):
        return ("\\P" if members[1] == "p" else "\\p") + members[2:]
    return rf"(?:(?!{members}){ANY})"


def union(sets: list[str]) -> str:
    """Characters in any of the sets."""
    return NONE if not sets else sets[0] if len(sets) == 1 else f"(?:{'|'.join(sets)})"


def intersection(left: str, right: str) -> str:
    """Characters in both sets."""
    return f"(?:(?={left}){right})"


def difference(left: str, right: str) -> str:
    """Characters in the left set only."""
    return f"(?:(?!{right}){left})"


def symmetric_difference(left: str, right: str) -> str:
    """Characters in exactly one of the sets."""
    return union([difference(left, right), difference(right, left)])


def escaped(char: str) -> str:
    """One character as pattern text, inside and outside of brackets."""
    code = ord(char)
    if code > 0x7F or char.isalnum() or char == "_":
        return char
    return rf"\x{code:02x}" if code <= 0x20 or code == 0x7F else "\\" + char


# ------------------------------------------------------------------------------------------------------------------- case folding

#: Status S mappings of Unicode's CaseFolding.txt that Python's ``str`` methods do not show.
_SIMPLE_FOLDS = {"\u1fd3": "\u0390", "\u1fe3": "\u03b0", "\ufb05": "\ufb06"}
#: Letters of Unicode 15 and 16, which the ``str`` methods of older Pythons take for uncased.
_SIMPLE_FOLDS |= {"\u1c89": "\u1c8a", "\ua7cb": "\u0264", "\ua7cc": "\ua7cd", "\ua7da": "\ua7db", "\ua7dc": "\u019b"}
_SIMPLE_FOLDS |= {chr(code): chr(code + 0x20) for code in range(0x10D50, 0x10D66)}

#: No character above this one has case.
_LAST_CASED = 0x1EA00
_ASCII_TEXT = "".join(map(chr, range(0x80)))
#: Ranges up to this length are folded character by character.
_SMALL_RANGE = 256


def orbit(char: str) -> str:
    """All characters that are equal to this one under simple case folding, itself included."""
    if char.isascii():
        return char + char.swapcase() + {"k": "\u212a", "s": "\u017f"}.get(char.lower(), "") if char.isalpha() else char
    return _orbits().get(char, char)


def ascii_orbit(char: str) -> str:
    """The same within ASCII, for patterns with Unicode switched off."""
    return char + char.swapcase() if char.isascii() and char.isalpha() else char


@lru_cache(maxsize=512)
def closed(members: str, *, unicode: bool) -> str:
    """The set with all characters that fold like one of its members."""
    domain = _cased_text() if unicode else _ASCII_TEXT
    inside = set(regex.findall(members, domain, flags=regex.VERSION1))
    added = _other_cases(inside, unicode)
    return union([members, f"[{added}]"]) if added else members


def folding(ranges: list[tuple[str, str]], *, unicode: bool) -> str:
    """What ranges (first, last) lack to be closed under case folding, as it stands between brackets."""
    inside: set[str] = set()
    for first, last in ranges:
        if ord(last) - ord(first) < _SMALL_RANGE:
            inside.update(map(chr, range(ord(first), ord(last) + 1)))
        else:
            inside.update(_with_cases_outside(ord(first), ord(last)) if unicode else _ASCII_TEXT[ord(first) : ord(last) + 1])
    return _other_cases(inside, unicode)


def _other_cases(chars: set[str], unicode: bool) -> str:
    added = {other for char in chars for other in (orbit(char) if unicode else ascii_orbit(char))} - chars
    return "".join(escaped(char) for char in sorted(added))


def _with_cases_outside(first: int, last: int) -> str:
    """Characters of a range of which another case lies outside of it. A pattern may hold thousands of wide ranges."""
    codes, lowest, highest = _cased_codes()
    part = slice(*codes.searchsorted([first, last + 1]))
    return "".join(map(chr, codes[part][(lowest[part] < first) | (highest[part] > last)].tolist()))


@cache
def _cased_codes() -> tuple[Ints, Ints, Ints]:
    """Ascending codes of all characters with an orbit, and the lowest and highest code in each one's orbit."""
    chars = sorted(_orbits())
    bounds = [(ord(char), min(map(ord, orbit(char))), max(map(ord, orbit(char)))) for char in chars]
    codes, lowest, highest = np.array(bounds, dtype=np.int64).T
    return codes, lowest, highest


@cache
def _orbits() -> dict[str, str]:
    """Orbits of more than one character (about 2,900 characters; made once, in some 20 ms)."""
    by_fold: dict[str, list[str]] = {}
    text = "".join(map(chr, (*range(0xD800), *range(0xE000, _LAST_CASED))))
    for char in regex.findall(r"[\p{cwcm=yes}\p{cwcf=yes}]", text, flags=regex.VERSION1):
        by_fold.setdefault(_simple_fold(char), []).append(char)
    return {char: "".join(chars) for chars in by_fold.values() if len(chars) > 1 for char in chars}


@cache
def _cased_text() -> str:
    return "".join(_orbits())


def _simple_fold(char: str) -> str:
    if char in _SIMPLE_FOLDS:
        return _SIMPLE_FOLDS[char]
    folded = char.casefold()
    if len(folded) == 1:
        return folded
    lower = char.lower()
    return lower if len(lower) == 1 else char
