"""A sparse vector, as callers write and read it in metadata, by the name and the rules that chromadb has for it."""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chroma_async.errors import ValidationError
from chroma_async.refusing import guarded_class
from chroma_async.types import SparseValue


@guarded_class
@dataclass(frozen=True, slots=True)
class SparseVector:
    """A vector that is zero but at a few indices, as callers write and read it in metadata.

    ``indices`` are below 2**32 and ascend strictly; ``values`` are as many; ``labels``, if given, say what each index stands for.

    :raises ValidationError: they are no such lists.
    """

    indices: list[int]
    values: list[float]
    labels: list[str] | None = None

    def __post_init__(self) -> None:
        for name, column in (("indices", self.indices), ("values", self.values), ("labels", self.labels)):
            if not isinstance(column, list) and not (name == "labels" and column is None):
                raise ValidationError(f"Expected SparseVector {name} to be a list, got {type(column).__name__}")
        if len(self.indices) != len(self.values):
            raise ValidationError(
                f"SparseVector indices and values must have the same length, got {len(self.indices)} indices and {len(self.values)} values"
            )
        if self.labels is not None and len(self.labels) != len(self.indices):
            raise ValidationError(
                f"SparseVector labels must have the same length as indices, got {len(self.labels)} for {len(self.indices)}"
            )
        if self.labels is not None and not all(isinstance(label, str) for label in self.labels):
            raise ValidationError("SparseVector labels must be strings")
        if not set(map(type, self.indices)) <= {int}:
            raise ValidationError("SparseVector indices must be integers")
        if self.indices and min(self.indices) < 0:
            raise ValidationError("SparseVector indices must be non-negative")
        if self.indices and max(self.indices) >= 2**32:
            raise ValidationError("SparseVector indices must be below 2**32")
        if not set(map(type, self.values)) <= {int, float}:
            raise ValidationError("SparseVector values must be numbers")
        if not all(abs(value) < math.inf for value in self.values):
            raise ValidationError("SparseVector values must be finite")
        if not all(map(operator.lt, self.indices, self.indices[1:])):
            raise ValidationError("SparseVector indices must be sorted in strictly ascending order")

    def to_dict(self) -> SparseValue:
        """Its JSON form: ``{"#type": "sparse_vector", "indices", "values"}``, and ``"tokens"`` for labels."""
        form: SparseValue = {"#type": "sparse_vector", "indices": list(self.indices), "values": list(self.values)}
        if self.labels is not None:
            form["tokens"] = list(self.labels)
        return form

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> SparseVector:
        """The vector of that JSON form. :raises ValidationError: ``d`` says that it is something else, or breaks the class's rules."""
        if d.get("#type") != "sparse_vector":
            raise ValidationError(f"expected #type 'sparse_vector', got {d.get('#type')!r}")
        return cls(d.get("indices"), d.get("values"), d.get("tokens"))  # type: ignore[arg-type]
