"""What agents report, written together.

Agents report at their own pace and never wait for the database. What they say is
kept, the last word of each port only, and one writer stores all that has come in
as one transaction: after a host boots, hundreds of reports cost one commit.
While the database is away the reports wait here; a stream that gets too far
ahead is held back, and with it, by gRPC's flow control, its agent.

A sign of life alone waits a second for company, and no agent's is stored more
often than every ten seconds.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from jackfield_core.db.base import now
from jackfield_core.db.fault import FaultTable
from jackfield_core.db.port import WiringReport
from jackfield_core.db.unit_of_work import UnitOfWork
from jackfield_core.nodes.patience import until_done
from jackfield_core.types import Kind

BEAT_INTERVAL = 10.0
"""Seconds between two stored signs of life of one agent."""
FLUSH_INTERVAL = 1.0
"""Seconds that a sign of life waits for company."""
BATCH = 500
"""Ports in one transaction at most."""
ROOM = 10_000
"""Ports that may wait; who brings more waits too."""


@dataclass(slots=True)
class AgentNews:
    """A sign of life, and columns of the agent's row that changed with it."""

    host: str
    values: dict[str, Any] = field(default_factory=dict)


class Reports:
    """Collects what agents report, and stores it.

    *required_drivers* are those that must know a port before it is ACTIVE;
    *on_agent_change* is called with the host whose facts changed.
    """

    def __init__(
        self, unit_of_work: UnitOfWork, required_drivers: Sequence[str], on_agent_change: Callable[[str], None]
    ) -> None:
        self._unit_of_work = unit_of_work
        self._required_drivers = required_drivers
        self._on_agent_change = on_agent_change
        self._ports: dict[tuple[str, str], WiringReport] = {}
        self._agents: dict[str, AgentNews] = {}
        self._beaten: dict[str, float] = {}
        self._arrived = asyncio.Event()
        self._room = asyncio.Condition()

    async def add(self, reports: Sequence[WiringReport]) -> None:
        """Keep reports until they are stored; wait while there is no room for more."""
        if not reports:
            return
        async with self._room:
            await self._room.wait_for(lambda: len(self._ports) < ROOM)
        for report in reports:
            key = report.port_id, report.host
            waiting = self._ports.get(key)
            if not (report.only_if_not_up and waiting and waiting.wiring == "up"):
                self._ports[key] = report
        self._arrived.set()

    def beat(self, agent_id: str, host: str, **values: Any) -> None:
        """Note a sign of life, and columns of the agent that changed."""
        at = time.monotonic()
        if values or at - self._beaten.get(agent_id, -BEAT_INTERVAL) >= BEAT_INTERVAL:
            self._beaten[agent_id] = at
            self._agents.setdefault(agent_id, AgentNews(host)).values.update(values)

    def forget(self, agent_id: str) -> None:
        """Forget when an agent whose stream has ended was last heard."""
        self._beaten.pop(agent_id, None)

    async def run(self) -> None:
        """Store what comes in until cancelled."""
        while True:
            try:
                async with asyncio.timeout(FLUSH_INTERVAL):
                    await self._arrived.wait()
            except TimeoutError:
                pass
            await self.flush()

    async def flush(self) -> None:
        """Store all that has come in; wait for the database if it is away."""
        self._arrived.clear()
        while self._ports or self._agents:
            reports = [self._ports.pop(key) for key in [*itertools.islice(self._ports, BATCH)]]
            agents, self._agents = self._agents, {}
            async with self._room:
                self._room.notify_all()
            await until_done(lambda: self._store(reports, agents), "nodes.reports_unwritten")  # noqa: B023
            for host in {news.host for news in agents.values() if news.values}:
                self._on_agent_change(host)

    async def _store(self, reports: Sequence[WiringReport], agents: dict[str, AgentNews]) -> None:
        async with self._unit_of_work() as tx:
            if reports:
                ids = [report.port_id for report in reports]
                await tx.ports.hold(ids)
                await tx.ports.set_wiring(reports)
                await tx.ports.refresh_status(ids, self._required_drivers)
                await FaultTable(tx.connection, self._required_drivers).refresh(Kind.PORT, ids)
            if agents:
                await tx.agents.beat([*agents], now())
            for agent_id in sorted(agents):
                if values := agents[agent_id].values:
                    await tx.agents.update(agent_id, **values)
