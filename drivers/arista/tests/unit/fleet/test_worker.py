"""The worker of a switch goes on, whatever a turn ends with."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from jackfield_arista.configuration.model import Configuration
from jackfield_arista.device.errors import Unreachable
from jackfield_arista.fleet.worker import Pace, Worker
from jackfield_sdk import BackendHealth, Kind, RetryLater
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
        self.told = self.turns = self.looks = 0
        self.is_dead = self.in_maintenance = False

    def is_ready(self) -> bool:
        if self.faults:
            raise self.faults.pop()
        return True

    def turn(self, _: Collection[object], *, is_look: bool) -> dict[Any, Any]:
        self.turns += 1
        self.looks += is_look
        self.is_outdated = False
        if self.is_dead:
            raise Unreachable("leaf1", "no connection")
        return {}

    def hang_up(self) -> None: ...

    def health_changed(self, _: str) -> None:
        self.told += 1
        if self.told == 1:
            raise RetryLater("the memory cannot be read", code="MEMORY_UNWRITABLE")


@contextmanager
def working(switch: Any, **pace: float) -> Iterator[Worker]:
    told = Pace(**{"poll_interval": 60.0, "retry_min": 0.01, "retry_max": 0.02, **pace})
    maintenance = lambda: switch.in_maintenance  # noqa: E731
    worker = Worker("leaf1", switch, switch, told, in_maintenance=maintenance, is_ready=switch.is_ready)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()
        worker.join(20)


def test_a_fault_outside_of_the_switch_ends_no_worker() -> None:
    """A memory that cannot be read for a moment is said to who asks, and the next turn is a turn again."""
    with working(Switch()) as worker:
        _serves_again(worker)


def test_a_dead_switch_is_left_alone_in_maintenance() -> None:
    """It is not tried, not even in thought, and nobody is told that it does not answer; at the end it is tried."""
    switch = Switch()
    switch.is_dead = True
    with working(switch) as worker:
        wait_until(lambda: switch.turns > 3 and worker.trouble, what="the switch to be found dead")
        switch.in_maintenance = True
        worker.wake()
        wait_until(lambda: worker.trouble is None, what="its death to be of no interest")
        turns = switch.turns
        assert worker.progress.message == "in maintenance, 0 waiting"
        assert worker.progress.health is BackendHealth.DEGRADED
        switch.is_dead = switch.in_maintenance = False
        worker.wake()
        wait_until(lambda: switch.turns > turns, what="a turn")


def test_a_dead_switch_that_is_reached_otherwise_is_tried_at_once() -> None:
    """Whoever mends its address does not wait for the next trial."""
    switch = Switch()
    switch.is_dead = True
    switch.faults.clear()
    with working(switch, retry_min=3600.0, retry_max=3600.0) as worker:
        wait_until(lambda: worker.trouble, what="the switch to be found dead")
        switch.is_dead = False
        worker.wake(redial=True)
        wait_until(lambda: worker.trouble is None, what="the switch to be tried")


def test_a_switch_that_is_asked_all_the_time_is_looked_at_all_the_same() -> None:
    """Its neighbours change like those of others."""
    switch = Switch()
    switch.faults.clear()
    with working(switch, poll_interval=0.1) as worker:

        def is_looked_at_again() -> bool:
            worker.make_true((Kind.PORT, "port-1")).result(timeout=20)
            return switch.looks > 3

        wait_until(is_looked_at_again, what="looks beside the changes", interval=0.0)


def _serves_again(worker: Worker) -> None:

    def is_served() -> bool:
        return worker.look().exception(timeout=20) is None

    wait_until(is_served, what="a turn that goes well")
    assert worker.is_alive
    assert worker.trouble is None
