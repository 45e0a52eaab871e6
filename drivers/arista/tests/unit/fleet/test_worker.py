"""The worker of a switch goes on, whatever a turn ends with."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import pytest
from jackfield_arista.configuration.model import Configuration
from jackfield_arista.fleet.worker import Pace, Worker
from jackfield_sdk import RetryLater
from support.waiting import wait_until


class Switch:
    """Stands for a keeper of a switch that holds what it should, and for whoever hears of it."""

    def __init__(self) -> None:
        self.unmade: dict[Any, Any] = {}
        self.seen = Configuration({7: "seen"})
        self.last_edit = None
        self.edits = 0
        self.owes = self.is_outdated = False
        self.faults = [OSError("no"), RetryLater("the memory cannot be read", code="MEMORY_UNWRITABLE")]
        self.told = 0

    def is_ready(self) -> bool:
        if self.faults:
            raise self.faults.pop()
        return True

    def turn(self, _: Collection[object]) -> dict[Any, Any]:
        return {}

    def hang_up(self) -> None: ...

    def health_changed(self, _: str) -> None:
        self.told += 1
        if self.told == 1:
            raise RetryLater("the memory cannot be read", code="MEMORY_UNWRITABLE")


@pytest.fixture
def worker() -> Iterator[Worker]:
    switch: Any = Switch()
    pace = Pace(poll_interval=60.0, retry_min=0.01, retry_max=0.02)
    worker = Worker("leaf1", switch, switch, pace, in_maintenance=lambda: False, is_ready=switch.is_ready)
    worker.start()
    yield worker
    worker.stop()
    worker.join(20)


def test_a_fault_outside_of_the_switch_ends_no_worker(worker: Worker) -> None:
    """A memory that cannot be read for a moment is said to who asks, and the next turn is a turn again."""

    def is_served() -> bool:
        return worker.look().exception(timeout=20) is None

    wait_until(is_served, what="a turn that goes well")
    assert worker.is_alive
    assert worker.trouble is None
