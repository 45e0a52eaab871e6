"""Flat networks: a whole physical network, untagged, for one network."""

from collections.abc import Sequence

from jackfield_core import config
from jackfield_core.db.segment import SegmentRange
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.errors import Conflict
from jackfield_core.segments.ranges import default_range
from jackfield_core.segments.type_driver import invalid
from jackfield_core.types import SegmentSpec

ANY = "*"
"""Name in the settings that stands for every physical network."""


class FlatTypeDriver:
    """Gives each physical network to one network at most."""

    network_type = "flat"

    def __init__(self, settings: config.Segments) -> None:
        self._settings = settings

    def default_ranges(self) -> Sequence[SegmentRange]:
        """Return a row per physical network; flat networks have no numbers."""
        names = self._settings.of_type(self.network_type).ranges
        return [default_range(self.network_type, name, 0, 0) for name in dict.fromkeys(names)]

    def is_partial(self, spec: SegmentSpec) -> bool:
        """Return False: the physical network is never chosen by us."""
        return False

    def validate(self, spec: SegmentSpec) -> None:
        """Ask for a physical network, and refuse a number."""
        if not spec.physical_network:
            raise invalid("physical_network required for flat provider network")
        if len(spec.physical_network) > 64:
            raise invalid("physical_network is longer than 64 characters")
        if spec.segmentation_id is not None:
            raise invalid("segmentation_id prohibited for flat provider network")

    async def reserve(self, tables: Tables, spec: SegmentSpec, segment_id: str) -> SegmentSpec:
        """Take the physical network."""
        name = spec.physical_network
        known = {one.physical_network for one in await tables.segments.ranges(self.network_type)}
        if name not in known and ANY not in known:
            raise invalid(f"physical_network '{name}' unknown for flat provider network")
        if not await tables.segments.reserve(self.network_type, name, None, segment_id):
            raise Conflict(
                f"Unable to create the flat network. Physical network {name} is in use.", type="FlatNetworkInUse"
            )
        return SegmentSpec(self.network_type, name)

    async def allocate(
        self, tables: Tables, segment_id: str, physical_network: str | None = None
    ) -> SegmentSpec | None:
        """Return None: a physical network is not given away without an operator's word."""
        return None

    def mtu(self, physical_network: str | None) -> int:
        """Return the MTU of the physical network."""
        return self._settings.physical_network_mtus.get(physical_network or "", self._settings.physical_mtu)
