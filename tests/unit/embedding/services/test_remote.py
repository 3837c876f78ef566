"""Requests of embedding functions: retried when that may help, bounded, named when they fail, and never with a key where none belongs."""

from __future__ import annotations

import asyncio
import gc
import random
import socket
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from chroma_async import costs
from chroma_async.embedding import HuggingFaceEmbeddingServer, Limits, OllamaEmbeddingFunction, OpenAIEmbeddingFunction, Waiting, secrets
from chroma_async.embedding.registry import config_to_embedding_function
from chroma_async.embedding.services.answers import vectors
from chroma_async.embedding.services.limits import retry_after_s, wait_s
from chroma_async.errors import ChromaError, EmbeddingAnswerError, EmbeddingRefusedError, EmbeddingUnavailableError, ValidationError
from tests.fakes.embedding_service import Refusal, Service, serving, vector

KEY = "sk-secret-0123456789"


class Clock:
    """Waits that take no time and are written down."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    async def pause(self, seconds: float) -> None:
        self.waits.append(seconds)

    def waiting(self) -> Waiting:
        return Waiting(random.Random(7), self.pause, lambda: 1_000_000.0)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHROMA_OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(secrets, "_trusted", set())


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    shape = lambda texts: {"data": [{"index": n, "embedding": vector(text)} for n, text in enumerate(texts)]}  # noqa: E731
    async with serving(Service("input", shape)) as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def function(service: Service, clock: Clock) -> AsyncIterator[OpenAIEmbeddingFunction]:
    async with OpenAIEmbeddingFunction(api_base=service.url, waiting=clock.waiting()) as made:
        yield made


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 529])
async def test_a_service_that_says_later_is_asked_again(
    service: Service, function: OpenAIEmbeddingFunction, clock: Clock, status: int
) -> None:
    service.refusals = [Refusal(status), Refusal(status)]
    assert (await function(["one"])).tolist() == [vector("one")]
    assert len(service.asked) == 3
    assert len(clock.waits) == 2


async def test_retry_after_is_waited_for_in_seconds_and_as_a_date(
    service: Service, function: OpenAIEmbeddingFunction, clock: Clock
) -> None:
    date = "Mon, 12 Jan 1970 13:46:45 GMT"  # 5 seconds after the clock
    service.refusals = [Refusal(429, headers={"Retry-After": "7"}), Refusal(503, headers={"Retry-After": date})]
    await function(["one"])
    assert 7.0 <= clock.waits[0] <= 8.0
    assert 5.0 <= clock.waits[1] <= 7.0


async def test_a_service_that_asks_for_more_time_than_there_is_is_given_up_and_the_caller_told_when_to_come_back(
    service: Service, function: OpenAIEmbeddingFunction, clock: Clock
) -> None:
    service.refusals = [Refusal(429, b'{"error": {"message": "slow down"}}', {"Retry-After": "3600"})]
    with pytest.raises(EmbeddingUnavailableError, match="openai: status 429: slow down") as caught:
        await function(["one"])
    assert (caught.value.retry_after_s, caught.value.retryable, clock.waits) == (3600.0, True, [])


async def test_tries_are_bounded_and_their_waits_double_with_full_jitter(
    service: Service, function: OpenAIEmbeddingFunction, clock: Clock
) -> None:
    service.refusals = [Refusal(500)] * 20
    with pytest.raises(EmbeddingUnavailableError):
        await function(["one"])
    assert len(service.asked) == Limits().max_retries + 1
    bounds = [min(2 * 0.5 * 2**n, 30.0) for n in range(5)]
    assert all(0.0 <= wait <= bound for wait, bound in zip(clock.waits, bounds, strict=True))
    assert len(set(clock.waits)) == 5
    rng = random.Random(3)
    many = [wait_s(Limits(), Waiting(rng), 4, None) or 0.0 for _ in range(2000)]
    assert min(many) < 0.5
    assert max(many) > 15.5
    assert abs(float(np.mean(many)) - 8.0) < 0.5


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (400, b'{"error": {"code": "bad_model", "message": "no such model"}}', "bad_model no such model"),
        (401, f'{{"error": {{"message": "Incorrect API key provided: {KEY}"}}}}'.encode(), r"Incorrect API key provided: \[key\]"),
        (404, b'{"error": "model not found, try pulling it first"}', "try pulling it first"),
        (413, b'{"error": "batch size 40 > maximum allowed", "error_type": "Validation"}', "batch size 40"),
        (422, b'{"detail": [{"loc": ["body"], "msg": "field required"}]}', "field required"),
        (400, b'{"message": "invalid request"}', "invalid request"),
        (403, b"go away", "go away"),
        (429, b'{"error": {"code": "insufficient_quota", "message": "pay first"}}', "pay first"),
        (501, b"", "without a word"),
        (302, b"", "redirects to 'https://elsewhere/'"),
    ],
)
async def test_a_refusal_is_final_and_says_what_the_service_said_but_for_the_key(
    service: Service, function: OpenAIEmbeddingFunction, status: int, body: bytes, said: str
) -> None:
    service.refusals = [Refusal(status, body, {"Location": "https://elsewhere/"})]
    with pytest.raises(EmbeddingRefusedError, match=said) as caught:
        await function(["one"])
    assert KEY not in str(caught.value)
    assert (caught.value.function, caught.value.retryable, len(service.asked)) == ("openai", False, 1)
    assert isinstance(caught.value, ChromaError)


async def test_a_service_that_is_not_there_is_tried_again_and_then_named(clock: Clock) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    async with OllamaEmbeddingFunction(f"http://127.0.0.1:{port}", waiting=clock.waiting()) as function:
        with pytest.raises(EmbeddingUnavailableError, match=f"ollama: could not reach http://127.0.0.1:{port}"):
            await function(["one"])
    assert len(clock.waits) == Limits().max_retries


async def test_a_service_that_does_not_answer_is_left_after_the_time_it_has(service: Service, clock: Clock) -> None:
    never = asyncio.Event()
    service.gate = never.wait
    limits = Limits(timeout_s=0.05)
    async with OpenAIEmbeddingFunction(api_base=service.url, limits=limits, waiting=clock.waiting()) as function:
        with pytest.raises(EmbeddingUnavailableError, match=r"did not answer within 0\.05 s"):
            await function(["one"])
    never.set()
    assert clock.waits == []


async def test_requests_at_once_are_bounded(service: Service) -> None:
    waiting = 0
    enough = asyncio.Event()

    async def gate() -> None:
        nonlocal waiting
        waiting += 1
        if waiting >= 3:
            enough.set()
        await enough.wait()

    service.gate = gate
    limits = Limits(max_requests=3, batch_size=1)
    async with OpenAIEmbeddingFunction(api_base=service.url, limits=limits) as function:
        texts = [f"{'x' * n}" for n in range(1, 11)]
        assert (await function(texts))[:, 0].tolist() == list(range(1, 11))
    assert service.most_at_once == 3
    assert len(service.asked) == 10


async def test_the_first_failure_of_many_requests_is_the_one_that_is_raised(service: Service, clock: Clock) -> None:
    service.refusals = [Refusal(400, b'{"message": "too long"}')]
    limits = Limits(max_requests=1, batch_size=1)
    async with OpenAIEmbeddingFunction(api_base=service.url, limits=limits, waiting=clock.waiting()) as function:
        with pytest.raises(EmbeddingRefusedError, match="too long"):
            await function(["one", "two", "three", "four", "five"])
    assert len(service.asked) <= 2, "the others were ended"


async def test_an_answer_that_is_too_large_is_not_read_to_its_end(service: Service) -> None:
    service.shape = lambda texts: {"data": "x" * 100_000}
    async with OpenAIEmbeddingFunction(api_base=service.url, limits=Limits(answer_bytes=1000)) as function:
        with pytest.raises(EmbeddingAnswerError, match="larger than 1000 bytes"):
            await function(["one"])


async def test_large_answers_are_read_in_a_thread_to_the_same_vectors(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "INLINE_US", 0.0)
    async with OpenAIEmbeddingFunction(api_base=service.url) as function:
        assert (await function(["one", "three"])).tolist() == [vector("one"), vector("three")]
        service.refusals = [Refusal(200, b"nonsense")]
        with pytest.raises(EmbeddingAnswerError, match="openai: the answer is not JSON"):
            await function(["one"])


async def test_no_texts_ask_nobody_and_other_things_are_refused(service: Service, function: OpenAIEmbeddingFunction) -> None:
    assert (await function([])).shape == (0, 0)
    for wrong in ([1], [None], [np.zeros((2, 2))]):
        with pytest.raises(ValidationError, match="openai embeds texts"):
            await function(wrong)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="openai: the request cannot be written as JSON"):
        await function(["\ud800"])
    assert service.asked == []


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([[1.0, 2.0]], "asked for 2 vectors, the answer has 1"),
        ([[1.0, 2.0], [1.0]], "not all of one length"),
        ([[1.0, 2.0], ["a", "b"]], "not numbers"),
        ([[[1.0]], [[2.0]]], "shape"),
        ([[], []], "shape"),
        ([[1.0, 1e39], [1.0, 2.0]], "not finite"),
        (["@@", "@@"], "base64"),
        ([None, None], "shape|not numbers|finite"),
    ],
)
def test_vectors_are_numbers_of_one_length_one_for_each_text(rows: Any, problem: str) -> None:
    import orjson

    with pytest.raises(EmbeddingAnswerError, match=problem):
        vectors(orjson.dumps(rows), list, 2)


def test_retry_after_is_seconds_or_a_date_or_nothing() -> None:
    assert retry_after_s("3", 0.0) == 3.0
    assert retry_after_s("1.5", 0.0) == 1.5
    assert retry_after_s("-3", 0.0) == 0.0
    assert retry_after_s("Thu, 01 Jan 1970 00:00:09 GMT", 4.0) == 5.0
    assert retry_after_s("Thu, 01 Jan 1970 00:00:09 GMT", 400.0) == 0.0
    assert [retry_after_s(text, 0.0) for text in (None, "soon", "inf", "nan", "")] == [None] * 5


def test_limits_are_above_zero() -> None:
    for bad in ({"timeout_s": 0}, {"max_requests": 0}, {"batch_size": 0}, {"max_retries": -1}, {"timeout_s": float("nan")}):
        with pytest.raises(ValidationError, match=next(iter(bad))):
            Limits(**bad)
    assert Limits(max_retries=0).max_retries == 0


async def test_the_key_is_read_at_each_call_and_its_absence_names_the_variables(
    service: Service, function: OpenAIEmbeddingFunction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CHROMA_OPENAI_API_KEY")
    with pytest.raises(ValueError, match="set the environment variable CHROMA_OPENAI_API_KEY or OPENAI_API_KEY"):
        await function(["one"])
    monkeypatch.setenv("OPENAI_API_KEY", "the-usual-one\n")
    await function(["one"])
    monkeypatch.setenv("CHROMA_OPENAI_API_KEY", "the-named-one")
    await function(["one"])
    assert [said.headers["Authorization"] for said in service.asked] == ["Bearer the-usual-one", "Bearer the-named-one"]


@pytest.mark.parametrize("header", ["Authorization", "api-key", "X-API-Key", "Cookie", "X-Auth-Token"])
def test_headers_that_hold_secrets_are_not_stored(header: str) -> None:
    function = OpenAIEmbeddingFunction(default_headers={header: "hidden"})
    with pytest.raises(ValidationError, match="environment variable") as caught:
        function.get_config()
    assert "hidden" not in str(caught.value)
    assert "hidden" not in repr(function)


@pytest.mark.parametrize(
    "url", ["https://user:pass@host/v1", "https://user@host/v1", "https://host/v1?api_key=1", "https://host/v1?token=1"]
)
def test_addresses_that_hold_secrets_are_not_taken(url: str) -> None:
    for make in (lambda: OpenAIEmbeddingFunction(api_base=url), lambda: HuggingFaceEmbeddingServer(url)):
        with pytest.raises(ValidationError, match="would be stored") as caught:
            make()
        assert "pass@" not in str(caught.value)


async def test_a_stored_configuration_sends_nothing_to_an_address_that_the_application_has_not_named(service: Service) -> None:
    stored = [
        ("openai", {"model_name": "m", "api_key_env_var": "HOME", "api_base": service.url}),
        ("ollama", {"model_name": "m", "url": service.url, "timeout": 60}),
        ("huggingface_server", {"url": service.url, "api_key_env_var": "CHROMA_OPENAI_API_KEY"}),
    ]
    for name, config in stored:
        async with config_to_embedding_function({"name": name, "config": config}) as function:
            with pytest.raises(ValidationError, match=f"{name}: the collection's configuration .*trust_embedding_origins"):
                await function(["one"])
    assert service.asked == []
    secrets.trust_embedding_origins(f"{service.url}/any/path")
    async with config_to_embedding_function({"name": "openai", "config": stored[0][1]}) as function:
        await function(["one"])
    assert len(service.asked) == 1
    with pytest.raises(ValidationError, match="http"):
        secrets.trust_embedding_origins("ftp://host")


async def test_trust_is_for_scheme_host_and_port(service: Service) -> None:
    secrets.trust_embedding_origins("https://llm.internal", "http://llm.internal:8080")
    assert [secrets.is_trusted(url) for url in ("https://llm.internal/v1", "https://llm.internal:443/v1", "http://llm.internal:8080/")] == [
        True
    ] * 3
    assert not any(map(secrets.is_trusted, ("http://llm.internal/", "https://llm.internal:8443/", "https://llm.internal.evil.example/")))


def test_a_function_outlives_an_event_loop_and_its_end_in_another() -> None:
    import json
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = json.dumps({"embeddings": [vector(text) for text in body["input"]]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    function = OllamaEmbeddingFunction(f"http://127.0.0.1:{server.server_port}")

    async def once() -> None:
        async with function:
            assert (await function(["one"])).tolist() == [vector("one")]
            await function.aclose()
            assert (await function(["one"])).tolist() == [vector("one")]

    try:
        asyncio.run(once())
        asyncio.run(once())
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    gc.collect()


async def test_connections_end_when_the_last_call_is_done_and_no_call_is_broken(service: Service) -> None:
    arrived, gate = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        arrived.set()
        await gate.wait()

    service.gate = wait
    function = OpenAIEmbeddingFunction(api_base=service.url)
    call = asyncio.create_task(function(["one"]))
    await arrived.wait()
    await function.aclose()
    await function.aclose()
    gate.set()
    assert (await call).tolist() == [vector("one")]
    gc.collect()
