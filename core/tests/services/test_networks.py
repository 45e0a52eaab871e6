"""What users can do with networks."""

import pytest
import sqlalchemy as sa
from jackfield_core.context import RequestContext
from jackfield_core.db.engine import Database
from jackfield_core.db.query import ListQuery
from jackfield_core.errors import Conflict, DriverRejected, Exhausted, Invalid, NotFound, RevisionMismatch
from jackfield_core.services.services import Services
from jackfield_core.services.spec import NetworkCreate, NetworkUpdate, PortCreate, SegmentCreate, SubnetCreate
from jackfield_core.types import SegmentSpec
from jackfield_sdk.examples.loopback import Fabric

VLAN_7 = SegmentSpec("vlan", "physnet1", 7)


async def count(database: Database, table: str) -> int:
    """Return the number of rows of a table."""
    async with database.reading() as connection:
        return int((await connection.execute(sa.text(f"SELECT count(*) FROM {table}"))).scalar_one())


async def test_network_gets_a_segment_and_its_mtu(services: Services, ctx: RequestContext) -> None:
    """A network without provider attributes gets a segment of the project's type, and the MTU that fits through it."""
    tree = await services.networks.create(ctx, NetworkCreate(project_id="project", name="blue"))

    assert [segment.network_type for segment in tree.segments] == ["vxlan"]
    assert 1000 <= (tree.segments[0].segmentation_id or 0) <= 1999
    assert tree.network.mtu == 1450
    assert (await services.networks.get(ctx, tree.network.id)).network == tree.network


async def test_rejected_network_leaves_no_trace(
    services: Services, ctx: RequestContext, fabric: Fabric, database: Database
) -> None:
    """A network refused by a driver leaves neither row nor segment nor debt."""
    fabric.reject("network", reason="VLAN 7 is reserved")

    with pytest.raises(DriverRejected, match="VLAN 7 is reserved"):
        await services.networks.create(ctx, NetworkCreate(project_id="project", segments=(VLAN_7,)))

    tables = ("network", "segment", "segment_allocation", "delivery")
    assert [await count(database, table) for table in tables] == [0, 0, 0, 0]
    fabric.accept()
    await services.networks.create(ctx, NetworkCreate(project_id="project", segments=(VLAN_7,)))


async def test_vlan_is_given_once(services: Services, ctx: RequestContext) -> None:
    """A VLAN that is in use is refused, and stays refused while its network's end is owed."""
    first = await services.networks.create(ctx, NetworkCreate(project_id="project", segments=(VLAN_7,)))
    with pytest.raises(Conflict, match="7"):
        await services.networks.create(ctx, NetworkCreate(project_id="project", segments=(VLAN_7,)))

    await services.networks.delete(ctx, first.network.id)

    with pytest.raises(NotFound):
        await services.networks.get(ctx, first.network.id)
    with pytest.raises(Conflict, match="7"):
        await services.networks.create(ctx, NetworkCreate(project_id="project", segments=(VLAN_7,)))


async def test_full_range_is_exhausted(services: Services, ctx: RequestContext) -> None:
    """Three VLANs make three networks, and the fourth is told that there is none."""
    spec = NetworkCreate(project_id="project", segments=(SegmentSpec("vlan", "physnet1"),))
    taken = [(await services.networks.create(ctx, spec)).segments[0].segmentation_id for _ in range(3)]

    assert sorted(taken, key=int) == [100, 101, 102]
    with pytest.raises(Exhausted):
        await services.networks.create(ctx, spec)


async def test_update_raises_the_revision_and_minds_if_match(services: Services, ctx: RequestContext) -> None:
    """An update counts; one that expects another revision is refused."""
    id = (await services.networks.create(ctx, NetworkCreate(project_id="project"))).network.id

    changed = await services.networks.update(ctx, id, NetworkUpdate(name="green"), if_match=1)

    assert (changed.network.name, changed.network.revision_number) == ("green", 2)
    with pytest.raises(RevisionMismatch):
        await services.networks.update(ctx, id, NetworkUpdate(name="red"), if_match=1)


@pytest.mark.parametrize("mtu", [67, 1451])
async def test_mtu_that_does_not_fit_is_refused(services: Services, ctx: RequestContext, mtu: int) -> None:
    """The MTU stays between what IP needs and what the segment carries."""
    with pytest.raises(Invalid, match="mtu"):
        await services.networks.create(ctx, NetworkCreate(project_id="project", mtu=mtu))


async def test_network_with_ports_cannot_be_deleted(services: Services, ctx: RequestContext) -> None:
    """A network is in use as long as it has a port; its subnets go with it."""
    id = (await services.networks.create(ctx, NetworkCreate(project_id="project"))).network.id
    subnet = SubnetCreate(network_id=id, project_id="project", ip_version=4, cidr="192.0.2.0/24")
    subnet_id = (await services.subnets.create(ctx, subnet)).id
    port = await services.ports.create(ctx, PortCreate(network_id=id, project_id="project"))
    with pytest.raises(Conflict, match="ports still in use"):
        await services.networks.delete(ctx, id)

    await services.ports.delete(ctx, port.id)
    await services.networks.delete(ctx, id)

    with pytest.raises(NotFound):
        await services.subnets.get(ctx, subnet_id)


async def test_bulk_is_all_or_nothing(services: Services, ctx: RequestContext) -> None:
    """One bad network in a bulk request leaves none."""
    specs = [NetworkCreate(project_id="project", segments=(VLAN_7,))] * 2
    with pytest.raises(Conflict):
        await services.networks.create_bulk(ctx, specs)

    assert await services.networks.list(ctx, ListQuery()) == []


async def test_further_segment_is_an_update_of_its_network(services: Services, ctx: RequestContext) -> None:
    """A segment added to a network raises the network's revision and can be removed again."""
    id = (await services.networks.create(ctx, NetworkCreate(project_id="project"))).network.id

    segment = await services.segments.create(ctx, SegmentCreate(network_id=id, spec=VLAN_7, name="rack"))

    tree = await services.networks.get(ctx, id)
    assert [one.id for one in tree.segments][1:] == [segment.id]
    assert tree.network.revision_number == 2
    await services.segments.delete(ctx, segment.id)
    assert len((await services.networks.get(ctx, id)).segments) == 1
