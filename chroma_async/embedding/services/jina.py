"""``jina``: Jina AI's embeddings of texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from chroma_async.embedding.named import FLAG, OBJECT, TEXT, WHOLE, Field
from chroma_async.embedding.secrets import ApiKey
from chroma_async.embedding.services.answers import Answer, in_order
from chroma_async.embedding.services.limits import Limits, Waiting
from chroma_async.embedding.services.remote import Question, RemoteFunction

_OWN = "https://api.jina.ai"

#: What is sent when it is set.
_OPTIONS = ("task", "late_chunking", "truncate", "dimensions", "embedding_type", "normalized")


class JinaEmbeddingFunction(RemoteFunction):
    """``POST /v1/embeddings``. ``query_config`` holds what is sent differently for queries, as ``{"task": "retrieval.query"}``.

    :param api_key: used and not stored; better kept in the environment variable ``api_key_env_var`` (``JINA_API_KEY`` is looked at too).
    """

    fields: ClassVar[Mapping[str, Field]] = {
        "api_key_env_var": Field(TEXT, required=True),
        "model_name": Field(TEXT, required=True),
        "task": Field(TEXT),
        "late_chunking": Field(FLAG),
        "truncate": Field(FLAG),
        "dimensions": Field(WHOLE),
        "embedding_type": Field(TEXT),
        "normalized": Field(FLAG),
        "query_config": Field(OBJECT),
    }
    fixed: ClassVar[tuple[str, ...]] = ("model_name", "dimensions", "embedding_type", "normalized")
    origins: ClassVar[tuple[str, ...]] = (_OWN,)
    batch_size: ClassVar[int] = 512

    def __init__(
        self,
        api_key: str | None = None,
        model_name: str = "jina-embeddings-v2-base-en",
        api_key_env_var: str = "CHROMA_JINA_API_KEY",
        task: str | None = None,
        late_chunking: bool | None = None,
        truncate: bool | None = None,
        dimensions: int | None = None,
        embedding_type: str | None = None,
        normalized: bool | None = None,
        query_config: dict[str, Any] | None = None,
        *,
        base_url: str | None = None,
        limits: Limits | None = None,
        waiting: Waiting | None = None,
    ) -> None:
        super().__init__(ApiKey(api_key_env_var, ("JINA_API_KEY",), api_key), limits, waiting, base_url)
        self.api_key_env_var = api_key_env_var
        self.model_name = model_name
        self.task = task
        self.late_chunking = late_chunking
        self.truncate = truncate
        self.dimensions = dimensions
        self.embedding_type = embedding_type
        self.normalized = normalized
        self.query_config = query_config

    @staticmethod
    def name() -> str:
        return "jina"

    def question(self, texts: list[str], query: bool) -> Question:
        options = {name: getattr(self, name) for name in _OPTIONS if getattr(self, name) is not None}
        body = {"input": texts, "model": self.model_name, **options, **((self.query_config or {}) if query else {})}
        return Question(f"{self.base}/v1/embeddings", body, {"Authorization": f"Bearer {self.key()}"})

    def answer(self, body: Any) -> Answer:
        return in_order(body["data"])
