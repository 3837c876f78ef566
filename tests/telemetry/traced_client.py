"""A program with an SDK of its own that uses a server; test_traces.py runs it. Arguments: collector (HTTP), host and port of the server."""

from __future__ import annotations

import asyncio
import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

import chroma_async


async def main(collector: str, host: str, port: int) -> None:
    provider = TracerProvider(resource=Resource.create({"service.name": "the program"}))
    provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{collector}/v1/traces")))
    trace.set_tracer_provider(provider)
    async with chroma_async.AsyncHttpClient(host, port) as client:
        collection = await client.create_collection("docs", embedding_function=None)
        with trace.get_tracer("program").start_as_current_span("a visit"):
            await collection.add(ids=["a", "b"], embeddings=[[1.0, 2.0], [3.0, 4.0]], documents=["a secret", "b secret"])
            await collection.query(query_embeddings=[[1.0, 2.0]], n_results=1)
    provider.shutdown()


asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
