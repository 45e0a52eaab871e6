"""What a type driver is: the owner of one network type.

It judges what an operator asks for (``validate``), takes exactly that
(``reserve``), or takes whatever is free (``allocate``), and knows how much of
the underlay's MTU its encapsulation leaves. Its numbers come from ranges,
which are rows: ``default_ranges`` are those of the settings, and more may be
there at run time.

A type driver from outside is a class under the entry point group
``jackfield.type_drivers``, named after its network type and constructed with
the ``segments`` settings.
"""

from collections.abc import Sequence
from typing import Protocol

from jackfield_core.db.segment import SegmentRange
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.errors import Exhausted, Invalid
from jackfield_core.types import SegmentSpec


class TypeDriver(Protocol):
    """Gives segments of one network type."""

    network_type: str

    def default_ranges(self) -> Sequence[SegmentRange]:
        """Return the ranges that the settings name."""

    def is_partial(self, spec: SegmentSpec) -> bool:
        """Return whether *spec* leaves something to be chosen."""

    def validate(self, spec: SegmentSpec) -> None:
        """Check what can be checked without the database.

        Raises:
            Invalid: The type has no such segment; the message names the attribute.
        """

    async def reserve(self, tables: Tables, spec: SegmentSpec, segment_id: str) -> SegmentSpec:
        """Take the segment that is asked for; return it with nothing missing.

        Raises:
            Invalid: The physical network is unknown.
            Conflict: Another segment has the number.
            Exhausted: The number was left to the driver, and none is free.
        """

    async def allocate(
        self, tables: Tables, segment_id: str, physical_network: str | None = None
    ) -> SegmentSpec | None:
        """Take any free segment, or return None if the ranges have none left."""

    def mtu(self, physical_network: str | None) -> int:
        """Return the bytes that are left for an IP packet."""


def invalid(reason: str) -> Invalid:
    """Return the error for a segment that cannot be, in Neutron's words."""
    return Invalid(f"Invalid input for operation: {reason}.", type="InvalidInput")


def exhausted(physical_network: str | None = None) -> Exhausted:
    """Return the error for ranges without a free number, of one physical network if it is named."""
    where = f" on physical network {physical_network}" if physical_network else ""
    return Exhausted(
        f"Unable to create the network. No project network is available for allocation{where}.",
        type="NoNetworkAvailable",
    )
