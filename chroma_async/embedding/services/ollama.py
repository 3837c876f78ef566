"""``ollama``: a model served by Ollama."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from yarl import URL

from chroma_async.embedding.named import TEXT, WHOLE, Field
from chroma_async.embedding.secrets import checked_url
from chroma_async.embedding.services.answers import Answer
from chroma_async.embedding.services.limits import Limits, Waiting
from chroma_async.embedding.services.remote import Question, RemoteFunction

#: The path of Ollama's older route, which chromadb's users have in their addresses.
_OLD_ROUTE = "/api/embeddings"


class OllamaEmbeddingFunction(RemoteFunction):
    """``POST {url}/api/embed``. ``timeout`` is in seconds, and takes the place of that in ``limits``."""

    fields: ClassVar[Mapping[str, Field]] = {
        "url": Field(TEXT, required=True),
        "model_name": Field(TEXT, required=True),
        "timeout": Field(WHOLE),
    }
    origins: ClassVar[tuple[str, ...]] = ("http://localhost:11434", "http://127.0.0.1:11434")

    def __init__(
        self,
        url: str = "http://localhost:11434",
        model_name: str = "chroma/all-minilm-l6-v2-f32",
        timeout: int = 60,
        *,
        limits: Limits | None = None,
        waiting: Waiting | None = None,
    ) -> None:
        super().__init__(None, replace(limits or Limits(), timeout_s=timeout), waiting)
        self.url = checked_url("url", url)
        self.model_name = model_name
        self.timeout = timeout

    @staticmethod
    def name() -> str:
        return "ollama"

    def question(self, texts: list[str], query: bool) -> Question:
        base = str(URL(self.url).origin()) if self.url.endswith(_OLD_ROUTE) else self.url.rstrip("/")
        return Question(f"{base}/api/embed", {"model": self.model_name, "input": texts}, {})

    def answer(self, body: Any) -> Answer:
        return list(body["embeddings"])
