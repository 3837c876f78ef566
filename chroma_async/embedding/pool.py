"""The functions of one client: collections that describe the same function share it, and its connections end with the client."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any

from chroma_async.embedding.missing_function import MissingFunction, build_dense, build_sparse
from chroma_async.embedding.named import NamedFunction
from chroma_async.embedding.protocol import describe, function_name
from chroma_async.types import Json


class FunctionPool:
    """What descriptions in collections' configurations stand for: a function that the application brought, else one that is built.

    One that an application brought keeps what is not stored with it: its key, its limits, its address.
    """

    def __init__(self) -> None:
        self._dense: dict[str, Any] = {}
        self._sparse: dict[str, Any] = {}
        self._owned: list[Any] = []

    def adopt(self, function: Any) -> None:
        """Use ``function`` for collections that describe it. A function without a name is passed over.

        So is chromadb's own ``default``, which would download its model at the first call.
        """
        name = function_name(function)
        if name is None or (name == "default" and type(function).__module__.split(".")[0] == "chromadb"):
            return
        (self._dense if callable(getattr(function, "default_space", None)) else self._sparse)[_text(describe(function))] = function
        self._own(function)

    def dense(self, description: Mapping[str, Json]) -> Any:
        """The function of ``{"name", "config"}``, or an :class:`~chroma_async.embedding.missing_function.MissingFunction`."""
        return self._get(self._dense, description, build_dense)

    def sparse(self, description: Mapping[str, Json]) -> Any:
        """The same for sparse vectors."""
        return self._get(self._sparse, description, build_sparse)

    def _get(self, known: dict[str, Any], description: Mapping[str, Json], build: Callable[[Mapping[str, Json]], Any]) -> Any:
        text = _text(description)
        if text not in known:
            function = build(description)
            if isinstance(function, MissingFunction):
                return function  # its class may yet be registered
            known[text] = function
            self._owned.append(function)
        return known[text]

    def _own(self, function: Any) -> None:
        if isinstance(function, NamedFunction) and function.reconnects:
            self._owned.append(function)

    async def aclose(self) -> None:
        """End the connections of the functions that were built here, and of the built-in ones that were brought. Idempotent."""
        while self._owned:
            close = getattr(self._owned.pop(), "aclose", None)
            if inspect.iscoroutinefunction(close):
                await close()


def _text(description: Mapping[str, Json]) -> str:
    return json.dumps([description.get("name"), description.get("config")], sort_keys=True, default=repr)
