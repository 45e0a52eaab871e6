"""What all tunnels have in common: one space of numbers, and headers that cost MTU."""

from collections.abc import Sequence
from typing import ClassVar

from jackfield_core import config
from jackfield_core.db.segment import SegmentRange
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.errors import Conflict
from jackfield_core.segments import pool
from jackfield_core.segments.ranges import tunnel_ranges
from jackfield_core.segments.type_driver import exhausted, invalid
from jackfield_core.types import SegmentSpec

IP_HEADER = {4: 20, 6: 40}
"""Bytes of the outer IP header (RFC 791 without options, RFC 8200)."""


class TunnelTypeDriver:
    """Gives numbers of one kind of tunnel; the base of the drivers for each kind."""

    network_type: ClassVar[str]
    largest: ClassVar[int]
    """Highest number that the header has room for."""
    header: ClassVar[int]
    """Bytes between the outer IP header and the inner IP packet."""

    def __init__(self, settings: config.Segments) -> None:
        self._settings = settings
        self._ranges = tunnel_ranges(
            self.network_type, settings.of_type(self.network_type).ranges, largest=self.largest
        )

    def default_ranges(self) -> Sequence[SegmentRange]:
        """Return the ranges of the settings."""
        return self._ranges

    def is_partial(self, spec: SegmentSpec) -> bool:
        """Return whether the number is to be chosen."""
        return spec.segmentation_id is None

    def validate(self, spec: SegmentSpec) -> None:
        """Refuse a physical network: tunnels go wherever IP goes."""
        if spec.physical_network:
            raise invalid(f"provider:physical_network specified for {self.network_type} network")
        if spec.segmentation_id is not None and not 1 <= spec.segmentation_id <= self.largest:
            raise invalid(f"segmentation_id out of range (1 through {self.largest})")

    async def reserve(self, tables: Tables, spec: SegmentSpec, segment_id: str) -> SegmentSpec:
        """Take the number, which may lie outside of the ranges, or a free one."""
        number = spec.segmentation_id
        if number is None:
            chosen = await self.allocate(tables, segment_id)
            if chosen is None:
                raise exhausted()
            return chosen
        if not await tables.segments.reserve(self.network_type, None, number, segment_id):
            raise Conflict(f"Unable to create the network. The tunnel ID {number} is in use.", type="TunnelIdInUse")
        return SegmentSpec(self.network_type, None, number)

    async def allocate(
        self, tables: Tables, segment_id: str, physical_network: str | None = None
    ) -> SegmentSpec | None:
        """Take a free number."""
        return await pool.take(tables, await tables.segments.ranges(self.network_type), segment_id)

    def mtu(self, physical_network: str | None) -> int:
        """Return what is left of the underlay's MTU behind the outer headers."""
        return self._settings.physical_mtu - IP_HEADER[self._settings.underlay_ip_version] - self.header
