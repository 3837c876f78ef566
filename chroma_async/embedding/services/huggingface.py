"""``huggingface``: Hugging Face's inference service. ``huggingface_server``: a text-embeddings-inference server of one's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from chroma_async.embedding.named import TEXT, Field
from chroma_async.embedding.secrets import ApiKey, checked_url
from chroma_async.embedding.services.answers import Answer
from chroma_async.embedding.services.limits import Limits, Waiting
from chroma_async.embedding.services.remote import Question, RemoteFunction

_OWN = "https://router.huggingface.co"
_USUAL = ("HUGGINGFACE_API_KEY", "HF_TOKEN")


class HuggingFaceEmbeddingFunction(RemoteFunction):
    """``POST /hf-inference/models/{model_name}/pipeline/feature-extraction``.

    :param api_key: used and not stored; better kept in the environment variable ``api_key_env_var`` (``HUGGINGFACE_API_KEY`` and
        ``HF_TOKEN`` are looked at too).
    """

    fields: ClassVar[Mapping[str, Field]] = {"api_key_env_var": Field(TEXT, required=True), "model_name": Field(TEXT, required=True)}
    origins: ClassVar[tuple[str, ...]] = (_OWN,)
    batch_size: ClassVar[int] = 32

    def __init__(
        self,
        api_key: str | None = None,
        model_name: str = "sentence-transformers/all-MiniLM-L6-v2",
        api_key_env_var: str = "CHROMA_HUGGINGFACE_API_KEY",
        *,
        base_url: str | None = None,
        limits: Limits | None = None,
        waiting: Waiting | None = None,
    ) -> None:
        super().__init__(ApiKey(api_key_env_var, _USUAL, api_key), limits, waiting, base_url)
        self.api_key_env_var = api_key_env_var
        self.model_name = model_name

    @staticmethod
    def name() -> str:
        return "huggingface"

    def question(self, texts: list[str], query: bool) -> Question:
        url = f"{self.base}/hf-inference/models/{quote(self.model_name)}/pipeline/feature-extraction"
        return Question(url, {"inputs": texts}, {"Authorization": f"Bearer {self.key()}"})

    def answer(self, body: Any) -> Answer:
        return _list(body)


class HuggingFaceEmbeddingServer(RemoteFunction):
    """``POST {url}``, the address of the route (``http://host:8080/embed``). A key is sent when there is one.

    :param api_key: used and not stored; better kept in the environment variable ``api_key_env_var``.
    """

    fields: ClassVar[Mapping[str, Field]] = {"url": Field(TEXT, required=True), "api_key_env_var": Field(TEXT)}
    fixed: ClassVar[tuple[str, ...]] = ("url",)
    batch_size: ClassVar[int] = 32

    def __init__(
        self,
        url: str,
        api_key_env_var: str | None = None,
        api_key: str | None = None,
        *,
        limits: Limits | None = None,
        waiting: Waiting | None = None,
    ) -> None:
        super().__init__(ApiKey(api_key_env_var, (), api_key), limits, waiting)
        self.url = checked_url("url", url)
        self.api_key_env_var = api_key_env_var

    @staticmethod
    def name() -> str:
        return "huggingface_server"

    def question(self, texts: list[str], query: bool) -> Question:
        key = None if self._key is None else self._key.read()
        return Question(self.url, {"inputs": texts}, {} if key is None else {"Authorization": f"Bearer {key}"})

    def answer(self, body: Any) -> Answer:
        return _list(body)


def _list(body: Any) -> Answer:
    if not isinstance(body, list):
        raise TypeError(f"a list was expected, not {type(body).__name__}")
    return body
