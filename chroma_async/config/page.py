"""docs/configuration.md, made of the table: every setting by all its names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from chroma_async.config.chroma_names import KEYS_WITHOUT_EFFECT, VARIABLES_WITHOUT_EFFECT
from chroma_async.config.setting import Setting
from chroma_async.config.settings import CLIENT_TABLE, TABLE

_HEAD = """\
# Configuration

This page is made by `chroma-async config docs` from the table that the program itself reads.

## Where a value comes from

The first of these that has one:

1. a flag of the command line, where a setting has one;
2. a variable of the environment: `CHROMA_ASYNC_<NAME>`, then the name that Chroma's server has, then those of its older images, in the
   order in which they stand below;
3. the configuration file: TOML or YAML, given as `chroma-async run FILE`, with `--config FILE` or by the variable `CHROMA_ASYNC_CONFIG`. It
   holds the names below or Chroma's own keys, `open_telemetry: {endpoint: …}` as well as `open_telemetry.endpoint`;
4. a variable `CHROMA_ASYNC_DEFAULT_<NAME>`, which changes a default. Made for container images, whose defaults must give way to a file;
5. the default.

`chroma-async config show --origin` prints every value with its place, `chroma-async config check` everything that is wrong. Sizes are in
bytes, times in seconds (`_s`), shares from 0 to 1. A list is a list of the file, JSON (`["a", "b"]`) or text with commas. An empty
variable, and a key without a value, count as left out.

A secret is masked wherever it would be shown. Each of its names also takes `_FILE` (`_file` for a key): the name of a file that holds it,
such as a Docker or Kubernetes secret. One of the two may be given, not both.

## What is refused, and what is only said

| what | answer |
|---|---|
| a value of another type or out of bounds | refused, with key, value and place |
| an unknown key of a file, an unknown `CHROMA_ASYNC_…` variable | refused; the nearest known name is suggested |
| a key that stands twice, or two names of one setting in one file | refused |
| two variables of one setting that differ | the one that counts more is used, and a warning names the other |
| an unknown `CHROMA_…` variable | a warning that suggests the nearest known name |
| a variable for clients (`CHROMA_HOST`, `CHROMA_API_KEY`, `CHROMA_CLIENT_…`) | left alone |
| `CHROMA_PORT=tcp://…` and its like, which Kubernetes makes for a Service named chroma | ignored, one line says so |
| what Chroma knows and this server has no use for, listed at the end | one warning |
"""

_CLIENT_HEAD = """
## Settings of an HTTP client

`ClientSettings(…)`, given to a client as `settings`; `load_client_settings(os.environ)` reads the variables.
"""


def configuration_page() -> str:
    """The whole page, as Markdown."""
    lines = [_HEAD]
    for group, rows in groupby(TABLE.values(), key=lambda row: row.group):
        lines += [f"## {group}\n", *_table(rows), ""]
    lines = [*lines[:-1], _CLIENT_HEAD, *_table(CLIENT_TABLE.values()), "", *_without_effect()]
    return "\n".join(lines) + "\n"


def _table(rows: Iterable[Setting]) -> Iterator[str]:
    yield "| setting | what it does | value | default | other names |"
    yield "|---|---|---|---|---|"
    for row in rows:
        yield f"| `{row.name}` | {_doc(row)} | {row.expected().removeprefix('a ')} | {_default(row)} | {_names(row)} |"


def _doc(row: Setting) -> str:
    return row.doc.replace("``", "`").replace("|", "\\|") + (" A secret." if row.secret else "")


def _default(row: Setting) -> str:
    """A default as people read it: sizes in the unit that they have."""
    if row.default_shown:
        return row.default_shown
    if row.default in ("", (), None):
        return "none"
    if isinstance(row.default, bool):
        return "true" if row.default else "false"
    if row.name.endswith("_bytes") and isinstance(row.default, int):
        power = max(each for each in range(4) if row.default % 1024**each == 0)
        return f"{row.default} ({row.default // 1024**power} {('bytes', 'KiB', 'MiB', 'GiB')[power]})" if power else str(row.default)
    return f"{row.default:g}" if isinstance(row.default, float) else str(row.default)


def _names(row: Setting) -> str:
    """Flag, further keys of the file, variables."""
    own, *others = row.variables
    names = [row.option, *row.keys[1:], own, *others]
    return ", ".join(f"`{name}`" for name in names if name) + (", each variable and key with `_FILE` too" if row.by_file else "")


def _without_effect() -> Iterator[str]:
    yield "## Names of Chroma's without effect\n"
    yield f"Keys of its file: {', '.join(f'`{key}`' for key in sorted(KEYS_WITHOUT_EFFECT))}, but for those of them that stand above.\n"
    names = sorted(VARIABLES_WITHOUT_EFFECT - {f"CHROMA_{key.upper()}" for key in KEYS_WITHOUT_EFFECT})
    yield f"Variables: the same as `CHROMA_<KEY>`, and {', '.join(f'`{name}`' for name in names)}."
