"""``sentence_transformer``: models of the sentence-transformers library (the extra ``sentence-transformers``), on this machine."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar, Self

import numpy as np

from chroma_async.embedding.named import FLAG, OBJECT, TEXT, Field, NamedFunction, texts_of
from chroma_async.errors import ModelMissingError, ValidationError
from chroma_async.types import Floats

_SECRET = re.compile(r"token|key|secret|password", re.IGNORECASE)
#: Options that a stored configuration may set: with these alone, loading a model runs no code that comes with it.
_HARMLESS = {"revision", "truncate_dim", "similarity_fn_name", "prompts", "default_prompt_name", "local_files_only"}


class SentenceTransformerEmbeddingFunction(NamedFunction):
    """Loaded at the first call; calls block, so collections run them in a thread.

    Made by an application, it loads what the library can find, which may be a download. Made from a collection's configuration it never
    downloads, and never runs code that comes with a model.

    :param kwargs: passed to the library's class; values of plain types.
    """

    fields: ClassVar[Mapping[str, Field]] = {
        "model_name": Field(TEXT, required=True),
        "device": Field(TEXT, required=True),
        "normalize_embeddings": Field(FLAG, required=True),
        "kwargs": Field(OBJECT),
    }
    # Not the model's name: it may be a path, and the same model may move.
    fixed: ClassVar[tuple[str, ...]] = ("normalize_embeddings",)

    def __init__(
        self, model_name: str = "all-MiniLM-L6-v2", device: str = "cpu", normalize_embeddings: bool = False, **kwargs: Any
    ) -> None:
        strange = [name for name, value in kwargs.items() if not isinstance(value, str | int | float | bool | list | dict | tuple)]
        if strange:
            raise ValidationError(f"sentence_transformer: {', '.join(strange)} must be of plain types, as they are stored")
        self.model_name = model_name
        self.device = device
        self.normalize_embeddings = normalize_embeddings
        self.kwargs = kwargs
        self._loading = threading.Lock()
        self._model: Any = None

    @staticmethod
    def name() -> str:
        return "sentence_transformer"

    def get_config(self) -> dict[str, Any]:
        secret = sorted(name for name, value in self.kwargs.items() if _SECRET.search(name) and isinstance(value, str))
        if secret:
            raise ValidationError(
                f"sentence_transformer: {', '.join(secret)} would be stored with the collection; log in with the library instead"
            )
        return super().get_config()

    @classmethod
    def build_from_config(cls, config: Mapping[str, Any]) -> Self:
        cls.validate_config(config)
        kwargs = config.get("kwargs") or {}
        unsafe = sorted(name for name, value in kwargs.items() if value and name not in _HARMLESS)
        if unsafe:
            raise ValidationError(
                f"sentence_transformer: the collection's configuration sets {', '.join(unsafe)}, which only an application may; "
                "open the collection with a function of your own"
            )
        made = cls(config["model_name"], config["device"], config["normalize_embeddings"], **kwargs)
        made.stored = True
        return made

    def __call__(self, input: list[str]) -> Floats:
        """One vector for each text: float32 of shape ``(texts, dimension)``.

        :raises ModelMissingError: the library is not installed, or the model cannot be loaded. :raises ValidationError: no texts.
        """
        texts = texts_of(self.name(), input)
        model = self._load()
        return np.asarray(model.encode(texts, convert_to_numpy=True, normalize_embeddings=self.normalize_embeddings), dtype=np.float32)

    def _load(self) -> Any:
        with self._loading:
            if self._model is None:
                try:
                    library = import_module("sentence_transformers")
                except ImportError as error:
                    raise self._missing("the library is not installed: pip install 'chroma-async[sentence-transformers]'") from error
                careful = {"local_files_only": True, "trust_remote_code": False} if self.stored else {}
                try:
                    self._model = library.SentenceTransformer(self.model_name, device=self.device, **{**self.kwargs, **careful})
                except (OSError, ValueError) as error:
                    hint = (
                        "; models are not downloaded because a collection names them, load it once in your application"
                        if self.stored
                        else ""
                    )
                    raise self._missing(f"the model {self.model_name!r} cannot be loaded ({error}){hint}") from error
            return self._model

    def _missing(self, reason: str) -> ModelMissingError:
        error = ModelMissingError(f"{self.name()}: {reason}")
        error.function = self.name()
        return error
