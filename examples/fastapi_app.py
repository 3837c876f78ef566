"""A FastAPI application with the store in its own process.

    uvicorn examples.fastapi_app:app

One worker owns the directory. For several workers run ``chroma-async run`` and open an ``AsyncHttpClient`` in the lifespan instead: nothing
else changes.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel

from chroma_async import AsyncCollection, AsyncPersistentClient
from chroma_async.errors import ChromaError


class Note(BaseModel):
    """A text with its vector, as the application's own model has made it."""

    id: str
    text: str
    embedding: list[float]
    tags: dict[str, str | int | float | bool] = {}


class Question(BaseModel):
    embedding: list[float]
    count: int = 5
    where: dict[str, Any] | None = None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncPersistentClient(path=os.environ.get("NOTES_PATH", "./notes")) as client:
        app.state.notes = await client.get_or_create_collection("notes", configuration={"hnsw": {"space": "cosine"}})
        yield


app = FastAPI(title="Notes", lifespan=lifespan)


def collection(request: Request) -> AsyncCollection:
    """The collection that the lifespan opened."""
    notes: AsyncCollection = request.app.state.notes
    return notes


Notes = Annotated[AsyncCollection, Depends(collection)]


@app.put("/notes")
async def put(note: Note, notes: Notes) -> dict[str, int]:
    try:
        await notes.upsert(ids=note.id, documents=note.text, embeddings=[note.embedding], metadatas=[note.tags] if note.tags else None)
    except ChromaError as error:
        raise HTTPException(error.code(), error.message()) from error
    return {"count": await notes.count()}


@app.post("/search")
async def search(question: Question, notes: Notes) -> list[dict[str, Any]]:
    try:
        found = await notes.query(query_embeddings=[question.embedding], n_results=question.count, where=question.where)
    except ChromaError as error:
        raise HTTPException(error.code(), error.message()) from error
    rows = zip(found["ids"][0], found["documents"][0], found["distances"][0], strict=True)
    return [{"id": id, "text": text, "distance": float(distance)} for id, text, distance in rows]
