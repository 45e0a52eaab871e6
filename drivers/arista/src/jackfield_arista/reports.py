"""What the workers notice, as the core hears of it.

A port that the driver plugs itself is up when a switch carries it. A switch that comes, goes or loses
what it held is a backend. What is not as it was made is drift: the core owes it again, and asks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence

import structlog
from jackfield_sdk import Backend, Events, Kind

from jackfield_arista.configuration.model import Mode
from jackfield_arista.device.errors import SwitchError
from jackfield_arista.fleet.making import Device
from jackfield_arista.lldp.topology import Topology
from jackfield_arista.memory.memory import Memory
from jackfield_arista.memory.tables import Key, Row

log = structlog.get_logger(__name__)


class Reports:
    """Tells the driver's events. `backend` describes a switch, None if it is not known any more."""

    def __init__(
        self, events: Events, memory: Memory, topology: Topology, backend: Callable[[str], Backend | None]
    ) -> None:
        """Have told nothing."""
        self._events = events
        self._memory = memory
        self._topology = topology
        self._backend = backend
        self._lock = threading.Lock()
        self._up: dict[str, int] = {}

    def looked(self, switch: str, device: Device) -> None:
        """Take the LLDP table along; a switch that has none to show is none the worse."""
        try:
            self._topology.read(switch, device.neighbours())
        except SwitchError as error:
            log.info("lldp.unread", switch=switch, reason=error.reason)

    def true_on(self, switch: str, rows: Sequence[Row]) -> None:
        """Tell of ports that we plug that they are up."""
        for row in rows:
            if row.kind is Kind.PORT and row.member.mode is Mode.ACCESS and self._is_news(row):
                port = self._memory.port(row.id)
                if port is not None and port.plugged:
                    self._events.port(row.id, up=True, revision=row.revision)

    def not_true_on(self, switch: str, keys: Collection[Key], reason: str) -> None:
        """Tell of ports that we plug that they are not up."""
        for kind, id in keys:
            port = self._memory.port(id) if kind is Kind.PORT else None
            if port is not None and port.plugged:
                with self._lock:
                    self._up.pop(id, None)
                self._events.port(id, up=False, revision=port.revision, reason=reason)

    def differs(self, switch: str, keys: Collection[Key], message: str) -> None:
        """Have the core owe it again."""
        for kind, id in keys:
            self._events.drift(kind, id, message)

    def emptied(self, switch: str) -> None:
        """Tell the new epoch."""
        self._tell(switch)

    def health_changed(self, switch: str) -> None:
        """Tell how the switch is doing now."""
        self._tell(switch)

    def forget(self, port_id: str) -> None:
        """Forget a port that is deleted."""
        with self._lock:
            self._up.pop(port_id, None)

    def _tell(self, switch: str) -> None:
        if (backend := self._backend(switch)) is not None:
            log.info("switch.health", switch=switch, health=backend.health, message=backend.message)
            self._events.backend(backend)

    def _is_news(self, row: Row) -> bool:
        with self._lock:
            is_news = self._up.get(row.id, 0) < row.revision
            self._up[row.id] = max(row.revision, self._up.get(row.id, 0))
        return is_news
