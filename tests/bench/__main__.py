"""Start both servers, fill them, ask them the same things in turns, print a table.

Only one server works at a time; each is measured ``--rounds`` times, in alternating order, so that a machine that slows down slows both.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import aiohttp

from tests.bench import dataset, usage, workloads
from tests.bench.client import Client, Measurement
from tests.bench.report import Report
from tests.bench.workloads import Workload
from tests.compat.servers import Server, start_ours, start_reference

START: dict[str, Callable[[Path], Server]] = {"ours": start_ours, "theirs": start_reference}


class Bench:
    """The servers, by name, and what was measured."""

    def __init__(self, names: list[str], data: dataset.Dataset, place: Path, seconds: float, rounds: int, settle_s: float) -> None:
        self.names, self.data, self.place = names, data, place
        self.seconds, self.rounds, self.settle_s = seconds, rounds, settle_s
        self.report = Report(names)
        self.clients: dict[str, Client] = {}

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Everything, in the order of a store's life."""
        try:
            for name in self.names:
                self.clients[name] = Client(START[name](self.place / name), session)
                await self.clients[name].create("bench")
            for name in self.names:
                await self._fill(name)
            await self._recall()
            for workload in workloads.READS:
                await self._in_turns(workload)
            for workload in workloads.AFTERWARDS:
                await self._in_turns(workload)
            for name in self.names:
                usage.settle(self.clients[name].server.process.pid, self.settle_s)
                self._sizes(name)
            for name in self.names:
                await self._restart(name)
        finally:
            for client in self.clients.values():
                client.server.kill()

    async def _fill(self, name: str) -> None:
        client = self.clients[name]
        for workload in workloads.WRITES:
            say(f"{workload.name}: {name}")
            self._put(name, workload, [await client.measure(workload.requests(client, self.data), workload.clients, None)])
        took = usage.settle(client.server.process.pid, self.settle_s)
        self.report.put(name, "background work after ingest", "s", took, -1)
        self.report.put(name, "processor time of all ingest", "s", usage.cpu_s(client.server.process.pid), -1)
        self._sizes(name, " after ingest")

    async def _recall(self) -> None:
        for label, where in [("no filter", None), *((f"where {label}", where) for label, where in workloads.FILTERS.items())]:
            for name in self.names:
                say(f"recall, {label}: {name}")
                self.report.put(name, f"recall@10, {label}", "share", await workloads.recall(self.clients[name], self.data, where))

    async def _in_turns(self, workload: Workload) -> None:
        taken: dict[str, list[Measurement]] = {name: [] for name in self.names}
        requests = {name: workload.requests(client, self.data) for name, client in self.clients.items()}
        rounds = 1 if workload.once else self.rounds
        for turn in range(rounds):
            for name in self.names if turn % 2 == 0 else reversed(self.names):
                say(f"{workload.name}: {name}")
                seconds = None if workload.once else self.seconds / rounds
                taken[name].append(await self.clients[name].measure(requests[name], workload.clients, seconds))
        for name in self.names:
            self._put(name, workload, taken[name])

    def _put(self, name: str, workload: Workload, taken: list[Measurement]) -> None:
        mean = Measurement(*(statistics.fmean(getattr(each, item.name) for each in taken) for item in fields(Measurement)))
        self.report.put(name, workload.name, "1/s", mean.per_s)
        self.report.put(name, workload.name, "CPU ms", mean.cpu_ms, -1)
        self.report.put(name, workload.name, "p50 ms", mean.p50_ms, -1)
        self.report.put(name, workload.name, "p99 ms", mean.p99_ms, -1)

    def _sizes(self, name: str, when: str = "") -> None:
        memory = usage.memory_bytes(self.clients[name].server.process.pid)
        for kind, size in memory.items():
            self.report.put(name, f"{kind} memory{when}", "MB", size / 1e6, -1)
        self.report.put(name, f"disk{when}", "MB", usage.disk_bytes(self.place / name) / 1e6, -1)

    async def _restart(self, name: str) -> None:
        """Time from starting the process to the answer of a first query."""
        say(f"restart: {name}")
        client = self.clients[name]
        first = workloads.queries(client, self.data)[0]
        before = await client.call(first)
        begun = time.perf_counter()
        client.server.stop()
        stopped = time.perf_counter()
        client.server = START[name](self.place / name)
        after = await client.call(first)
        self.report.put(name, "stop", "s", stopped - begun, -1)
        self.report.put(name, "restart to first answer", "s", time.perf_counter() - stopped, -1)
        if before["ids"] != after["ids"]:
            say(f"{name} answers differently after its restart")
        self._sizes(name, " after restart")


def say(text: str) -> None:
    """Progress, apart from the table."""
    print(text, file=sys.stderr, flush=True)


async def measure(arguments: argparse.Namespace) -> Report:
    if arguments.data is None:
        data = dataset.synthetic(arguments.records or 20_000, arguments.dimension, arguments.queries, seed=1)
    else:
        data = dataset.stored(arguments.data, arguments.records, arguments.queries)
    say(f"{data.name}: {len(data.ids)} records of {data.vectors.shape[1]} dimensions, {len(data.queries)} queries")
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=600)
    timeout = aiohttp.ClientTimeout(total=600)
    with tempfile.TemporaryDirectory(dir=arguments.scratch, ignore_cleanup_errors=True) as place:
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            bench = Bench(arguments.servers.split(","), data, Path(place), arguments.seconds, arguments.rounds, arguments.settle)
            await bench.run(session)
    return bench.report


def event_loop() -> Callable[[], asyncio.AbstractEventLoop]:
    """The quickest there is: the client shares the machine with the server."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "--data", type=Path, help="directory with embeddings.f16.npy, records.jsonl.gz and queries.f16.npy [default: synthetic]"
    )
    parser.add_argument("--records", type=int, help="how many records [default: 20000, or all of --data]")
    parser.add_argument("--dimension", type=int, default=384, help="of synthetic records [default: 384]")
    parser.add_argument("--queries", type=int, default=200, help="how many different queries [default: 200]")
    parser.add_argument("--seconds", type=float, default=6.0, help="per reading workload and server [default: 6]")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each server within that time [default: 3]")
    parser.add_argument("--settle", type=float, default=120.0, help="longest wait for background work, in seconds [default: 120]")
    parser.add_argument("--servers", default="ours,theirs", help="which, in order [default: ours,theirs]")
    parser.add_argument("--scratch", type=Path, help="directory for data [default: the system's temporary one]")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    arguments = parser.parse_args()
    unknown = set(arguments.servers.split(",")) - START.keys()
    if unknown:
        parser.error(f"unknown server {', '.join(sorted(unknown))}")
    with asyncio.Runner(loop_factory=event_loop()) as runner:
        report = runner.run(measure(arguments))
    print(report.table())
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(report.as_json(), indent=1))


if __name__ == "__main__":
    main()
