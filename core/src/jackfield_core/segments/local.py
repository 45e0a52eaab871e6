"""Local networks: one host, no wire, nothing to reserve."""

from collections.abc import Sequence

from jackfield_core import config
from jackfield_core.db.segment import SegmentRange
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.segments.type_driver import invalid
from jackfield_core.types import SegmentSpec


class LocalTypeDriver:
    """Gives segments that never leave a host."""

    network_type = "local"

    def __init__(self, settings: config.Segments) -> None:
        self._settings = settings

    def default_ranges(self) -> Sequence[SegmentRange]:
        """Return nothing: there are no numbers."""
        return ()

    def is_partial(self, spec: SegmentSpec) -> bool:
        """Return False: nothing is ever left to be chosen."""
        return False

    def validate(self, spec: SegmentSpec) -> None:
        """Refuse a physical network and a number."""
        if spec.physical_network:
            raise invalid("physical_network prohibited for local provider network")
        if spec.segmentation_id is not None:
            raise invalid("segmentation_id prohibited for local provider network")

    async def reserve(self, tables: Tables, spec: SegmentSpec, segment_id: str) -> SegmentSpec:
        """Return the segment; there is one for everybody."""
        return SegmentSpec(self.network_type)

    async def allocate(
        self, tables: Tables, segment_id: str, physical_network: str | None = None
    ) -> SegmentSpec | None:
        """Return the segment; there is one for everybody."""
        return SegmentSpec(self.network_type)

    def mtu(self, physical_network: str | None) -> int:
        """Return the MTU of the underlay: no wire asks for less, and hosts are made for it."""
        return self._settings.physical_mtu
