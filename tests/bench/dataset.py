"""What is stored and asked: made from a seed, or read from a directory of real texts and embeddings."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Dataset:
    """Records and queries. ``vectors`` is (records, dimension), ``queries`` (queries, dimension), both of unit length."""

    name: str
    ids: list[str]
    vectors: Floats
    documents: list[str]
    metadatas: list[dict[str, Any]]
    queries: Floats
    #: Words with the number of documents that contain them, the rarest first.
    needles: list[tuple[str, int]]

    def mask(self, key: str, value: object) -> Bools:
        """Which records carry ``value`` under ``key``."""
        return np.array([metadata.get(key) == value for metadata in self.metadatas])

    def nearest(self, k: int, mask: Bools | None = None) -> list[set[str]]:
        """The exact ``k`` nearest records of each query, by cosine."""
        rows = np.arange(len(self.ids)) if mask is None else np.flatnonzero(mask)
        scores = self.queries @ self.vectors[rows].T
        k = min(k, len(rows))
        best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        return [{self.ids[rows[n]] for n in row} for row in best]


def synthetic(records: int, dimension: int, queries: int, seed: int) -> Dataset:
    """A mixture of clusters of very different sizes, and texts whose words belong to the cluster: neighbours in space share words."""
    rng = np.random.default_rng(seed)
    clusters = max(8, records // 250)
    centres = rng.standard_normal((clusters, dimension))
    shares = rng.dirichlet(np.full(clusters, 0.5))
    labels = rng.choice(clusters, records + queries, p=shares)
    # Few of the directions vary much within a cluster, as in embeddings of text.
    spread = 0.9 * (np.arange(1, dimension + 1) ** -0.35) * rng.permuted(np.ones((clusters, dimension)), axis=1)
    points = _unit(centres[labels] + rng.standard_normal((records + queries, dimension)) * spread[labels] * 1.5)
    words = np.array(["".join(rng.choice(list("abcdefghijklmnoprstuvw"), rng.integers(3, 10))) for _ in range(20_000)])
    texts = [" ".join(_sentence(rng, words, int(label))) for label in labels[:records]]
    metadatas: list[dict[str, Any]] = [
        {"cluster": int(label), "size": int(rng.integers(0, 10_000)), "source": "synthetic"} for label in labels[:records]
    ]
    return _finish("synthetic", [f"record-{n:07}" for n in range(records)], points[:records], texts, metadatas, points[records:])


def stored(directory: Path, records: int | None, queries: int) -> Dataset:
    """``embeddings.f16.npy``, ``records.jsonl.gz`` and ``queries.f16.npy`` of a directory."""
    with gzip.open(directory / "records.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines][:records]
    vectors = _unit(np.load(directory / "embeddings.f16.npy")[: len(rows)].astype(np.float32))
    asked = _unit(np.load(directory / "queries.f16.npy")[:queries].astype(np.float32))
    return _finish(
        directory.name, [row["id"] for row in rows], vectors, [row["document"] for row in rows], [row["metadata"] for row in rows], asked
    )


def _finish(name: str, ids: list[str], vectors: Floats, documents: list[str], metadatas: list[dict[str, Any]], queries: Floats) -> Dataset:
    """Add the keys that filters ask for: shares of 1, 10 and 50 % by chance, and ``topic``, which goes with the vectors."""
    rng = np.random.default_rng(1)
    numbers = rng.permutation(len(ids))
    anchors = vectors[rng.choice(len(ids), 10, replace=False)]
    topics = (vectors @ anchors.T).argmax(axis=1)
    full = [
        {**metadata, "percent": int(n % 100), "tenth": int(n % 10), "half": bool(n % 2), "topic": f"topic-{topic}"}
        for metadata, n, topic in zip(metadatas, numbers, topics, strict=True)
    ]
    return Dataset(name, ids, vectors, documents, full, queries, _needles(documents, rng))


def _needles(documents: list[str], rng: np.random.Generator) -> list[tuple[str, int]]:
    """Twenty words of at least five letters that 0.1 % to 5 % of the documents contain."""
    candidates = sorted({word for text in documents[:2000] for word in text.split() if len(word) >= 5 and word.isalpha()})
    chosen = []
    for word in rng.permutation(np.array(candidates)):
        found = sum(word in text for text in documents)
        if 0.001 * len(documents) <= found <= 0.05 * len(documents):
            chosen.append((str(word), found))
        if len(chosen) == 20:
            break
    return sorted(chosen, key=lambda pair: pair[1])


def _sentence(rng: np.random.Generator, words: npt.NDArray[np.str_], label: int) -> list[str]:
    """30 to 80 words, a fifth of them the cluster's own, the others after Zipf."""
    count = int(rng.integers(30, 80))
    ranks = np.minimum(rng.zipf(1.3, count), len(words)) - 1
    own = rng.random(count) < 0.2
    ranks[own] = (label * 37 + rng.integers(0, 30, int(own.sum()))) % len(words)
    return [str(word) for word in words[ranks]]


def _unit(points: npt.NDArray[Any]) -> Floats:
    unit: Floats = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    return unit
