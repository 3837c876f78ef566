"""ARCHITECTURE.md: its glossary is sorted, closed and in the words that the source uses; what it says is where is there."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from functools import reduce
from importlib import import_module
from itertools import pairwise

import pytest

from tests.docs.markdown import ROOT, code, section, table
from tests.shape.source import PACKAGE, modules
from tests.shape.test_layers import IMPORTS

TEXT = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
ENTRIES = dict(table(section(TEXT, "Glossary"), "word", "means"))
#: Modules that are called by what they hold, in words that need a definition.
NAMED_BY_A_WORD = {
    "access_log",
    "action",
    "attempts",
    "audit_log",
    "builtin_functions",
    "caller",
    "chunk",
    "cipher",
    "commit_queue",
    "compaction_policy",
    "compactor",
    "conditions",
    "credential",
    "cursor",
    "expiry_index",
    "file_pins",
    "filter_cache",
    "flush",
    "frame",
    "guard",
    "janitor",
    "jobs",
    "json_columns",
    "json_shape",
    "kernels",
    "key_store",
    "keyring",
    "live_state",
    "log_writer",
    "loop_guard",
    "manifest",
    "mask",
    "measures",
    "memory_estimates",
    "memtable",
    "merge",
    "metric_families",
    "missing_function",
    "node_map",
    "observation",
    "pace",
    "permission",
    "poison",
    "policy",
    "postings",
    "provider",
    "quotas",
    "rank_embedding",
    "rate_limit",
    "recall_check",
    "record_arguments",
    "refusals",
    "registry",
    "request_id",
    "retention",
    "row_checksums",
    "scatter",
    "search_plan",
    "segment",
    "signed_tokens",
    "spans",
    "spilled_values",
    "sqlite_pool",
    "statistics",
    "text_candidates",
    "throttle",
    "traffic",
    "trigrams",
    "unloading",
    "usage",
    "vacuum",
    "version",
    "watermark",
}


def singular(word: str) -> str:
    """Without the ending of a plural."""
    return word if word in ENTRIES else word.removesuffix("s")


def test_the_glossary_is_the_last_section_and_sorted() -> None:
    assert re.findall(r"^## (.+)$", TEXT, re.M)[-1] == "Glossary"
    assert list(ENTRIES) == sorted(ENTRIES, key=str.lower)
    assert len(ENTRIES) == len(table(section(TEXT, "Glossary"), "word", "means"))


def test_a_word_in_italics_has_a_row_of_its_own() -> None:
    referred = {word for meaning in ENTRIES.values() for word in re.findall(r"\*([^*]+)\*", meaning)}
    assert len(referred) > 20
    assert [word for word in sorted(referred) if singular(word) not in ENTRIES] == []


def test_no_word_is_explained_by_itself_alone() -> None:
    assert [word for word, meaning in ENTRIES.items() if len(meaning.split()) < 3] == []


def test_modules_that_are_named_by_a_word_of_the_house_have_it_explained() -> None:
    there = {module.name.rpartition(".")[2] for module in modules()}
    # Modules spell a word without its hyphen.
    words = {word.lower().replace("-", "") for word in ENTRIES}
    for name in NAMED_BY_A_WORD & there:
        spoken = name.replace("_", " ")
        plain = spoken.removesuffix("ies") + "y" if spoken.endswith("ies") else spoken.removesuffix("s")
        assert {spoken, plain, f"{plain} index"} & words, name
    assert len(NAMED_BY_A_WORD & there) > 40, "the modules were renamed: the glossary goes by their names"


#: What stands in the rooms' section: each question's heading, with the rooms that it names, and what is said of them.
ROOMS = re.findall(r"^### (.+?)$(.+?)(?=^##)", section(TEXT, "The rooms") + "\n##", re.M | re.S)
PLACES = table(section(TEXT, "Where it happens"), "what happens", "where")


def rooms(heading: str) -> list[str]:
    """The folders and files of the package that a heading names."""
    return [name.removesuffix(".py").rstrip("/") for name in code(heading)]


def is_named(module: str, text: str) -> bool:
    """Whether a text names the module by its last part, or by the beginning that it shares with others (``routes_*``)."""
    return any(fnmatchcase(module, name.rpartition("/")[2].removesuffix(".py")) for name in code(text))


def test_every_room_has_a_question_of_its_own() -> None:
    asked = [room for heading, _ in ROOMS for room in rooms(heading)]
    there = {file.name.removesuffix(".py") for file in PACKAGE.iterdir() if file.suffix == ".py" or (file / "__init__.py").exists()}
    assert sorted(asked) == sorted(there - {"__init__", "__main__"})


@pytest.mark.parametrize(("heading", "text"), ROOMS, ids=[rooms(heading)[0] for heading, _ in ROOMS])
def test_every_module_of_a_room_is_named_where_the_room_is_described(heading: str, text: str) -> None:
    # One file for each service needs no row of its own.
    wings = ("embedding.services",)
    inside = [module.name.removeprefix("chroma_async.") for module in modules() if module.file.name != "__init__.py"]
    expected = {name for name in inside if name.split(".")[0] in rooms(heading) and "." in name and not name.startswith(wings)}
    assert [name for name in sorted(expected) if not is_named(name.rpartition(".")[2], text)] == []


def is_there(path: str) -> bool:
    """Whether it is a file or a folder of the project, of the package, or of a room with rooms."""
    bases = (ROOT, PACKAGE, *(PACKAGE / room for room in ("engine", "storage", "embedding")))
    return any((base / f"{path}{ending}").exists() for base in bases for ending in ("", ".py"))


def test_every_path_that_is_named_is_there() -> None:
    paths = {name for name in code(TEXT) if re.fullmatch(r"[a-z_]+/[a-z_/.]*", name)}
    assert len(paths) > 60
    assert [path for path in sorted(paths) if not is_there(path)] == []


@pytest.mark.parametrize("where", [row[1] for row in PLACES], ids=[row[0] for row in PLACES])
def test_where_something_happens_is_where_the_table_says(where: str) -> None:
    places = re.findall(r"`([a-z_0-9/]+)` \(((?:`[\w.]+`(?:, )?)+)\)", where)
    assert len(places) == where.count("(`")
    for path, names in places:
        module = import_module(f"chroma_async.{path.replace('/', '.')}")
        for name in code(names):
            assert reduce(getattr, name.split("."), module) is not None


def test_every_lock_of_engine_and_storage_is_counted() -> None:
    (counted,) = [part for part in TEXT.split("\n\n") if part.startswith("Four locks keep true what is stored")]
    holders = [
        module.name.rpartition(".")[2]
        for module in modules()
        if module.name.startswith(("chroma_async.engine.", "chroma_async.storage."))
        and "= asyncio.Lock()" in module.file.read_text("utf-8")
    ]
    assert len(holders) > 6
    assert [name for name in holders if not is_named(name, counted)] == []


def imports_of(room: str) -> set[str]:
    """The rooms that a room imports from, those inside of it with it; of rooms in a room, the room too."""
    found = {target for name, targets in IMPORTS.items() if name == room or name.startswith(f"{room}.") for target in targets}
    return found | {target.partition(".")[0] for target in found}


def picture() -> list[str]:
    """The lines of the drawing of rooms; one that is indented goes on with the line above."""
    (drawn,) = [block for block in re.findall(r"^```$(.+?)^```$", section(TEXT, "The rooms"), re.M | re.S) if "──▶" in block]
    return [line for line in re.sub(r"\n +", " ", drawn).splitlines() if line]


def test_the_long_arrows_are_imports() -> None:
    chains = [part.split(" ──▶ ") for line in picture() for part in re.split(r"\s{3,}", line) if "──▶" in part]
    pairs = [(a, b) for chain in chains for left, right in pairwise(chain) for a in left.split(", ") for b in right.split(", ")]
    assert len(pairs) > 15
    assert [pair for pair in pairs if pair[1] not in imports_of(pair[0])] == []


@pytest.mark.parametrize(("beginning", "prefix"), [("engine: ", "engine."), ("below all: ", "")])
def test_no_import_goes_against_a_short_arrow(beginning: str, prefix: str) -> None:
    (line,) = [line for line in picture() if line.startswith(beginning)]
    floors = [{prefix + name for name in group.split(", ")} for group in line.removeprefix(beginning).split(" ─▶ ")]
    assert len(floors) > 4
    for number, floor in enumerate(floors):
        above = set().union(*floors[:number])
        assert [room for room in floor if IMPORTS[room] & above] == []
    assert all(any(IMPORTS[room] & right for room in left) for left, right in pairwise(floors))


def test_every_word_of_the_glossary_is_used() -> None:
    """By a name or a sentence of the source, or by another paper; spelt in one word, in several, or in the plural."""
    papers = [path for path in (ROOT / "docs").rglob("*.md") if path.name != "moved-names.md"]
    texts = [module.file.read_text("utf-8") for module in modules()]
    texts += [path.read_text("utf-8") for path in (*papers, ROOT / "README.md", ROOT / "chroma_async" / "format" / "FORMAT.md")]
    used = re.sub(r"[\s_-]+", "", " ".join(texts).lower())
    assert [word for word in ENTRIES if re.sub(r"[\s-]+", "", word.lower()) not in used] == []
