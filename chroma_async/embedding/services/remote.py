"""Functions that ask a service: batches, bounded concurrency, retries, and every failure under a name.

A function may be made anywhere; it connects at its first call. It holds one session for each event loop it is called from, and
:meth:`RemoteFunction.aclose` ends that of the running loop. A call after that opens a new one, so functions can be shared freely.
"""

from __future__ import annotations

import asyncio
import warnings
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Self
from weakref import WeakKeyDictionary

import aiohttp
import numpy as np
import orjson

from chroma_async.costs import READ_BYTE, WRITE_CHARACTER, WRITE_ROW, by_cost
from chroma_async.embedding.named import NamedFunction, texts_of
from chroma_async.embedding.secrets import ApiKey, is_trusted, origin
from chroma_async.embedding.services.answers import Answer, refusal, vectors
from chroma_async.embedding.services.limits import Limits, Waiting, retry_after_s, wait_s
from chroma_async.errors import EmbeddingAnswerError, EmbeddingError, EmbeddingRefusedError, EmbeddingUnavailableError, ValidationError
from chroma_async.threads import Lane
from chroma_async.types import Floats

#: Statuses below 500 that mean "not now": timeout, too early, too many requests.
_LATER = {408, 425, 429}


@dataclass(frozen=True)
class Question:
    """One request: where to, and what."""

    url: str
    body: dict[str, Any]
    headers: Mapping[str, str]


class _Failure(Exception):
    """One try that failed: with what, and whether another may succeed at once."""

    def __init__(self, error: EmbeddingError, again: bool = False) -> None:
        super().__init__(error)
        self.error = error
        self.again = again


class _Connection:
    """The session of one function in one event loop. It ends when it has been told to and nobody uses it."""

    def __init__(self, limits: Limits) -> None:
        self.slots = asyncio.Semaphore(limits.max_requests)
        self.lane = Lane("embedding", 1)
        self.users = 0
        self.ending = False
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=limits.max_requests),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=limits.timeout_s, sock_connect=limits.connect_timeout_s),
            headers={"Content-Type": "application/json", "User-Agent": "chroma-async"},
        )

    async def __aenter__(self) -> Self:
        self.users += 1
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.users -= 1
        await self.end_if_idle()

    async def end_if_idle(self) -> None:
        if self.ending and self.users == 0:
            await self.session.close()
            await self.lane.aclose()


class RemoteFunction(NamedFunction):
    """Texts to vectors by a service over HTTP.

    :param limits: what bounds its requests. :param waiting: where retries take their randomness and time from.
    :param base_url: another address of the service, a gateway for instance. chromadb's configurations have no place for it, so it is not
        stored with collections.
    """

    #: Addresses of the service itself (scheme, host, port), the first in use.
    origins: ClassVar[tuple[str, ...]] = ()
    #: Texts that the service takes at once.
    batch_size: ClassVar[int] = 64
    reconnects = True

    def __init__(self, key: ApiKey | None, limits: Limits | None, waiting: Waiting | None, base_url: str | None = None) -> None:
        self._key = key
        self.base = (base_url or next(iter(self.origins), "")).rstrip("/")
        self._limits = limits or Limits()
        self._waiting = waiting or Waiting()
        self._connections: WeakKeyDictionary[asyncio.AbstractEventLoop, _Connection] = WeakKeyDictionary()

    @abstractmethod
    def question(self, texts: list[str], query: bool) -> Question:
        """The request that asks for the vectors of ``texts``. :raises ValidationError: there is no key."""

    @abstractmethod
    def answer(self, body: Any) -> Answer:
        """The vectors in an answer's JSON, in the order of the texts. May raise KeyError, TypeError, IndexError for another shape."""

    def hopeless(self, status: int, message: str) -> bool:
        """Whether the service says "later" and means "never"."""
        return False

    def key(self) -> str:
        """The API key. :raises ValidationError: there is none."""
        assert self._key is not None
        return self._key.require()

    def get_config(self) -> dict[str, Any]:
        """chromadb's configuration of the function of this name. Of its key it holds the name of the environment variable.

        :raises ValidationError: a field holds what must not be stored.
        """
        if self._key is not None and self._key.is_given:
            warnings.warn(
                f"{self.name()}: the API key that was given directly is not stored with the collection; where it is opened by name alone, "
                f"the key is read from {f'${self._key.variable}' if self._key.variable else 'no variable: name one with api_key_env_var'}",
                UserWarning,
                stacklevel=3,
            )
        return super().get_config()

    async def __call__(self, input: list[str]) -> Floats:
        """One vector for each text: float32 of shape ``(texts, dimension)``.

        :raises EmbeddingError: the service failed; see its subclasses. :raises ValidationError: no texts, no key, or an address that
            a stored configuration gave and the application has not named.
        """
        return await self._embed(texts_of(self.name(), input), False)

    async def embed_query(self, input: list[str]) -> Floats:
        """As a call, for what is searched for."""
        return await self._embed(texts_of(self.name(), input), True)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Drop this loop's connections once the calls under way are done. Idempotent; a later call opens them again."""
        connection = self._connections.pop(asyncio.get_running_loop(), None)
        if connection is not None:
            connection.ending = True
            await connection.end_if_idle()

    async def _embed(self, texts: list[str], query: bool) -> Floats:
        if not texts:
            return np.zeros((0, 0), dtype=np.float32)
        size = min(self._limits.batch_size or self.batch_size, self.batch_size)
        parts = [texts[start : start + size] for start in range(0, len(texts), size)]
        async with self._connection() as connection:
            if len(parts) == 1:
                return await self._part(connection, parts[0], query)
            try:
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(self._part(connection, part, query)) for part in parts]
            except ExceptionGroup as failed:
                # The first failure ended the others; it is the one that says what happened.
                raise failed.exceptions[0] from None
        results = [task.result() for task in tasks]
        if len({result.shape[1] for result in results}) != 1:
            raise self._named(EmbeddingAnswerError("vectors of different lengths in answers to one call"))
        return np.concatenate(results)

    def _connection(self) -> _Connection:
        loop = asyncio.get_running_loop()
        if loop not in self._connections:
            self._connections[loop] = _Connection(self._limits)
        return self._connections[loop]

    async def _part(self, connection: _Connection, texts: list[str], query: bool) -> Floats:
        async with connection.slots:
            question = self.question(texts, query)
            self._check_address(question.url)
            writing_us = WRITE_ROW * len(texts) + WRITE_CHARACTER * sum(map(len, texts))
            try:
                body = await by_cost(connection.lane.run, writing_us, orjson.dumps, question.body)
            except orjson.JSONEncodeError as error:
                raise ValidationError(f"{self.name()}: the request cannot be written as JSON: {error}") from error
            raw = await self._ask(connection.session, question, body)
        try:
            return await by_cost(connection.lane.run, READ_BYTE * len(raw), vectors, raw, self.answer, len(texts))
        except EmbeddingError as error:
            raise self._named(error, question.url) from error.__cause__

    def _check_address(self, url: str) -> None:
        if self.stored and origin(url) not in self.origins and not is_trusted(url):
            key = f" and the key in ${self._key.variable}" if self._key is not None and self._key.variable else ""
            raise ValidationError(
                f"{self.name()}: the collection's configuration says to send texts{key} to {origin(url)}, which this application has not "
                f"named. Open the collection with a function of your own, or allow the address: "
                f"chroma_async.embedding.trust_embedding_origins({origin(url)!r})"
            )

    async def _ask(self, session: aiohttp.ClientSession, question: Question, body: bytes) -> bytes:
        """The answer's body, after as many tries as it takes and is allowed."""
        attempt = 0
        while True:
            try:
                return await self._attempt(session, question, body)
            except _Failure as failure:
                error = self._named(failure.error, question.url)
                wait = wait_s(self._limits, self._waiting, attempt, error.retry_after_s) if failure.again else None
                if wait is None:
                    raise error from failure.__cause__
            attempt += 1
            await self._waiting.pause(wait)

    async def _attempt(self, session: aiohttp.ClientSession, question: Question, body: bytes) -> bytes:
        try:
            async with session.post(question.url, data=body, headers=question.headers, allow_redirects=False) as response:
                raw = await self._body(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._broken(error, question.url) from error
        if 200 <= response.status < 300:
            return raw
        raise self._refusal(response, raw)

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        parts, size = [], 0
        async for part in response.content.iter_any():
            size += len(part)
            if size > self._limits.answer_bytes:
                raise self._named(EmbeddingAnswerError(f"the answer is larger than {self._limits.answer_bytes} bytes"), str(response.url))
            parts.append(part)
        return b"".join(parts)

    def _refusal(self, response: aiohttp.ClientResponse, raw: bytes) -> _Failure:
        message = refusal(response.status, raw)
        if 300 <= response.status < 400:
            # A redirect is not followed: the key was meant for the first address.
            return _Failure(
                EmbeddingRefusedError(f"the service redirects to {response.headers.get('location')!r}; give that address instead")
            )
        later = response.status in _LATER or (response.status >= 500 and response.status != 501)
        if not later or self.hopeless(response.status, message):
            return _Failure(EmbeddingRefusedError(message))
        error = EmbeddingUnavailableError(message)
        error.retry_after_s = retry_after_s(response.headers.get("retry-after"), self._waiting.clock())
        return _Failure(error, again=True)

    def _broken(self, error: Exception, url: str) -> _Failure:
        if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
            return _Failure(EmbeddingRefusedError(f"the TLS handshake with {origin(url)} failed: {error}"))
        if isinstance(error, aiohttp.InvalidURL):
            return _Failure(EmbeddingRefusedError(f"no such address: {url}"))
        if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError):
            # It has had its time; asked at once again it would take as long.
            return _Failure(EmbeddingUnavailableError(f"{origin(url)} did not answer within {self._limits.timeout_s} s"))
        return _Failure(EmbeddingUnavailableError(f"could not reach {origin(url)}: {error!r}"), again=True)

    def _named(self, error: EmbeddingError, url: str | None = None) -> EmbeddingError:
        """``error`` with the function's name and without its key."""
        message = f"{self.name()}: {error.message()}"
        error.args = (message if self._key is None else self._key.redact(message),)
        error.function, error.url = self.name(), url
        return error
