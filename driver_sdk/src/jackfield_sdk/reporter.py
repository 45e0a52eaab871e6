"""What an agent observes, on its way to the core.

A report is a state, so only the last one of each port is kept. It stays kept after it was sent:
a core that comes back, or another one that takes over, is told everything again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from jackfield_sdk.views import Neighbour, PortReport, PortState


@dataclass(frozen=True, slots=True)
class Unsent:
    """What the core was not told yet; None where nothing changed."""

    ports: tuple[PortReport, ...]
    neighbours: tuple[Neighbour, ...] | None
    devices: int | None


class Reporter:
    """Handed to the agent at start. Every method may be called from any thread."""

    def __init__(self) -> None:
        """Start with nothing observed and nobody to tell."""
        self._lock = threading.Lock()
        self._ports: dict[str, PortReport] = {}
        self._unsent: dict[str, None] = {}
        self._neighbours: tuple[Neighbour, ...] | None = None
        self._neighbours_unsent = False
        self._devices_sent: int | None = None
        self._versions: dict[str, str] = {}
        self._resync = False
        self._wake: Callable[[], None] = lambda: None

    def port(self, port_id: str, state: PortState, reason: str = "", version: str = "") -> None:
        """Tell the state of a port; an empty version means the view that was applied last."""
        with self._lock:
            report = PortReport(port_id, version or self._versions.get(port_id, ""), state, reason)
            if self._ports.get(port_id) == report:
                return
            self._ports[port_id] = report
            self._unsent[port_id] = None
        self._wake()

    def neighbours(self, neighbours: Iterable[Neighbour]) -> None:
        """Tell all neighbours that the host's interfaces have now."""
        told = tuple(neighbours)
        with self._lock:
            if told == self._neighbours:
                return
            self._neighbours, self._neighbours_unsent = told, True
        self._wake()

    def resync(self) -> None:
        """Ask the core for every view again, because the device lost what it held."""
        with self._lock:
            self._resync = True
        self._wake()

    # What follows is for the runner.

    def on_change(self, wake: Callable[[], None]) -> None:
        """Call `wake`, from any thread, whenever there is something to take."""
        self._wake = wake

    def applying(self, port_id: str, version: str) -> None:
        """Remember the view that states without a version belong to from now on."""
        with self._lock:
            self._versions[port_id] = version

    def forget(self, port_id: str) -> None:
        """Drop a port that was removed."""
        with self._lock:
            self._versions.pop(port_id, None)
            self._ports.pop(port_id, None)
            self._unsent.pop(port_id, None)

    def take(self) -> Unsent:
        """Take what was not sent yet; it counts as sent."""
        with self._lock:
            ports = tuple(self._ports[port_id] for port_id in self._unsent)
            neighbours = self._neighbours if self._neighbours_unsent else None
            up = sum(report.state is PortState.UP for report in self._ports.values())
            devices = None if up == self._devices_sent else up
            self._unsent, self._neighbours_unsent, self._devices_sent = {}, False, up
            return Unsent(ports, neighbours, devices)

    def forget_sent(self) -> None:
        """Count everything as unsent, because a new stream knows nothing of the old one."""
        with self._lock:
            self._unsent = dict.fromkeys(self._ports)
            self._neighbours_unsent = self._neighbours is not None
            self._devices_sent = None

    def take_resync(self) -> bool:
        """Return True once for each time that a resync was asked for."""
        with self._lock:
            asked, self._resync = self._resync, False
            return asked
