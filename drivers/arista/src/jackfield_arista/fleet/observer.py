"""What the workers of switches notice, told to whoever drives them. Called in the threads of workers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from jackfield_arista.fleet.making import Device
from jackfield_arista.memory.tables import Key, Row


class Observer(Protocol):
    """Hears of one switch at a time, by its name."""

    def looked(self, switch: str, device: Device) -> None:
        """A switch answers; its session may be asked for more."""

    def true_on(self, switch: str, rows: Sequence[Row]) -> None:
        """The switch holds what these rows want."""

    def not_true_on(self, switch: str, keys: Collection[Key], reason: str) -> None:
        """These resources cannot be made on the switch, and why."""

    def differs(self, switch: str, keys: Collection[Key], message: str) -> None:
        """Something else than what was made is on the switch now, or can be made now."""

    def emptied(self, switch: str) -> None:
        """The switch lost what it held: its epoch is a new one."""

    def health_changed(self, switch: str) -> None:
        """The switch came, went, or began or ended to make trouble."""
