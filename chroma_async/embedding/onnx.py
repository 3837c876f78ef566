"""``onnx_mini_lm_l6_v2``: all-MiniLM-L6-v2 on this machine, by ONNX Runtime (the extra ``onnx``)."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from chroma_async.embedding.models import MINI_LM, missing, model_directory
from chroma_async.embedding.named import Field, NamedFunction, texts_of
from chroma_async.errors import ModelMissingError, ValidationError
from chroma_async.types import Floats

#: Tokens after which a text is cut, as sentence-transformers does for this model.
MAX_TOKENS = 256
#: Texts computed at once.
_BATCH = 32
#: What the function reads of the model's files.
_NEEDED = ("model.onnx", "tokenizer.json")


class ONNXMiniLM_L6_V2(NamedFunction):  # noqa: N801 - chromadb's name
    """Mean of the last hidden states, scaled to length 1: 384 dimensions. Loaded at the first call; calls block, so collections run them
    in a thread.

    :param preferred_providers: ONNX Runtime's execution providers; all that there are but CoreML's when not given.
    :param model_dir: the directory with ``model.onnx`` and ``tokenizer.json``; where ``chroma-async models pull`` puts them when not
        given. It is not stored with collections.
    """

    fields: ClassVar[Mapping[str, Field]] = {"preferred_providers": Field((list,))}
    fixed: ClassVar[tuple[str, ...]] = ()

    def __init__(self, preferred_providers: list[str] | None = None, *, model_dir: str | Path | None = None) -> None:
        if preferred_providers is not None and not all(isinstance(name, str) for name in preferred_providers):
            raise ValidationError(f"preferred_providers: expected a list of names, got {preferred_providers!r}")
        self.preferred_providers = preferred_providers
        self._directory = Path(model_dir) if model_dir is not None else None
        self._loading = threading.Lock()
        self._loaded: tuple[Any, Any] | None = None

    @staticmethod
    def name() -> str:
        return "onnx_mini_lm_l6_v2"

    def max_tokens(self) -> int:
        """Tokens after which a text is cut."""
        return MAX_TOKENS

    def __call__(self, input: list[str]) -> Floats:
        """One vector for each text: float32 of shape ``(texts, dimension)``.

        :raises ModelMissingError: the model's files or the library are not here. :raises ValidationError: no texts.
        """
        texts = texts_of(self.name(), input)
        tokenizer, session = self._load()
        parts = [self._forward(tokenizer, session, texts[start : start + _BATCH]) for start in range(0, len(texts), _BATCH)]
        return np.concatenate(parts) if parts else np.zeros((0, 0), dtype=np.float32)

    @staticmethod
    def _forward(tokenizer: Any, session: Any, texts: list[str]) -> Floats:
        encoded = tokenizer.encode_batch(texts)
        ids = np.array([one.ids for one in encoded], dtype=np.int64)
        mask = np.array([one.attention_mask for one in encoded], dtype=np.int64)
        given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = session.run(None, {one.name: given[one.name] for one in session.get_inputs()})[0]
        weights = mask[:, :, None].astype(np.float32)
        means = (hidden * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-9)
        lengths = np.linalg.norm(means, axis=1, keepdims=True)
        return np.asarray(means / np.maximum(lengths, 1e-12), dtype=np.float32)

    def _load(self) -> tuple[Any, Any]:
        """Tokenizer and session, loaded by whichever thread comes first."""
        with self._loading:
            if self._loaded is None:
                directory = self._directory or model_directory(MINI_LM)
                absent = [name for name in _NEEDED if not (directory / name).is_file()]
                if absent:
                    raise missing(self.name(), MINI_LM, directory, absent)
                self._loaded = self._tokenizer(directory), self._session(directory)
            return self._loaded

    def _tokenizer(self, directory: Path) -> Any:
        tokenizer = self._library("tokenizers").Tokenizer.from_file(str(directory / "tokenizer.json"))
        tokenizer.enable_truncation(max_length=MAX_TOKENS)
        tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
        return tokenizer

    def _session(self, directory: Path) -> Any:
        runtime = self._library("onnxruntime")
        available = runtime.get_available_providers()
        chosen = self.preferred_providers or [name for name in available if name != "CoreMLExecutionProvider"]
        unknown = sorted(set(chosen) - set(available))
        if unknown:
            raise ValidationError(f"preferred_providers: {', '.join(unknown)} not available here; there are {', '.join(available)}")
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        return runtime.InferenceSession(str(directory / "model.onnx"), sess_options=options, providers=chosen)

    def _library(self, module: str) -> Any:
        try:
            return import_module(module)
        except ImportError as error:
            missing_library = ModelMissingError(
                f"{self.name()} needs the library {module}, which is not installed: pip install 'chroma-async[onnx]'"
            )
            missing_library.function = self.name()
            raise missing_library from error
