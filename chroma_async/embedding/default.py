"""``default``: what chromadb embeds with when nobody says otherwise, all-MiniLM-L6-v2."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from chroma_async.embedding.named import Field
from chroma_async.embedding.onnx import ONNXMiniLM_L6_V2


class DefaultEmbeddingFunction(ONNXMiniLM_L6_V2):
    """Making it loads nothing; the first call does, and fails when the model is not on this machine.

    :param model_dir: the directory of the model's files; where ``chroma-async models pull`` puts them when not given.
    """

    fields: ClassVar[Mapping[str, Field]] = {}

    def __init__(self, *, model_dir: str | Path | None = None) -> None:
        super().__init__(model_dir=model_dir)

    @staticmethod
    def name() -> str:
        return "default"

    def default_space(self) -> str:
        return "l2"
