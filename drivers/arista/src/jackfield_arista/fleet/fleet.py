"""All switches of the inventory, each with a worker of its own.

A change is asked for at every switch that it concerns, and answered when all of them have answered, or
when the caller's patience is over: then it is in progress, or still fails for the reason of the switch's
last turn. One switch that fails leaves what the others have made.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, replace

import structlog
from jackfield_sdk import Backend, DriverError, Effect, InProgress, RetryLater

from jackfield_arista.configuration import ownership
from jackfield_arista.configuration.model import Configuration
from jackfield_arista.device.errors import Unreachable
from jackfield_arista.fleet.keeper import Keeper
from jackfield_arista.fleet.making import Device
from jackfield_arista.fleet.observer import Observer
from jackfield_arista.fleet.worker import Pace, Worker
from jackfield_arista.inventory.current import Inventories
from jackfield_arista.inventory.entries import Switch
from jackfield_arista.inventory.model import Inventory
from jackfield_arista.memory.memory import Memory
from jackfield_arista.memory.tables import Holding, Key

log = structlog.get_logger(__name__)

# Seconds after which a change in progress is asked for again, and those that the end may take.
_ASK_AGAIN = 1.0
_END_WITHIN = 3.0

Dial = Callable[[Inventory, Switch], Device]
"""Opens a session with a switch; raises `SwitchError`."""


class Fleet:
    """The workers. Every method may be called from any thread, but for those that are `async`."""

    def __init__(self, inventories: Inventories, memory: Memory, dial: Dial, observer: Observer, pace: Pace) -> None:
        """Have no workers until `follow`."""
        self._inventories = inventories
        self._memory = memory
        self._dial = dial
        self._observer = observer
        self._pace = pace
        self._lock = threading.Lock()
        self._workers: dict[str, Worker] = {}
        self._followed = inventories.current()

    def follow(self) -> None:
        """Have exactly the switches of the inventory, and let those that stay look at it again."""
        inventory = self._inventories.current()
        names = inventory.switches.keys()
        with self._lock:
            before, self._followed = self._followed, inventory
            gone = [self._workers.pop(name) for name in self._workers.keys() - names]
            new = [self._hire(name) for name in sorted(names - self._workers.keys())]
            stayed = [worker for worker in self._workers.values() if worker not in new]
        for worker in gone:
            worker.stop()
        for worker in new:
            worker.start()
        for worker in stayed:
            worker.wake(redial=_is_reached_otherwise(worker.switch, before, inventory))
        for name, left in self._memory.holdings().items():
            if name not in names:
                self._part_with(name, left)

    def stop(self) -> bool:
        """End all workers, each after the turn that it is in; return False if time was too short for some."""
        workers = self.workers
        for worker in workers:
            worker.stop()
        end = time.monotonic() + _END_WITHIN
        for worker in workers:
            worker.join(max(0.0, end - time.monotonic()))
        return not any(worker.is_alive for worker in workers)

    @property
    def workers(self) -> Sequence[Worker]:
        """All workers, by the name of their switch."""
        with self._lock:
            return [self._workers[name] for name in sorted(self._workers)]

    def find(self, switch: str) -> Worker | None:
        """Return the worker of a switch; None if it is not in the inventory."""
        with self._lock:
            return self._workers.get(switch)

    def backends(self) -> Sequence[Backend]:
        """Tell how every switch is doing."""
        return [self._told(worker) for worker in self.workers]

    def backend(self, switch: str) -> Backend | None:
        """Tell how one switch is doing; None if it is not in the inventory."""
        worker = self.find(switch)
        return self._told(worker) if worker else None

    def uplinks(self, switch: str) -> Collection[str]:
        """Return the ports of a switch that are never touched."""
        found = self._inventories.current().switches.get(switch)
        return found.uplinks if found else ()

    def holding(self, network_id: str) -> Collection[str]:
        """Return the switches that were last seen with the VLAN of a network."""
        name = ownership.mark(self._memory.deployment_id, network_id)
        return [one.switch for one in self.workers if one.seen is not None and name in one.seen.vlans.values()]

    async def make_true(self, key: Key, switches: Collection[str], patience: float) -> InProgress | None:
        """Have a resource made true on switches; the reason of those that fail is raised as `DriverError`."""
        workers = [worker for name in switches if (worker := self.find(name)) is not None]
        answers = {_awaited(worker.make_true(key)): worker for worker in workers}
        if not answers:
            return None
        done, late = await asyncio.wait(answers, timeout=max(0.0, patience))
        errors = [error for answer in done if (error := answer.exception()) is not None]
        errors += [trouble for answer in late if (trouble := answers[answer].trouble) is not None]
        if errors:
            raise _merged(errors, is_partial=len(errors) < len(answers))
        return InProgress(_ASK_AGAIN) if late else None

    async def look(self, switches: Collection[str], patience: float) -> Mapping[str, Configuration | DriverError]:
        """Read the configurations of switches as they are now, all at the same time."""
        workers = [worker for name in switches if (worker := self.find(name)) is not None]
        answers = {_awaited(worker.look()): worker.switch for worker in workers}
        done, _ = await asyncio.wait(answers, timeout=patience) if answers else (set(), set())
        found: dict[str, Configuration | DriverError] = {
            switch: RetryLater(f'switch "{switch}" did not answer within {patience:g} s', code="SWITCH_SLOW")
            for switch in answers.values()
        }
        for answer in done:
            error = answer.exception()
            if error is not None and not isinstance(error, DriverError):
                raise error
            found[answers[answer]] = error or answer.result()
        return found

    def _told(self, worker: Worker) -> Backend:
        progress = replace(worker.progress, inventory_fault=self._inventories.fault)
        return progress.backend(self._memory.epoch(worker.switch))

    def _part_with(self, name: str, left: Holding) -> None:
        """Keep what is remembered of a switch that is not in the inventory: it may be back in a moment."""
        if left.is_nothing:
            self._memory.forget_switch(name)
        else:
            log.warning("switch.absent", switch=name, **asdict(left))

    def _hire(self, name: str) -> Worker:
        def dial() -> Device:
            inventory = self._inventories.current()
            if name not in inventory.switches:
                raise Unreachable(name, "it is not in the inventory any more")
            return self._dial(inventory, inventory.switch(name))

        def in_maintenance() -> bool:
            switch = self._inventories.current().switches.get(name)
            return switch is None or switch.maintenance

        keeper = Keeper(name, self._memory, dial, lambda: self.uplinks(name), self._observer)
        worker = Worker(
            name,
            keeper,
            self._observer,
            self._pace,
            in_maintenance=in_maintenance,
            is_ready=lambda: bool(self._memory.deployment_id),
        )
        self._workers[name] = worker
        return worker


def _is_reached_otherwise(switch: str, before: Inventory, now: Inventory) -> bool:
    """Tell whether a session with a switch was opened for what is not said of it any more."""
    known = switch in before.switches
    return known and (before.switch(switch), before.credential_of(switch)) != (
        now.switch(switch),
        now.credential_of(switch),
    )


def _awaited(answer: Future[Configuration]) -> asyncio.Future[Configuration]:
    """Wait for an answer on the running loop; nobody minds if it comes too late."""
    awaited = asyncio.wrap_future(answer)
    awaited.add_done_callback(lambda late: late.cancelled() or late.exception())
    return awaited


def _merged(errors: Sequence[BaseException], *, is_partial: bool) -> BaseException:
    """Make one error of those of several switches: it is tried again soon if one of them is."""
    told = [error for error in errors if isinstance(error, DriverError)]
    if len(told) < len(errors):
        return next(error for error in errors if not isinstance(error, DriverError))
    first = next((error for error in told if isinstance(error, RetryLater)), told[0])
    reason = "; ".join(dict.fromkeys(error.reason for error in told))
    return type(first)(reason, code=first.code, effect=Effect.PARTIAL if is_partial else first.effect)
