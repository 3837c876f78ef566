"""Plain HTTP: what is sent is given byte by byte, what comes back is read as text and as JSON."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

DATABASE = "/api/v2/tenants/default_tenant/databases/default_database"
JSON_TYPE = {"Content-Type": "application/json"}

#: The status that stands for a connection closed without an answer.
DROPPED = 0


@dataclass(frozen=True)
class Answer:
    """What came back. ``body`` is parsed JSON; text that is not JSON comes as a string, nothing at all as ``None``."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def error(self) -> str | None:
        """The error's name on the wire."""
        return self.body.get("error") if self.status >= 400 and isinstance(self.body, dict) else None


class Raw:
    """One connection to one server, opened again when it breaks."""

    def __init__(self, host: str, port: int) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=60)

    def send(self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] = JSON_TYPE) -> Answer:
        """One request, with exactly these headers besides length and host.

        A connection that turns out to be closed is opened again and the request sent once more: after a refusal that left a body unread, a
        server may close it at any moment.
        """
        return self._try(method, path, body, headers) or self._try(method, path, body, headers) or Answer(DROPPED, {}, None)

    def _try(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer | None:
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused before it was read: the answer may be there
                self._connection.request(method, path, body, dict(headers))
            response = self._connection.getresponse()
            text = response.read()
        except (http.client.HTTPException, ConnectionError):
            self._connection.close()
            return None
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, _parsed(text))

    def json(self, method: str, path: str, body: Any = None) -> Any:
        """The parsed answer to a request that must succeed. :raises RuntimeError: it did not."""
        answer = self.send(method, path, None if body is None else json.dumps(body).encode())
        if not 200 <= answer.status < 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.body}")
        return answer.body

    def create(self, name: str, **settings: Any) -> str:
        """Make a collection; its path."""
        made = self.json("POST", f"{DATABASE}/collections", {"name": name, **settings})
        return f"{DATABASE}/collections/{made['id']}"

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text.decode("utf-8", "replace")
