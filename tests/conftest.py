"""What all tests have in common, whichever of several processes they run in."""

from __future__ import annotations

import gc
import socket
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# Examples are the same on every machine and in every process, and how fast they are drawn says nothing about what is tested.
settings.register_profile("tests", derandomize=True, database=None, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


def pytest_collection_finish() -> None:
    """Tests and what they import stay for good: a garbage collection in a test need not look through them, each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port at which nobody listens, and nobody can begin to: it is taken."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
