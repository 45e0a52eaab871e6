"""What one more driver costs the core, beside what it may cost.

Cores that differ by one driver run side by side and take turns of a few creates
each, in an order that rotates, so that whatever else the machine does falls on
all of them alike; a figure is the median of what they differ by in a round. Delivery is
measured by itself: ports are created while a driver is away, and later it is owed
all of them anew; what counts is the CPU of the core process from then until the
ledger is empty, less what it takes in the same time when there is nothing to do
(it looks at the ledger and asks for signs of life; a figure of its own says how
much that is).
"""

import asyncio
import contextlib
import math
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import asyncpg

from bench import usage
from bench.client import Client, Phase
from bench.stack import Fabric, Stack

HOST = "bench-host"
BATCH = 500
_TURN = 10
"""Creates in a turn: so few that a round is over before the machine is another one."""
_REST = 2.0
"""Seconds for which a core is left alone to see what it takes: about as long as a delivery."""
_PATIENCE = 120.0
"""Seconds after which a ledger that is not empty is an error."""

_OWE_ALL_AGAIN = """
    UPDATE delivery SET owed = true, acknowledged_revision = NULL, owed_since = now() AT TIME ZONE 'UTC',
        due_at = now() AT TIME ZONE 'UTC'
    WHERE driver = $1 AND kind = 'port'
"""

_BINDER = Fabric(name="fabric", bind=True)
_JUDGE = Fabric(name="judge", postcommit=False)
_BYSTANDER = Fabric(name="bystander", precommit=False, postcommit=False)
_BACKEND = Fabric(name="backend", precommit=False)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure beside its limit."""

    what: str
    unit: str
    limit: float | None
    rounds: Sequence[float]

    @property
    def median(self) -> float:
        """Return the figure itself."""
        return statistics.median(self.rounds)

    @property
    def error(self) -> float:
        """Return two standard errors of the figure: what a busy machine leaves in doubt."""
        return 2 * 1.25 * statistics.stdev(self.rounds) / math.sqrt(len(self.rounds))

    @property
    def is_over(self) -> bool:
        """Return whether the figure is above its limit, beyond doubt."""
        return self.limit is not None and self.median - self.error >= self.limit

    def row(self) -> dict[str, Any]:
        """Return the figure for ``--json``."""
        return {**asdict(self), "median": self.median, "error": self.error, "is_over": self.is_over}

    def __str__(self) -> str:
        limit = f"limit {self.limit:g} {self.unit}{', EXCEEDED' if self.is_over else ''}" if self.limit else "no limit"
        rounds = f"least {min(self.rounds):.3f}, {len(self.rounds)} rounds"
        return f"{self.what}: {self.median:.3f} ± {self.error:.3f} {self.unit} ({limit}; {rounds})"


async def measure(*, rounds: int, owed: int) -> list[Figure]:
    """Return the figures: *rounds* of creates, and a few of *owed* delivered ports."""
    return [*await _delivery(max(3, rounds // _TURN), owed), *await _creates(rounds)]


async def _creates(rounds: int) -> list[Figure]:
    """Measure creates of bound ports without, with a judging, and with an uninvolved driver."""
    async with contextlib.AsyncExitStack() as stacks:
        cores = [await stacks.enter_async_context(_Core([_BINDER, *more])) for more in ((), (_JUDGE,), (_BYSTANDER,))]
        for core in cores:
            await core.create(10 * _TURN)
        taken = [await _turn(cores, first % len(cores)) for first in range(rounds)]
    return [
        Figure("create of a bound port, one driver", "ms", None, [plain for plain, _, _ in taken]),
        Figure("one more driver that judges it adds", "ms", 0.6, [judged - plain for plain, judged, _ in taken]),
        Figure("one more driver that does not adds", "ms", 0.1, [aside - plain for plain, _, aside in taken]),
    ]


async def _turn(cores: Sequence["_Core"], first: int) -> list[float]:
    """Have every core create some ports, beginning with the one at *first*; return milliseconds for one, by core."""
    order = [*range(first, len(cores)), *range(first)]
    taken = {number: await cores[number].create(_TURN) for number in order}
    return [taken[number] for number in range(len(cores))]


async def _delivery(rounds: int, owed: int) -> list[Figure]:
    """Measure the core at rest, and the delivery of *owed* bound ports to one driver, in batches."""
    async with _Core([_BINDER, _BACKEND], batch=BATCH) as core:
        await core.create_owed(owed, _BACKEND)
        await core.deliver_again(_BACKEND)
        taken = []
        for _ in range(rounds):
            idle = await core.rest(_REST)
            cpu, seconds = await core.deliver_again(_BACKEND)
            taken.append((idle * 1e3, (cpu - idle * seconds) / owed * 1e6))
    what = f"postcommit of {owed} bound ports, per change, in batches of {BATCH}"
    return [
        Figure("the core at rest, with two drivers, a second", "ms", None, [idle for idle, _ in taken]),
        Figure(what, "µs", 30.0, [delivery for _, delivery in taken]),
    ]


class _Core:
    """A stack with one network, driven through its API."""

    def __init__(self, drivers: Sequence[Fabric], *, batch: int | None = None) -> None:
        self._stack = Stack(drivers, "postgresql", batch=batch)
        self._name = " and ".join(driver.name for driver in drivers)
        self._open = contextlib.AsyncExitStack()

    async def __aenter__(self) -> "_Core":
        stack = await self._open.enter_async_context(self._stack)
        try:
            self._client = await self._open.enter_async_context(Client(stack.url, stack.core_pid, HOST, self._note))
            self._database = await asyncpg.connect(stack.database_url)
            self._open.push_async_callback(self._database.close)
            self._network: str = (await self._client.create_network()())["id"]
            await self._client.create_subnet(self._network)()
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def create(self, ports: int) -> float:
        """Create *ports* one after the other, and deliver them; return milliseconds of CPU for each."""
        before = self._cpu()
        await self._client.phase("create port", [self._client.create_port(self._network)] * ports)
        await self._until_paid()
        return (self._cpu() - before) / ports * 1000

    async def create_owed(self, ports: int, fabric: Fabric) -> None:
        """Create *ports* while a driver is away, and deliver them when it is back."""
        driver = self._stack.driver(fabric.name)
        driver.stop()
        bulk = self._client.create_ports(self._network, 50, bound=True)
        await self._client.phase("create owed ports", [bulk] * (ports // 50), weight=50)
        driver.start()
        await self._until_paid()
        # PostgreSQL learns within a minute that a table has grown. Until then it reads all of it
        # for every debt, and what the core does in the seconds that it waits would count as well.
        await self._database.execute("ANALYZE")

    async def rest(self, seconds: float) -> float:
        """Leave the core alone for *seconds*; return seconds of CPU that it took in each."""
        before = self._cpu()
        await asyncio.sleep(seconds)
        return (self._cpu() - before) / seconds

    async def deliver_again(self, fabric: Fabric) -> tuple[float, float]:
        """Owe a driver all ports, as if its fabric had lost them; return seconds of CPU, and of time, that it takes."""
        before, began = self._cpu(), time.monotonic()
        await self._database.execute(_OWE_ALL_AGAIN, fabric.name)
        await self._until_paid()
        return self._cpu() - before, time.monotonic() - began

    async def _until_paid(self) -> None:
        await _until(lambda: self._database.fetchval("SELECT NOT EXISTS (SELECT FROM delivery WHERE owed)"))

    def _cpu(self) -> float:
        return usage.of(self._stack.core_pid).cpu

    def _note(self, phase: Phase) -> None:
        if phase.errors:
            raise RuntimeError(f"{phase.name} with {self._name}: {phase.errors[0]}")


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Return when *condition* holds; it is the database that is asked, which costs the core nothing."""
    async with asyncio.timeout(_PATIENCE):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
