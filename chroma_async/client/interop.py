"""Code written for chromadb that asks ``isinstance(client, chromadb.api.AsyncClientAPI)``.

That class is an abstract base class, so ours can be registered with it. Exceptions cannot: ``except`` looks at real base classes only, and
ours are made without chromadb being imported. Catch ``chroma_async.errors.ChromaError``, or the ValueError and TypeError that argument
errors are in both.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

from chroma_async.client.admin import AsyncAdminClient
from chroma_async.client.client import AsyncClient

_MODULE = "chromadb.api.async_api"


def register_with_chromadb() -> None:
    """Import chromadb and make our clients instances of its abstract classes. :raises ImportError: it is not installed."""
    _register(importlib.import_module(_MODULE))


def register_if_imported() -> bool:
    """The same if chromadb is loaded already; it is never imported here. Whether it was."""
    module = sys.modules.get(_MODULE)
    if module is None:
        return False
    _register(module)
    return True


def _register(module: Any) -> None:
    module.AsyncClientAPI.register(AsyncClient)
    module.AsyncAdminAPI.register(AsyncAdminClient)
