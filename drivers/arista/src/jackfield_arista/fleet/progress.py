"""How one switch is doing, in the words of the driver's status.

`UP` with what waits and when it was last edited, `DEGRADED` while edits fail or the operator wants it left
alone, `DOWN` while it cannot be reached: since when, and why. Operators read this with the driver's
backends; the reason is the same that every change for the switch is answered with.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from jackfield_sdk import Backend, BackendHealth

from jackfield_arista.fleet.breaker import Outage


@dataclass(frozen=True, slots=True)
class Progress:
    """One look at a worker. `trouble` is why its last turn failed, `refused` how many resources cannot be made.

    `inventory_fault` is why the inventory file as it is now does not count, a line for each fault.
    """

    switch: str
    waiting: int = 0
    last_edit: datetime | None = None
    outage: Outage | None = None
    trouble: str = ""
    refused: int = 0
    maintenance: bool = False
    inventory_fault: str = ""
    is_seen: bool = False

    def backend(self, epoch: str) -> Backend:
        """Return it as the core is told."""
        return Backend(self.switch, epoch, self.health, self.message)

    @property
    def health(self) -> BackendHealth:
        """Whether the switch can be worked with."""
        if self.outage is not None:
            return BackendHealth.DOWN
        if self.maintenance or self.trouble or self.refused:
            return BackendHealth.DEGRADED
        return BackendHealth.UP if self.is_seen else BackendHealth.UNKNOWN

    @property
    def message(self) -> str:
        """One sentence for the operator."""
        said = [self._state()] if self._state() else []
        said.append(f"{self.waiting} waiting")
        if self.refused:
            said.append(f"{self.refused} cannot be made")
        if self.last_edit is not None:
            said.append(f"last edit {self.last_edit:%Y-%m-%d %H:%M:%S} UTC")
        if self.inventory_fault:
            first, *more = self.inventory_fault.splitlines()
            others = f", and {len(more)} more" if more else ""
            said.append(f"the inventory as it was before counts, because the file is at fault ({first}{others})")
        return ", ".join(said)

    def _state(self) -> str:
        if self.maintenance:
            return "in maintenance"
        if self.outage is not None:
            return f"since {self.outage.since:%Y-%m-%d %H:%M:%S} UTC: {self.outage.error.reason}"
        return self.trouble
