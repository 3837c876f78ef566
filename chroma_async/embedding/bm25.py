"""Chroma's BM25: sparse vectors of English texts, the same token for token, hash for hash and bit for bit as chromadb's ``chroma_bm25``.

A vector holds the term-frequency half of BM25. The other half, how rare a term is among all records, is the store's: an index with
``bm25: true`` multiplies it in when it is searched (:func:`chroma_async.engine.read.sparse.sparse_knn`).

The stemmer is the ``snowballstemmer`` package, which ``chroma-async[bm25]`` brings.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Self

from chroma_async.embedding.murmur3 import murmur3_32
from chroma_async.embedding.protocol import SparseEmbeddingFunction
from chroma_async.embedding.stopwords import ENGLISH
from chroma_async.errors import ModelMissingError, ValidationError
from chroma_async.refusing import guarded_class
from chroma_async.sparse_vector import SparseVector

NAME: Final = "chroma_bm25"

_NOT_WORDS = re.compile(r"\W+")
#: Word -> its stem and the stem's index. A language has few words that are frequent, and stemming one takes 20 times as long as looking it
#: up. Emptied when full, so it stays small.
_terms: dict[str, tuple[str, int]] = {}
_TERMS_BOUND = 1 << 16
_NUMBERS = ("k", "b", "avg_doc_length", "token_max_length")


@guarded_class
class ChromaBm25EmbeddingFunction(SparseEmbeddingFunction[list[str]]):
    """A plain callable; calls in several threads do not disturb each other.

    A text is lower-cased words of letters, digits and underscores, without stop words and without words of more than
    ``token_max_length`` characters. The index of a word is \\|murmur3_32(stem)\\|, taken as a signed integer; the value is
    tf (k + 1) / (tf + k (1 - b + b length / avg_doc_length)).

    :param stopwords: instead of the English ones. :param include_tokens: label each index with the first stem that it stands for.
    :raises ValidationError: ``avg_doc_length`` is 0.
    """

    def __init__(
        self,
        k: float = 1.2,
        b: float = 0.75,
        avg_doc_length: float = 256.0,
        token_max_length: int = 40,
        stopwords: Iterable[str] | None = None,
        include_tokens: bool = False,
    ) -> None:
        self.k = float(k)
        self.b = float(b)
        self.avg_doc_length = float(avg_doc_length)
        self.token_max_length = int(token_max_length)
        self.stopwords = None if stopwords is None else [str(word) for word in stopwords]
        self.include_tokens = bool(include_tokens)
        if self.avg_doc_length == 0:
            raise ValidationError(f"{NAME}.avg_doc_length: lengths are divided by it, so it cannot be 0")
        self._left_out = ENGLISH if self.stopwords is None else frozenset(word.lower() for word in self.stopwords)

    def __call__(self, input: list[str]) -> list[SparseVector]:
        """One vector for each text; one without words has no index.

        :raises ValidationError: not texts. :raises ModelMissingError: ``snowballstemmer`` is not installed.
        """
        # A stemmer keeps the word it works on, so each call has its own.
        stem = _stemmer()
        return [self._vector(text, stem) for text in _texts(input)]

    def embed_query(self, input: list[str]) -> list[SparseVector]:
        """Queries are weighted as texts are."""
        return self(input)

    def _vector(self, text: str, stem: Callable[[str], str]) -> SparseVector:
        left_out, longest = self._left_out, self.token_max_length
        words = [word for word in _NOT_WORDS.sub(" ", text).lower().split() if word not in left_out and len(word) <= longest]
        frequencies: dict[int, int] = {}
        labels: dict[int, str] = {}
        for word, count in Counter(words).items():
            term, index = _terms.get(word) or _learn(word, stem)
            frequencies[index] = frequencies.get(index, 0) + count
            labels.setdefault(index, term)
        k = self.k
        damping = k * (1 - self.b + (self.b * len(words)) / self.avg_doc_length) if words else 0.0
        indices = sorted(frequencies)
        values = [frequencies[index] * (k + 1) / (frequencies[index] + damping) for index in indices]
        return SparseVector(indices, values, [labels[index] for index in indices] if self.include_tokens and indices else None)

    @staticmethod
    def name() -> str:
        """``chroma_bm25``."""
        return NAME

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments; stop words only if they were given."""
        config: dict[str, Any] = {name: getattr(self, name) for name in (*_NUMBERS, "include_tokens")}
        if self.stopwords is not None:
            config["stopwords"] = list(self.stopwords)
        return config

    @classmethod
    def build_from_config(cls, config: Mapping[str, Any]) -> Self:
        """:raises ValidationError: see :meth:`validate_config`."""
        cls.validate_config(config)
        return cls(**{name: value for name, value in config.items() if value is not None})

    @staticmethod
    def validate_config(config: Mapping[str, Any]) -> None:
        """:raises ValidationError: a member is unknown, or of a wrong type."""
        for name, value in config.items():
            if name in _NUMBERS:
                fits = value is None or (isinstance(value, int | float) and not isinstance(value, bool))
            elif name == "stopwords":
                fits = value is None or (isinstance(value, list) and all(isinstance(word, str) for word in value))
            else:
                fits = name == "include_tokens" and isinstance(value, bool | None)
            if not fits:
                raise ValidationError(f"{NAME}.{name}: not a member of its configuration, or {value!r} is no value for it")

    def validate_config_update(self, old_config: dict[str, Any], new_config: dict[str, Any]) -> None:
        """:raises ValidationError: a member that it does not have."""
        self.validate_config(new_config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ChromaBm25EmbeddingFunction) and other.get_config() == self.get_config()

    def __hash__(self) -> int:
        return hash((NAME, self.k, self.b, self.avg_doc_length))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {NAME!r}>"


def _texts(input: Any) -> list[str]:
    """One text, or several."""
    texts = [input] if isinstance(input, str) else list(input)
    for text in texts:
        if not isinstance(text, str):
            raise ValidationError(f"{NAME} embeds texts; got a value of type {type(text).__name__}")
    return texts


def _learn(word: str, stem: Callable[[str], str]) -> tuple[str, int]:
    term = stem(word)
    index = murmur3_32(term.encode())
    # The absolute value of the signed integer of the same bits.
    learned = (term, index if index < 1 << 31 else (1 << 32) - index)
    if len(_terms) >= _TERMS_BOUND:
        _terms.clear()
    _terms[word] = learned
    return learned


def _stemmer() -> Callable[[str], str]:
    """A new English Snowball stemmer."""
    try:
        import snowballstemmer
    except ImportError:
        raise ModelMissingError(f"{NAME} needs the package snowballstemmer: pip install 'chroma-async[bm25]'") from None
    stem: Callable[[str], str] = snowballstemmer.stemmer("english").stemWord
    return stem
