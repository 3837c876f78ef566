"""Retrieval over real text: read Markdown files, split them into passages, and answer questions with the passages that fit best.

    python examples/rag.py "what happens after a crash?" README.md ARCHITECTURE.md

The embedding here hashes words and their beginnings, so that the example runs anywhere. Put your model's call in :func:`embed`: it may be
``async def`` and talk to a server, and it is given a batch of texts at a time. What :func:`answer` returns is what you would put into the
prompt of a language model.
"""

from __future__ import annotations

import asyncio
import re
import sys
import zlib
from pathlib import Path

import numpy as np

from chroma_async import AsyncCollection, AsyncEphemeralClient

DIMENSION = 512


async def embed(texts: list[str]) -> list[np.ndarray]:
    """One unit vector per text: hashed words and five-letter beginnings, rarer for long texts."""
    vectors = np.zeros((len(texts), DIMENSION), dtype=np.float32)
    for row, text in enumerate(texts):
        for word in re.findall(r"[a-z0-9_]{3,}", text.lower()):
            for token in {word, word[:5]}:
                vectors[row, zlib.crc32(token.encode()) % DIMENSION] += 1
    vectors = np.sqrt(vectors)
    return list(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9))


def passages(path: Path) -> list[tuple[str, str]]:
    """(heading, paragraph) of a Markdown file; code and tables stay whole."""
    found: list[tuple[str, str]] = []
    heading = path.stem
    for block in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")):
        if block.startswith("#"):
            heading = block.splitlines()[0].lstrip("# ")
        elif len(block) > 40:
            found.append((heading, block.strip()))
    return found


async def ingest(collection: AsyncCollection, paths: list[Path]) -> int:
    """Store every passage of the files; a file that is ingested again replaces its passages."""
    total = 0
    for path in paths:
        parts = await asyncio.to_thread(passages, path)
        await collection.delete(where={"file": path.name})
        await collection.add(
            ids=[f"{path.name}:{number}" for number in range(len(parts))],
            documents=[text for _, text in parts],
            metadatas=[{"file": path.name, "heading": heading} for heading, _ in parts],
        )
        total += len(parts)
    return total


async def answer(collection: AsyncCollection, question: str, count: int = 3) -> list[tuple[str, str, float]]:
    """The passages that fit a question best: (where, text, distance)."""
    found = await collection.query(query_texts=[question], n_results=count)
    rows = zip(found["metadatas"][0], found["documents"][0], found["distances"][0], strict=True)
    return [(f"{metadata['file']}, {metadata['heading']}", text, float(distance)) for metadata, text, distance in rows]


async def main(question: str, paths: list[Path]) -> None:
    async with AsyncEphemeralClient() as client:
        collection = await client.create_collection("passages", embedding_function=embed, configuration={"hnsw": {"space": "cosine"}})
        print(f"{await ingest(collection, paths)} passages")
        for where, text, distance in await answer(collection, question):
            print(f"\n[{distance:.3f}] {where}\n{text}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], [Path(name) for name in sys.argv[2:]]))
