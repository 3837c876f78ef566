"""What an embedding function is: chromadb's protocol, with ``async def`` first.

``__call__`` is a coroutine function where a function waits for a service, and a plain one where it computes; collections run plain ones in
a thread. A class that inherits from :class:`EmbeddingFunction` gets chromadb's answers for all that it leaves out. Any other callable from
a list to vectors works too; such a function has no name, so the application passes it wherever the collection is opened.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar, runtime_checkable

from chroma_async.types import Floats

#: One vector for each input: a float32 array of shape ``(inputs, dimension)``, or anything that becomes one.
Embeddings: TypeAlias = Floats | Sequence[Floats] | Sequence[Sequence[float]]
#: One sparse vector for each input.
SparseEmbeddings: TypeAlias = Sequence[Any]

D = TypeVar("D", contravariant=True)


@runtime_checkable
class EmbeddingFunction(Protocol[D]):
    """Dense vectors. ``D`` is the list that it takes, of texts (``list[str]``) in most cases."""

    def __call__(self, input: D) -> Embeddings | Awaitable[Embeddings]:
        """One vector for each of ``input``, in its order, all of one dimension."""

    def embed_query(self, input: D) -> Embeddings | Awaitable[Embeddings]:
        """The same for what is searched for; some models tell queries from documents."""
        return self(input)

    @staticmethod
    def name() -> str:
        """What stored configurations call this class. It stays the same for ever."""

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> Any:
        """A function like the one whose :meth:`get_config` gave ``config``. It is stored data: building must not run or fetch anything."""

    def get_config(self) -> dict[str, Any]:
        """JSON that :meth:`build_from_config` makes an equal function from. It is stored with the collection, so it holds no secret."""

    def default_space(self) -> str:
        """The distance that its vectors are made for."""
        return "l2"

    def supported_spaces(self) -> list[str]:
        """The distances that make sense for its vectors."""
        return ["cosine", "l2", "ip"]

    @staticmethod
    def validate_config(config: dict[str, Any]) -> None:
        """:raises ValueError: :meth:`build_from_config` could not use ``config``."""

    def validate_config_update(self, old_config: dict[str, Any], new_config: dict[str, Any]) -> None:
        """:raises ValueError: vectors made with ``old_config`` and with ``new_config`` do not belong into one collection."""

    def is_legacy(self) -> bool:
        """Whether it cannot be found again by name and configuration."""
        return is_anonymous(type(self), EmbeddingFunction)


@runtime_checkable
class SparseEmbeddingFunction(Protocol[D]):
    """Sparse vectors: as :class:`EmbeddingFunction`, but for distances. There is one way to compare them, the inner product."""

    def __call__(self, input: D) -> SparseEmbeddings | Awaitable[SparseEmbeddings]:
        """One sparse vector for each of ``input``, in its order."""

    def embed_query(self, input: D) -> SparseEmbeddings | Awaitable[SparseEmbeddings]:
        """The same for what is searched for."""
        return self(input)

    @staticmethod
    def name() -> str:
        """What stored configurations call this class."""

    @staticmethod
    def build_from_config(config: dict[str, Any]) -> Any:
        """A function like the one whose :meth:`get_config` gave ``config``."""

    def get_config(self) -> dict[str, Any]:
        """JSON that :meth:`build_from_config` makes an equal function from."""

    @staticmethod
    def validate_config(config: dict[str, Any]) -> None:
        """:raises ValueError: :meth:`build_from_config` could not use ``config``."""

    def validate_config_update(self, old_config: dict[str, Any], new_config: dict[str, Any]) -> None:
        """:raises ValueError: vectors made with ``old_config`` and with ``new_config`` do not belong into one collection."""


def is_anonymous(cls: type[Any], protocol: type[Any]) -> bool:
    """Whether ``cls`` leaves out one of the three methods by which it would be found again."""
    methods = ("name", "get_config", "build_from_config")
    return any(getattr(cls, method, None) in (None, getattr(protocol, method)) for method in methods)


def function_name(function: Any) -> str | None:
    """The name under which it can be found again; ``None`` for a plain callable and for what chromadb calls legacy."""
    name, config, legacy = (getattr(function, attribute, None) for attribute in ("name", "get_config", "is_legacy"))
    if not callable(name) or not callable(config) or (callable(legacy) and legacy()):
        return None
    found = name()
    return found if isinstance(found, str) else None


def describe(function: Any) -> dict[str, Any]:
    """What a collection's configuration keeps of it: its name and configuration, or only that there is one."""
    name = function_name(function)
    if name is None:
        return {"type": "legacy"}
    return {"type": "known", "name": name, "config": function.get_config()}


def described_name(description: Any) -> str | None:
    """The name in a stored description; ``None`` when it names none."""
    if not isinstance(description, Mapping) or description.get("type") != "known":
        return None
    name = description.get("name")
    return name if isinstance(name, str) else None
