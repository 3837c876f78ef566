"""A client that was not opened says how it is opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from chroma_async import AsyncEphemeralClient, AsyncHttpClient


async def names() -> list[str]:
    async with AsyncEphemeralClient() as client:
        return [name for name in dir(client) if not name.startswith("_") and name not in ("aclose", "close")]


@pytest.mark.parametrize("make", [AsyncEphemeralClient, AsyncHttpClient])
async def test_whatever_an_open_client_has_is_refused_before_with_what_to_write(make: Callable[[], Any]) -> None:
    opening = make()
    for name in await names():
        with pytest.raises(AttributeError, match=rf"not open yet, so it has no '{name}': write `client = await .* or `async with"):
            getattr(opening, name)


def test_a_name_that_no_client_has_is_an_ordinary_attribute_error() -> None:
    opening: Any = AsyncEphemeralClient()
    with pytest.raises(AttributeError, match=r"^'Opening' object has no attribute 'no_such_verb'$"):
        opening.no_such_verb()
    assert not hasattr(opening, "__deepcopy__")


def test_with_without_async_is_refused_with_what_to_write() -> None:
    opening: Any = AsyncEphemeralClient()
    with pytest.raises(TypeError, match=r"not opened by `with`: write .*`async with"), opening:
        pass
