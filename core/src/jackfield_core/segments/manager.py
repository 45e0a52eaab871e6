"""All type drivers, and the segments that networks get from them.

A network has the segments that its provider attributes name, or one segment of
the first type that has something left for projects. While a port is bound,
mechanism drivers may ask for dynamic segments beyond those. A segment's row
and its number appear in one transaction, and the number is free again when the
row goes.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import entry_points

from jackfield_core import config
from jackfield_core.db.base import now
from jackfield_core.db.segment import Segment
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.errors import Exhausted, Invalid
from jackfield_core.segments.type_driver import TypeDriver, exhausted, invalid
from jackfield_core.types import SegmentSpec

ENTRY_POINTS = "jackfield.type_drivers"


class SegmentManager:
    """Reserves and allocates the segments of networks.

    Raises:
        ValueError: The settings have an unknown name, an unknown type or a wrong range.
    """

    def __init__(self, settings: config.Segments) -> None:
        self._settings = settings
        self.types: Mapping[str, TypeDriver] = load_type_drivers(settings)
        for name in settings.model_extra or ():
            if name not in self.types:
                raise ValueError(f'segments.{name}: there is no such setting and no type driver "{name}"')
        for name in settings.project_network_types:
            if name not in self.types:
                raise ValueError(f'segments.project_network_types: there is no type driver "{name}"')

    async def bootstrap(self, tables: Tables) -> None:
        """Write the ranges of the settings into the database, in place of the former ones."""
        ranges = [one for driver in self.types.values() for one in driver.default_ranges()]
        await tables.segments.replace_default_ranges(ranges)

    def validate(self, specs: Sequence[SegmentSpec]) -> None:
        """Check provider attributes as far as that needs no database.

        Raises:
            Invalid: A type is missing or unknown, its driver refuses the
                segment, or two segments are the same.
        """
        for spec in specs:
            self._of_type(spec.network_type).validate(spec)
        whole = [spec for spec in specs if not self._of_type(spec.network_type).is_partial(spec)]
        if len(set(whole)) < len(whole):
            raise Invalid("Duplicate segment entry in request.", type="SegmentsContainDuplicateEntry")

    async def reserve(
        self, tables: Tables, network_id: str, specs: Sequence[SegmentSpec], *, position: int = 0
    ) -> tuple[Segment, ...]:
        """Give a network the segments that *specs* name, numbered from *position* on.

        Raises:
            Invalid: A physical network is unknown.
            Conflict: A number is in use.
            Exhausted: A number was left open and none is free.
        """
        segments = []
        for place, spec in enumerate(specs, position):
            id = str(uuid.uuid4())
            taken = await self._of_type(spec.network_type).reserve(tables, spec, id)
            segments.append(_segment(id, network_id, taken, place))
        await tables.segments.add(*segments)
        return tuple(segments)

    async def allocate(self, tables: Tables, network_id: str) -> tuple[Segment, ...]:
        """Give a project's network one segment, of the first type that has one.

        Raises:
            Exhausted: All types are used up.
        """
        id = str(uuid.uuid4())
        for name in self._settings.project_network_types:
            taken = await self.types[name].allocate(tables, id)
            if taken is not None:
                segment = _segment(id, network_id, taken, 0)
                await tables.segments.add(segment)
                return (segment,)
        raise exhausted()

    async def allocate_dynamic(
        self, tables: Tables, network_id: str, network_type: str, physical_network: str | None, position: int
    ) -> Segment:
        """Give a network a further segment for the lower levels of bindings.

        The caller holds the network (``tables.networks.find_for_update``) and
        has seen that it has none: otherwise two bindings at once would get two.

        Raises:
            Invalid: There is no such type.
            Exhausted: Nothing is left of this type on this physical network.
        """
        id = str(uuid.uuid4())
        taken = await self._of_type(network_type).allocate(tables, id, physical_network)
        if taken is None:
            raise await _used_up(tables, network_type, physical_network)
        segment = _segment(id, network_id, taken, position, is_dynamic=True)
        await tables.segments.add(segment)
        return segment

    def mtu(self, segments: Iterable[Segment]) -> int:
        """Return the largest IP packet, in bytes, that fits through all *segments*."""
        limits = [self._of_type(one.network_type).mtu(one.physical_network) for one in segments]
        return min(limits, default=self._settings.physical_mtu)

    def _of_type(self, network_type: str | None) -> TypeDriver:
        if not network_type:
            raise invalid("network_type required")
        if network_type not in self.types:
            raise invalid(f"network_type value '{network_type}' not supported")
        return self.types[network_type]


def load_type_drivers(settings: config.Segments) -> dict[str, TypeDriver]:
    """Construct every installed type driver, by network type.

    Raises:
        ValueError: The settings of a type are wrong.
    """
    drivers: dict[str, TypeDriver] = {}
    for point in sorted(entry_points(group=ENTRY_POINTS), key=lambda point: point.name):
        driver: TypeDriver = point.load()(settings)
        drivers[driver.network_type] = driver
    return drivers


def _segment(id: str, network_id: str, spec: SegmentSpec, position: int, *, is_dynamic: bool = False) -> Segment:
    at = now()
    assert spec.network_type is not None
    return Segment(
        id=id,
        network_id=network_id,
        network_type=spec.network_type,
        physical_network=spec.physical_network,
        segmentation_id=spec.segmentation_id,
        name="",
        description="",
        is_dynamic=is_dynamic,
        position=position,
        revision_number=1,
        created_at=at,
        updated_at=at,
    )


async def _used_up(tables: Tables, network_type: str, physical_network: str | None) -> Exhausted:
    """Return the error for a type without a number to give, in words for whoever sizes its ranges."""
    where = f' on physical_network "{physical_network}"' if physical_network else ""
    ranges = await tables.segments.ranges(network_type, physical_network or None)
    size = sum(one.maximum - one.minimum + 1 for one in ranges)
    if not size:
        return Exhausted(f"there is no range of {network_type}{where} to allocate from")
    return Exhausted(f"all {size} numbers of {network_type}{where} are in use")
