"""``cohere``: Cohere's embeddings of texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from chroma_async.embedding.named import TEXT, Field
from chroma_async.embedding.secrets import ApiKey
from chroma_async.embedding.services.answers import Answer
from chroma_async.embedding.services.limits import Limits, Waiting
from chroma_async.embedding.services.remote import Question, RemoteFunction

_OWN = "https://api.cohere.com"

#: Models that were made for one distance only.
_SPACES = {"embed-english-v2.0": "cosine", "embed-english-light-v2.0": "cosine", "embed-multilingual-v2.0": "ip"}


class CohereEmbeddingFunction(RemoteFunction):
    """``POST /v1/embed``. Documents are sent as ``search_document``, queries as ``search_query``.

    :param api_key: used and not stored; better kept in the environment variable ``api_key_env_var`` (``COHERE_API_KEY``, ``CO_API_KEY``).
    """

    fields: ClassVar[Mapping[str, Field]] = {"api_key_env_var": Field(TEXT, required=True), "model_name": Field(TEXT, required=True)}
    origins: ClassVar[tuple[str, ...]] = (_OWN,)
    batch_size: ClassVar[int] = 96

    def __init__(
        self,
        api_key: str | None = None,
        model_name: str = "large",
        api_key_env_var: str = "CHROMA_COHERE_API_KEY",
        *,
        base_url: str | None = None,
        limits: Limits | None = None,
        waiting: Waiting | None = None,
    ) -> None:
        super().__init__(ApiKey(api_key_env_var, ("COHERE_API_KEY", "CO_API_KEY"), api_key), limits, waiting, base_url)
        self.api_key_env_var = api_key_env_var
        self.model_name = model_name

    @staticmethod
    def name() -> str:
        return "cohere"

    def default_space(self) -> str:
        return _SPACES.get(self.model_name, "cosine")

    def supported_spaces(self) -> list[str]:
        return [_SPACES[self.model_name]] if self.model_name in _SPACES else ["cosine", "l2", "ip"]

    def question(self, texts: list[str], query: bool) -> Question:
        body = {"texts": texts, "model": self.model_name, "input_type": "search_query" if query else "search_document"}
        return Question(f"{self.base}/v1/embed", body, {"Authorization": f"Bearer {self.key()}"})

    def answer(self, body: Any) -> Answer:
        found = body["embeddings"]
        return list(found["float"] if isinstance(found, dict) else found)
