"""The base of the built-in functions: what their configurations may hold, and what makes two of them equal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self

from chroma_async.embedding.protocol import EmbeddingFunction
from chroma_async.errors import ValidationError
from chroma_async.refusing import guarded_class


class Field(NamedTuple):
    """One member of a configuration: the types of its values, and whether every configuration has it."""

    types: tuple[type[Any], ...]
    required: bool = False


TEXT, FLAG, WHOLE, OBJECT = (str,), (bool,), (int,), (dict,)


class NamedFunction(EmbeddingFunction[list[Any]]):
    """A function that can be made again from ``fields``: each is a parameter of the constructor and an attribute."""

    #: What configurations hold.
    fields: ClassVar[Mapping[str, Field]] = {}
    #: Those that decide what vectors come out: with another value, vectors do not belong into the same collection.
    fixed: ClassVar[tuple[str, ...]] = ("model_name",)

    #: Whether it holds connections that it opens again when it is called after ``aclose``: ending them takes nothing from anybody.
    reconnects: ClassVar[bool] = False

    #: Whether it was built from a configuration, which somebody else may have written.
    stored: bool = False

    def __init_subclass__(cls, **given: Any) -> None:
        super().__init_subclass__(**given)
        guarded_class(cls)

    def get_config(self) -> dict[str, Any]:
        """chromadb's configuration of the function of this name. It holds no key.

        :raises ValidationError: a field holds what must not be stored.
        """
        return {name: getattr(self, name) for name in self.fields}

    @classmethod
    def build_from_config(cls, config: Mapping[str, Any]) -> Self:
        """:raises ValidationError: see :meth:`validate_config`."""
        cls.validate_config(config)
        made = cls(**{name: value for name, value in config.items() if value is not None})
        made.stored = True
        return made

    @classmethod
    def validate_config(cls, config: Mapping[str, Any]) -> None:
        """:raises ValidationError: a member is missing, of a wrong type, or one that would change the vectors and is not known."""
        for name, (types, required) in cls.fields.items():
            value = config.get(name)
            if value is None and not required:
                continue
            if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
                raise ValidationError(f"{cls.name()}.{name}: expected {' or '.join(kind.__name__ for kind in types)}, got {value!r}")
        unknown = sorted(name for name, value in config.items() if name not in cls.fields and value is not None)
        if unknown:
            raise ValidationError(f"{cls.name()}: the configuration has fields that are not known here: {', '.join(unknown)}")

    def validate_config_update(self, old_config: dict[str, Any], new_config: dict[str, Any]) -> None:
        """:raises ValidationError: a field of ``fixed`` differs."""
        for name in self.fixed:
            if name in new_config and new_config[name] != old_config.get(name):
                raise ValidationError(
                    f"{self.name()}.{name} cannot change once a collection has vectors made with {old_config.get(name)!r}"
                )

    def default_space(self) -> str:
        """The distance that its vectors are made for."""
        return "cosine"

    def _identity(self) -> str:
        return json.dumps({name: getattr(self, name) for name in self.fields}, sort_keys=True, default=repr)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other._identity() == self._identity()

    def __hash__(self) -> int:
        return hash((type(self), self._identity()))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name()!r}>"


def texts_of(name: str, input: Any) -> list[str]:
    """``input`` as a list of texts. :raises ValidationError: it is none; images are not embedded here."""
    texts = [input] if isinstance(input, str) else list(input)
    wrong = [type(item).__name__ for item in texts if not isinstance(item, str)]
    if wrong:
        raise ValidationError(f"{name} embeds texts; got a value of type {wrong[0]}")
    return texts
