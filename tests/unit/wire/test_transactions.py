"""The bodies of conditional reads and commits: what is refused, and in which words."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest

from chroma_async.errors import UnprocessableError
from chroma_async.wire.transactions import parse_conditional_commit, parse_conditional_get


@pytest.mark.parametrize("token", [-1, "x", 1.5, True, []], ids=repr)
def test_a_read_token_that_is_none_is_refused_with_what_was_found(token: Any) -> None:
    words = f"^{re.escape(f'read_token: expected an integer from 0, found {token!r}')}$"
    with pytest.raises(UnprocessableError, match=words):
        parse_conditional_get(orjson.dumps({"read_token": token}))
    with pytest.raises(UnprocessableError, match=words):
        parse_conditional_commit(orjson.dumps({"read_token": token, "operations": []}))
