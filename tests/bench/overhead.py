"""What watching costs: processor time of a query on servers that differ in one thing, asked in turns.

``python -m tests.bench.overhead --against DIRECTORY`` compares this tree with another checkout of it; ``--tracing`` compares a server
without a collector with one that sends spans to one, at the default granularity. Rounds are short and many, as
the machine may have other things to do.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from chroma_async.config.settings import Settings

HERE = Path(__file__).parents[2]
COLLECTIONS = "/api/v2/tenants/default_tenant/databases/default_database/collections"
ROWS, DIMENSION, BATCH = 20_000, 384, 1000
READY = re.compile(r"ready at http://(\S+):(\d+)")


class Target:
    """A server of one variant, filled, and a connection to it."""

    def __init__(self, process: subprocess.Popen[str], host: str, port: int) -> None:
        self.process = process
        self.connection = http.client.HTTPConnection(host, port)
        # Embeddings lie near a surface of few dimensions; rows without any structure would make a query four times as dear.
        rng = np.random.default_rng(7)
        surface = rng.standard_normal((24, DIMENSION))

        def vectors(count: int) -> list[list[float]]:
            made = rng.standard_normal((count, 24)) @ surface + 0.3 * rng.standard_normal((count, DIMENSION))
            return list(made.round(4).tolist())

        self.path = f"{COLLECTIONS}/{self.ask(COLLECTIONS, {'name': 'bench'})['id']}"
        for start in range(0, ROWS, BATCH):
            self.ask(f"{self.path}/add", {"ids": [str(start + number) for number in range(BATCH)], "embeddings": vectors(BATCH)})
        self.queries = [json.dumps({"query_embeddings": [vector], "n_results": 10}) for vector in vectors(50)]

    def ask(self, path: str, body: object) -> dict[str, str]:
        """The answer, or an end with what was answered."""
        text = body if isinstance(body, str) else json.dumps(body)
        self.connection.request("POST", path, text, {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        answer = json.loads(response.read())
        if response.status >= 400:
            raise SystemExit(f"{path}: {response.status} {answer}")
        return dict(answer)

    def settle(self) -> None:
        """Wait until everything is indexed."""
        while True:
            self.connection.request("GET", f"{self.path}/indexing_status")
            if json.loads(self.connection.getresponse().read())["num_unindexed_ops"] == 0:
                return

    def query_us(self, count: int) -> float:
        """Processor microseconds of one query, over ``count`` of them."""
        before = self._cpu_ns()
        for number in range(count):
            self.ask(f"{self.path}/query", self.queries[number % len(self.queries)])
        return (self._cpu_ns() - before) / count / 1000

    def _cpu_ns(self) -> int:
        """Processor time of the server so far. Its ticks are too coarse; this is the clock that clock_getcpuclockid(3) names on Linux."""
        return time.clock_gettime_ns((~self.process.pid << 3) | 2)


@contextmanager
def served(tree: Path, env: Mapping[str, str]) -> Iterator[Target]:
    """A server of the package in ``tree``, on a directory that goes with it."""
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "chroma_async", "run", "--path", f"{place}/data", "--port", "0", "--log-level", "warning"]
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("CHROMA_", "OTEL_"))}
        process = subprocess.Popen(
            command, cwd=tree, env={**inherited, **env, "PYTHONPATH": str(tree)}, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert process.stdout is not None
        found = next(match for line in process.stdout if (match := READY.search(line)))
        try:
            yield Target(process, found[1], int(found[2]))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            process.stdout.close()


def main() -> None:
    """Print microseconds and ratio of each variant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, metavar="DIRECTORY", help="another checkout, as the first variant")
    parser.add_argument("--tracing", action="store_true", help="a variant that sends spans to a collector")
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--queries", type=int, default=10)
    given = parser.parse_args()
    with ExitStack() as stack:
        targets: dict[str, Target] = {}
        if given.against is not None:
            targets["the other tree"] = stack.enter_context(served(given.against.resolve(), {}))
        targets["this tree"] = stack.enter_context(served(HERE, {}))
        if given.tracing:
            from tests.telemetry.collector import collecting

            collector = stack.enter_context(collecting())
            # Each server is asked half of the time: so many traces a second are those of its settings when it is asked all the time.
            env = {
                "CHROMA_OTEL_COLLECTION_ENDPOINT": collector.grpc,
                "CHROMA_ASYNC_OTEL_TRACES_PER_S": str(Settings().otel_traces_per_s / 2),
            }
            targets["with tracing"] = stack.enter_context(served(HERE, env))
        for target in targets.values():
            target.settle()
            target.query_us(200)
        taken: dict[str, list[float]] = {name: [] for name in targets}
        for number in range(given.rounds):
            order = list(targets) if number % 2 else list(targets)[::-1]
            for name in order:
                taken[name].append(targets[name].query_us(given.queries))
    base = next(iter(taken.values()))
    for name, values in taken.items():
        # The same moment for both, over and over: what else the machine does falls on both alike.
        ratio, steps = sum(values) / sum(base), [value - first for value, first in zip(values, base, strict=True)]
        error = statistics.stdev(steps) / len(steps) ** 0.5 / statistics.mean(base)
        print(f"{name}: {statistics.mean(values):.0f} us a query, ratio {ratio:.3f} (standard error {error:.3f})")


if __name__ == "__main__":
    main()
