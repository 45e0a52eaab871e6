"""A network with what hangs on it, read at one revision."""

from collections.abc import Collection, Iterable

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.network import Network, NetworkTable
from jackfield_core.db.query import storable
from jackfield_core.db.segment import Segment, SegmentTable
from jackfield_core.db.subnet import Subnet, SubnetTable


class NetworkTree(Struct, frozen=True):
    """A network, its segments in order, and its live subnets, oldest first."""

    network: Network
    segments: tuple[Segment, ...] = ()
    subnets: tuple[Subnet, ...] = ()

    @property
    def next_position(self) -> int:
        """Place of a further segment: behind all others, whichever have been removed."""
        return 1 + max((segment.position for segment in self.segments), default=-1)

    def has_segments(self, ids: Collection[str]) -> bool:
        """Return whether all segments of *ids* are of the network."""
        return {segment.id for segment in self.segments}.issuperset(ids)


async def load_trees(connection: AsyncConnection, ids: Iterable[str]) -> dict[str, NetworkTree]:
    """Read networks with their parts, deleted networks included.

    The network is read first: parts that are newer than its revision are found
    out by whoever compares that revision later.
    """
    wanted = list(dict.fromkeys(map(storable, ids)))
    networks = await NetworkTable(connection).list_with_deleted(wanted)
    segments = await SegmentTable(connection).list_of_networks(wanted)
    subnets = await SubnetTable(connection).list_of_networks(wanted)
    return {
        id: NetworkTree(network, tuple(segments.get(id, ())), tuple(subnets.get(id, ())))
        for id, network in networks.items()
    }
