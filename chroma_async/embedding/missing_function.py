"""Functions that a store names and that cannot be built here: they keep their place, and fail when they are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from chroma_async.embedding.registry import config_to_embedding_function, config_to_sparse_embedding_function
from chroma_async.errors import ValidationError
from chroma_async.types import Json


class MissingFunction:
    """Stands for a stored description: describes itself by it, so that a schema that is read and sent back loses nothing."""

    def __init__(self, description: Mapping[str, Json], reason: Exception) -> None:
        self._description = dict(description)
        #: Why it could not be built.
        self.reason = reason

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name()!r}: {self.reason}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MissingFunction) and other._description == self._description

    def __hash__(self) -> int:
        return hash(self.name())

    def __call__(self, input: Any) -> NoReturn:
        """:raises ValidationError: always; it says why, and what to do."""
        raise ValidationError(
            f"the embedding function {self.name()!r} of the collection cannot be made here: {self.reason}. Open the collection with "
            "embedding_function=<one that you made>, register its class with @chroma_async.register_embedding_function, or pass embeddings"
        ) from self.reason

    def embed_query(self, input: Any) -> NoReturn:
        """:raises ValidationError: as a call."""
        self(input)

    def name(self) -> str:
        """The name it is stored under."""
        return str(self._description["name"])

    def get_config(self) -> Any:
        """Its configuration as it is stored."""
        return self._description.get("config")

    @staticmethod
    def validate_config(config: dict[str, Any]) -> None:
        """Nothing is known of what it may hold."""

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> NoReturn:
        """:raises ValidationError: always."""
        raise ValidationError("no class is registered for this configuration")

    def validate_config_update(self, old_config: dict[str, Any], new_config: dict[str, Any]) -> None:
        """Nothing is known of what may change."""


def build_dense(description: Mapping[str, Json]) -> Any:
    """The function that ``{"name", "config"}`` describes, or an :class:`MissingFunction`."""
    return _build(description, config_to_embedding_function)


def build_sparse(description: Mapping[str, Json]) -> Any:
    """The same for sparse vectors."""
    return _build(description, config_to_sparse_embedding_function)


def _build(description: Mapping[str, Json], build: Callable[[Mapping[str, Json]], Any]) -> Any:
    try:
        return build(description)
    except Exception as error:  # an application's class may raise anything; it is told when the function is called
        return MissingFunction(description, error)
