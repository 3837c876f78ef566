"""``voyageai``: Voyage AI's embeddings of texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from chroma_async.embedding.named import FLAG, TEXT, Field
from chroma_async.embedding.secrets import ApiKey
from chroma_async.embedding.services.answers import Answer, in_order
from chroma_async.embedding.services.limits import Limits, Waiting
from chroma_async.embedding.services.remote import Question, RemoteFunction

_OWN = "https://api.voyageai.com"


class VoyageAIEmbeddingFunction(RemoteFunction):
    """``POST /v1/embeddings``. With ``input_type`` ``document``, queries are sent as ``query``.

    :param api_key: used and not stored; better kept in the environment variable ``api_key_env_var`` (``VOYAGE_API_KEY`` is looked at too).
    :param truncation: whether texts that are too long are cut, rather than refused.
    """

    fields: ClassVar[Mapping[str, Field]] = {
        "api_key_env_var": Field(TEXT, required=True),
        "model_name": Field(TEXT, required=True),
        "input_type": Field(TEXT),
        "truncation": Field(FLAG),
    }
    origins: ClassVar[tuple[str, ...]] = (_OWN,)
    batch_size: ClassVar[int] = 128

    def __init__(
        self,
        api_key: str | None = None,
        model_name: str = "voyage-large-2",
        api_key_env_var: str = "CHROMA_VOYAGE_API_KEY",
        input_type: str | None = None,
        truncation: bool = True,
        *,
        base_url: str | None = None,
        limits: Limits | None = None,
        waiting: Waiting | None = None,
    ) -> None:
        super().__init__(ApiKey(api_key_env_var, ("VOYAGE_API_KEY",), api_key), limits, waiting, base_url)
        self.api_key_env_var = api_key_env_var
        self.model_name = model_name
        self.input_type = input_type
        self.truncation = truncation

    @staticmethod
    def name() -> str:
        return "voyageai"

    def question(self, texts: list[str], query: bool) -> Question:
        kind = "query" if query and self.input_type == "document" else self.input_type
        body = {"input": texts, "model": self.model_name, "input_type": kind, "truncation": self.truncation}
        return Question(f"{self.base}/v1/embeddings", body, {"Authorization": f"Bearer {self.key()}"})

    def answer(self, body: Any) -> Answer:
        return in_order(body["data"])
