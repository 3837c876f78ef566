"""The glossary of ARCHITECTURE.md: sorted, closed, and in the words that the source uses."""

from __future__ import annotations

import ast
import re

from tests.docs.markdown import ROOT, section, table
from tests.shape.source import modules

TEXT = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
ENTRIES = dict(table(section(TEXT, "Glossary"), "word", "means"))
#: Modules that are called by what they hold, in words that need a definition.
NAMED_BY_A_WORD = {
    "builtin_functions",
    "chunk",
    "commit_queue",
    "compaction_policy",
    "compactor",
    "conditions",
    "cursor",
    "expiry_index",
    "file_pins",
    "filter_cache",
    "flush",
    "frame",
    "janitor",
    "json_columns",
    "json_shape",
    "kernels",
    "live_state",
    "log_writer",
    "loop_guard",
    "manifest",
    "mask",
    "memory_estimates",
    "memtable",
    "merge",
    "missing_function",
    "node_map",
    "pace",
    "poison",
    "postings",
    "rank_embedding",
    "recall_check",
    "record_arguments",
    "refusals",
    "registry",
    "retention",
    "row_checksums",
    "scatter",
    "search_plan",
    "segment",
    "spilled_values",
    "sqlite_pool",
    "text_candidates",
    "throttle",
    "trigrams",
    "unloading",
    "vacuum",
    "version",
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
        assert {spoken, spoken.removesuffix("s"), f"{spoken.removesuffix('s')} index"} & words, name
    assert len(NAMED_BY_A_WORD & there) > 40, "the modules were renamed: the glossary goes by their names"


def test_where_something_happens_is_where_the_table_says() -> None:
    trees = {module.name.removeprefix("chroma_async."): module.tree for module in modules()}
    rows = table(section(TEXT, "Where it happens"), "what happens", "where")
    assert len(rows) > 20
    for _, where in rows:
        places = re.findall(r"`([a-z_/]+)`(?: \(`(\w+)(?:\.(\w+))?`\))?", where)
        assert places, where
        for path, name, member in places:
            tree = trees[path.replace("/", ".")]
            defined = {
                node.name: node for node in ast.walk(tree) if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
            }
            assert not name or name in defined, where
            assert not member or f"def {member}(" in ast.unparse(defined[name]), where


def test_every_word_of_the_glossary_is_used() -> None:
    """By a name or a sentence of the source, or by another paper; spelt in one word, in several, or in the plural."""
    papers = [path for path in (ROOT / "docs").rglob("*.md") if path.name != "moved-names.md"]
    texts = [module.file.read_text("utf-8") for module in modules()]
    texts += [path.read_text("utf-8") for path in (*papers, ROOT / "README.md", ROOT / "chroma_async" / "format" / "FORMAT.md")]
    used = re.sub(r"[\s_-]+", "", " ".join(texts).lower())
    assert [word for word in ENTRIES if re.sub(r"[\s-]+", "", word.lower()) not in used] == []
