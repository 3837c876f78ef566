"""Hybrid search: dense vectors for what a text is about, BM25 for the words it holds, asked together from plain text.

    pip install 'chroma-async[bm25]'
    python examples/hybrid.py "our laser is jammed and says E4471"

Models place texts by their topic, and an error code or a part number has none. BM25 is the opposite: it knows nothing but words, and the
rarer a word, the more it counts. The schema below makes both vectors of every document, and one search fuses both rankings (Rrf), so that
it finds what either finds. The embedding here is a stand-in for a model: it knows three topics by some of their words.
"""

from __future__ import annotations

import asyncio
import re
import sys

import numpy as np

from chroma_async import (
    AsyncCollection,
    AsyncEphemeralClient,
    ChromaBm25EmbeddingFunction,
    K,
    Knn,
    Rrf,
    Schema,
    Search,
    SparseVectorIndexConfig,
)

MANUAL = [
    "Blank pages: the cartridge may be empty, or its tape was never removed.",
    "When printing stops in the middle of a page, look for torn paper in the tray.",
    "Prints come out pale: shake the cartridge gently, then clean the roller with a page of blank paper.",
    "E4471: too hot. Open the rear door for ten minutes, then close it.",
    "E4472: too cold. Wait until the green light is steady.",
    "Connect the device to a wireless network by holding its blue button.",
    "The network address is shown at the top of the settings page.",
    "The glass of the scanner is cleaned with a soft cloth and no liquid.",
    "Scans are sent by mail once an address has been entered.",
]

TOPICS = [
    "print printer printing prints laser toner jam jammed page pages paper tray cartridge roller",
    "network wireless address connect settings router password",
    "scan scans scanner glass copy copies",
]


async def embed(texts: list[str]) -> list[np.ndarray]:
    """One unit vector per text: how much it is about each topic. Put your model's call here."""
    known = [set(topic.split()) for topic in TOPICS]
    vectors = np.full((len(texts), len(TOPICS) + 1), 0.1, dtype=np.float32)
    for row, text in enumerate(texts):
        words = re.findall(r"[a-z]+", text.lower())
        vectors[row, :-1] += [sum(word in topic for word in words) for topic in known]
    return list(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def schema() -> Schema:
    """Every document gets a BM25 vector under the metadata key ``words``, weighted when it is searched by how rare its words are here."""
    words = SparseVectorIndexConfig(embedding_function=ChromaBm25EmbeddingFunction(), source_key="#document", bm25=True)
    return Schema().create_index(words, key="words")


async def dense(collection: AsyncCollection, question: str, count: int) -> list[str]:
    """What is about the same."""
    search = Search().rank(Knn(question)).limit(count).select(K.DOCUMENT)
    return [row["document"] for row in (await collection.search(search)).rows()[0]]


async def hybrid(collection: AsyncCollection, question: str, count: int) -> list[str]:
    """What is about the same, or holds the same words. A record that only one of the two finds ranks 1,000th in the other."""
    ranks = [Knn(question, return_rank=True, default=1000), Knn(question, "words", return_rank=True, default=1000)]
    search = Search().rank(Rrf(ranks)).limit(count).select(K.DOCUMENT)
    return [row["document"] for row in (await collection.search(search)).rows()[0]]


async def main(question: str) -> None:
    async with AsyncEphemeralClient() as client:
        manual = await client.create_collection("manual", schema=schema(), embedding_function=embed)
        await manual.add(ids=[f"passage {number}" for number in range(len(MANUAL))], documents=MANUAL)
        for name, search in (("dense", dense), ("dense and BM25", hybrid)):
            print(f"{name}:")
            for text in await search(manual, question, 3):
                print(f"  {text}")


if __name__ == "__main__":
    asyncio.run(main(" ".join(sys.argv[1:]) or "our laser is jammed and says E4471"))
