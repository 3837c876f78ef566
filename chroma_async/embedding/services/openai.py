"""``openai``: OpenAI's embeddings, Azure's, and every service that speaks the same (``api_base``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from chroma_async.embedding.named import OBJECT, TEXT, WHOLE, Field
from chroma_async.embedding.secrets import ApiKey, checked_url, refuse_secret_headers
from chroma_async.embedding.services.answers import Answer, in_order
from chroma_async.embedding.services.limits import Limits, Waiting
from chroma_async.embedding.services.remote import Question, RemoteFunction
from chroma_async.errors import ValidationError

_OWN = "https://api.openai.com"


class OpenAIEmbeddingFunction(RemoteFunction):
    """``POST {api_base}/embeddings``.

    :param api_key: used and not stored; better kept in the environment variable ``api_key_env_var`` (``OPENAI_API_KEY`` is looked at too).
    :param dimensions: sent for the models that take it, those of text-embedding-3.
    :param api_type: ``azure``, with ``api_base`` (the resource's address), ``api_version`` and ``deployment_id``.
    """

    fields: ClassVar[Mapping[str, Field]] = {
        "api_key_env_var": Field(TEXT, required=True),
        "model_name": Field(TEXT, required=True),
        "organization_id": Field(TEXT),
        "api_base": Field(TEXT),
        "api_type": Field(TEXT),
        "api_version": Field(TEXT),
        "deployment_id": Field(TEXT),
        "default_headers": Field(OBJECT),
        "dimensions": Field(WHOLE),
    }
    fixed: ClassVar[tuple[str, ...]] = ("model_name", "dimensions")
    origins: ClassVar[tuple[str, ...]] = (_OWN,)
    batch_size: ClassVar[int] = 2048

    def __init__(
        self,
        api_key: str | None = None,
        model_name: str = "text-embedding-ada-002",
        organization_id: str | None = None,
        api_base: str | None = None,
        api_type: str | None = None,
        api_version: str | None = None,
        deployment_id: str | None = None,
        default_headers: dict[str, str] | None = None,
        dimensions: int | None = None,
        api_key_env_var: str = "CHROMA_OPENAI_API_KEY",
        *,
        limits: Limits | None = None,
        waiting: Waiting | None = None,
    ) -> None:
        super().__init__(ApiKey(api_key_env_var, ("OPENAI_API_KEY",), api_key), limits, waiting)
        self.api_key_env_var = api_key_env_var
        self.model_name = model_name
        self.organization_id = organization_id
        self.api_base = None if api_base is None else checked_url("api_base", api_base)
        self.api_type = api_type
        self.api_version = api_version
        self.deployment_id = deployment_id
        self.default_headers = default_headers
        self.dimensions = dimensions
        if api_type == "azure":
            missing = [name for name in ("api_base", "api_version", "deployment_id") if getattr(self, name) is None]
            if missing:
                raise ValidationError(f"openai: api_type 'azure' needs {', '.join(missing)}")

    @staticmethod
    def name() -> str:
        return "openai"

    def get_config(self) -> dict[str, Any]:
        refuse_secret_headers(self.default_headers)
        return super().get_config()

    def question(self, texts: list[str], query: bool) -> Question:
        body: dict[str, Any] = {"model": self.model_name, "input": texts}
        if self.dimensions is not None and "text-embedding-3" in self.model_name:
            body["dimensions"] = self.dimensions
        base = (self.api_base or f"{_OWN}/v1").rstrip("/")
        key = self.key()
        headers = {str(name): str(value) for name, value in (self.default_headers or {}).items()}
        if self.api_type == "azure":
            url = f"{base}/openai/deployments/{self.deployment_id}/embeddings?api-version={self.api_version}"
            return Question(url, body, {**headers, "api-key": key})
        organization = {} if self.organization_id is None else {"OpenAI-Organization": self.organization_id}
        return Question(f"{base}/embeddings", body, {**headers, **organization, "Authorization": f"Bearer {key}"})

    def answer(self, body: Any) -> Answer:
        return in_order(body["data"])

    def hopeless(self, status: int, message: str) -> bool:
        return "insufficient_quota" in message
