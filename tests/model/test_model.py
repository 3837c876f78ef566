"""Whatever the order of operations, a store is the dict that it stands for: in memory, on disk, over HTTP."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.model.machine import Machine
from tests.model.ways import Disk, Http, Memory


class MemoryMachine(Machine):
    make_way = Memory


class DiskMachine(Machine):
    make_way = Disk


class HttpMachine(Machine):
    make_way = Http


MACHINES = [MemoryMachine, DiskMachine, HttpMachine]


def _check(machine: type[Machine], examples: int, steps: int) -> None:
    profile = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        derandomize=True,
        print_blob=False,
        report_multiple_bugs=False,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=profile)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("machine", MACHINES, ids=["memory", "disk", "http"])
def test_a_store_is_the_dict_it_stands_for(machine: type[Machine]) -> None:
    _check(machine, examples=30, steps=40)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("machine", MACHINES, ids=["memory", "disk", "http"])
def test_a_store_is_the_dict_it_stands_for_a_long_time(machine: type[Machine]) -> None:
    _check(machine, examples=1500, steps=120)
