"""VLAN networks: IEEE 802.1Q numbers, a space of its own per physical network."""

from collections.abc import Sequence

from jackfield_core import config
from jackfield_core.db.segment import SegmentRange
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.errors import Conflict
from jackfield_core.segments import pool
from jackfield_core.segments.ranges import vlan_ranges
from jackfield_core.segments.type_driver import exhausted, invalid
from jackfield_core.types import SegmentSpec

LARGEST = 4094
"""12 bits, without 0 (priority tag) and 4095 (reserved)."""


class VlanTypeDriver:
    """Gives VLANs of physical networks."""

    network_type = "vlan"

    def __init__(self, settings: config.Segments) -> None:
        self._settings = settings
        self._ranges = vlan_ranges(self.network_type, settings.of_type(self.network_type).ranges, largest=LARGEST)

    def default_ranges(self) -> Sequence[SegmentRange]:
        """Return the ranges per physical network; an empty one allows provider networks only."""
        return self._ranges

    def is_partial(self, spec: SegmentSpec) -> bool:
        """Return whether the VLAN is to be chosen."""
        return spec.segmentation_id is None

    def validate(self, spec: SegmentSpec) -> None:
        """Ask for a physical network with a number, and for a number that 802.1Q has."""
        if spec.segmentation_id is None:
            return
        if not spec.physical_network:
            raise invalid("segmentation_id requires physical_network for VLAN provider network")
        if not 1 <= spec.segmentation_id <= LARGEST:
            raise invalid(f"segmentation_id out of range (1 through {LARGEST})")

    async def reserve(self, tables: Tables, spec: SegmentSpec, segment_id: str) -> SegmentSpec:
        """Take the VLAN, which may lie outside of the ranges, or a free one of the physical network."""
        name, vlan = spec.physical_network or None, spec.segmentation_id
        ranges = await tables.segments.ranges(self.network_type, name)
        if name and not ranges:
            raise invalid(f"physical_network '{name}' unknown for VLAN provider network")
        if vlan is None:
            chosen = await pool.take(tables, ranges, segment_id)
            if chosen is None:
                raise exhausted(name)
            return chosen
        if not await tables.segments.reserve(self.network_type, name, vlan, segment_id):
            raise Conflict(
                f"Unable to create the network. The VLAN {vlan} on physical network {name} is in use.",
                type="VlanIdInUse",
            )
        return SegmentSpec(self.network_type, name, vlan)

    async def allocate(
        self, tables: Tables, segment_id: str, physical_network: str | None = None
    ) -> SegmentSpec | None:
        """Take a free VLAN, of any physical network unless one is named."""
        ranges = await tables.segments.ranges(self.network_type, physical_network or None)
        return await pool.take(tables, ranges, segment_id)

    def mtu(self, physical_network: str | None) -> int:
        """Return the MTU of the physical network; switches make room for the tag."""
        return self._settings.physical_network_mtus.get(physical_network or "", self._settings.physical_mtu)
