"""Our BM25 is chromadb's: the same indices, values and labels for the same texts; and what it does where chromadb's has no answer."""

from __future__ import annotations

import random
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from chromadb.utils.embedding_functions import ChromaBm25EmbeddingFunction as TheirBm25
from hypothesis import given, settings
from hypothesis import strategies as st

from chroma_async.embedding import bm25
from chroma_async.embedding.bm25 import ChromaBm25EmbeddingFunction
from chroma_async.embedding.murmur3 import murmur3_32
from chroma_async.errors import ModelMissingError, ValidationError
from chroma_async.sparse_vector import SparseVector

ROOT = Path(__file__).parents[3]

STEMS = """
    nation relat organ gener commun condition happi hope run stop fall feel read writ index vector quer document search build connect
    oper secur univers skill die dy ly news inning proceed exceed succeed arsen cry by say lying idl gent sky early only singl
""".split()  # noqa: SIM905 - a column of quotation marks would be harder to read
ENDINGS = """
    - s es 's ed ing ingly ly ally ational ation ations izer ization fulness ousness iveness ability able ibly ement ment ent ism ity ive
    ize y ies ied eed eedly edly er est ogist ful less li e ness ional ance ence
""".split()  # noqa: SIM905
COMMON = "the of and to a in is it you that he was for on are with as I his they be at one have this don't we're it's".split()  # noqa: SIM905


def plain(vectors: Any) -> list[tuple[Any, ...]]:
    return [(vector.indices, vector.values, vector.labels) for vector in vectors]


def generated(seed: int, count: int) -> list[str]:
    """Texts that read like English from far away: inflected words, stop words, numbers, marks, and some of other scripts."""
    chance = random.Random(seed)
    rare = [
        "naïve",
        "ÉCOLE",
        "İstanbul",
        "漢字",
        "한국어",
        "e-mail",
        "C++",
        "3.14",
        "snake_case",
        "x" * 41,
        "ΟΔΟΣ",
        "½",
        "हिन्दी",
        "😀",
        "\x1c",
        "ﬁn",
    ]
    texts = []
    for _ in range(count):
        words = []
        for _ in range(chance.randint(0, 60)):
            word = chance.choice(
                [chance.choice(STEMS) + chance.choice(ENDINGS).replace("-", ""), chance.choice(COMMON), chance.choice(STEMS)]
            )
            word = chance.choice(rare) if chance.random() < 0.05 else word
            words.append(
                chance.choice([word, word, word.capitalize(), word.upper()]) + chance.choice(["", "", "", ",", ".", "!", "\n", "--"])
            )
        texts.append(" ".join(words))
    return texts


def prose() -> list[str]:
    """This project's own English: a text for each paragraph of its documents and docstrings."""
    files = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "chroma_async").rglob("*.md")), *sorted((ROOT / "chroma_async").rglob("*.py"))]
    return [text for file in files for text in re.split(r"\n\s*\n", file.read_text("utf-8"))]


@pytest.mark.parametrize(
    "arguments",
    [
        {"include_tokens": True},
        {"k": 0.9, "b": 0.4, "avg_doc_length": 17.5, "token_max_length": 6},
        {"stopwords": ["Index", "the", "don't"], "include_tokens": True},
        {"stopwords": [], "k": 0, "b": 1},
    ],
)
def test_generated_texts_get_the_vectors_of_chromadbs_function(arguments: dict[str, Any]) -> None:
    texts = generated(7, 150)
    assert plain(ChromaBm25EmbeddingFunction(**arguments)(texts)) == plain(TheirBm25(**arguments)(texts))
    assert ChromaBm25EmbeddingFunction(**arguments).get_config() == TheirBm25(**arguments).get_config()


def test_every_ending_on_every_stem_is_stemmed_as_chromadb_stems_it() -> None:
    words = [stem + ending.replace("-", "") for stem, ending in product(STEMS, ENDINGS)]
    text = [" ".join(words[start : start + 500]) for start in range(0, len(words), 500)]
    assert plain(ChromaBm25EmbeddingFunction(include_tokens=True)(text)) == plain(TheirBm25(include_tokens=True)(text))


def test_real_prose_gets_the_vectors_of_chromadbs_function() -> None:
    texts = random.Random(3).sample(prose(), 400)
    assert sum(map(len, texts)) > 50_000
    assert plain(ChromaBm25EmbeddingFunction(include_tokens=True)(texts)) == plain(TheirBm25(include_tokens=True)(texts))


def test_words_that_share_a_hash_are_one_index_labelled_by_the_first() -> None:
    texts = ["757 4904", "4904 757 757"]
    ours = ChromaBm25EmbeddingFunction(include_tokens=True)(texts)
    assert plain(ours) == plain(TheirBm25(include_tokens=True)(texts))
    assert [vector.labels for vector in ours] == [["757"], ["4904"]]


def test_a_text_without_words_gets_a_vector_without_indices() -> None:
    assert ChromaBm25EmbeddingFunction()(["", "the of and", "!?"]) == [SparseVector([], [])] * 3
    assert ChromaBm25EmbeddingFunction()([]) == []


def test_queries_are_embedded_as_texts_and_a_single_text_is_one() -> None:
    function = ChromaBm25EmbeddingFunction()
    assert function.embed_query(["vector stores"]) == function(["vector stores"]) == function("vector stores")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [[3], [None], [b"x"]])
def test_what_is_no_text_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError, match="chroma_bm25 embeds texts"):
        ChromaBm25EmbeddingFunction()(value)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=60), min_size=1, max_size=3))
def test_any_unicode_text_gets_the_vectors_of_chromadbs_function(texts: list[str]) -> None:
    assert plain(ChromaBm25EmbeddingFunction(include_tokens=True)(texts)) == plain(TheirBm25(include_tokens=True)(texts))


def test_it_is_made_again_from_its_configuration() -> None:
    made = ChromaBm25EmbeddingFunction(k=2, stopwords={"a"}, include_tokens=True)
    assert ChromaBm25EmbeddingFunction.build_from_config(made.get_config()) == made
    assert ChromaBm25EmbeddingFunction.build_from_config({}) == ChromaBm25EmbeddingFunction()
    assert made != ChromaBm25EmbeddingFunction()
    assert ChromaBm25EmbeddingFunction.name() == TheirBm25.name()
    made.validate_config_update(made.get_config(), {"k": 1.0})


@pytest.mark.parametrize("config", [{"k": "a"}, {"k": True}, {"stopwords": "a"}, {"stopwords": [1]}, {"include_tokens": 1}, {"unknown": 1}])
def test_a_configuration_that_it_cannot_use_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"chroma_bm25\."):
        ChromaBm25EmbeddingFunction.build_from_config(config)
    with pytest.raises(ValidationError, match="cannot be 0"):
        ChromaBm25EmbeddingFunction(avg_doc_length=0)


def test_without_the_stemmer_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "snowballstemmer", None)
    with pytest.raises(ModelMissingError, match=r"pip install 'chroma-async\[bm25\]'"):
        ChromaBm25EmbeddingFunction()(["x"])


def test_threads_share_one_function_and_a_memory_of_words_that_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bm25, "_TERMS_BOUND", 50)
    monkeypatch.setattr(bm25, "_terms", {})
    texts = generated(11, 80)
    function = ChromaBm25EmbeddingFunction()
    expected = function(texts)
    with ThreadPoolExecutor(4) as pool:
        assert all(result == expected for result in pool.map(function, [texts] * 8))
    # Each thread may add one word after another has looked.
    assert len(bm25._terms) <= 50 + 4


def test_murmur3_gives_the_published_values() -> None:
    known = [
        (b"", 0, 0),
        (b"", 1, 0x514E28B7),
        (b"", 0xFFFFFFFF, 0x81F16F39),
        (b"\0\0\0\0", 0, 0x2362F9DE),
        (b"aaaa", 0x9747B28C, 0x5A97808A),
        (b"abc", 0, 0xB3DD93FA),
        (b"Hello, world!", 0x9747B28C, 0x24884CBA),
        (b"The quick brown fox jumps over the lazy dog", 0x9747B28C, 0x2FA826CD),
    ]
    assert [murmur3_32(data, seed) for data, seed, _ in known] == [value for _, _, value in known]
