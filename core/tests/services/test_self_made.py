"""What drivers and hosts hear of addresses that hosts make themselves."""

import asyncio
from collections.abc import Sequence

import pytest
import sqlalchemy as sa
from jackfield_core.context import RequestContext
from jackfield_core.db.delivery import Debt, DeliveryTable
from jackfield_core.db.engine import Database
from jackfield_core.db.feed import FeedTable
from jackfield_core.db.placement import PlacementTable
from jackfield_core.db.port import Port
from jackfield_core.db.query import ListQuery
from jackfield_core.errors import DriverRejected
from jackfield_core.services.services import Services
from jackfield_core.services.spec import NetworkCreate, PortCreate, PortUpdate, SubnetCreate
from jackfield_core.types import Kind
from jackfield_sdk.examples.loopback import Fabric


def slaac(network_id: str) -> SubnetCreate:
    """Return a subnet to create on which hosts make their own addresses."""
    return SubnetCreate(
        network_id=network_id, project_id="project", ip_version=6, cidr="2001:db8::/64", ipv6_address_mode="slaac"
    )


@pytest.fixture
async def network_id(services: Services, ctx: RequestContext) -> str:
    """Create a network."""
    return (await services.networks.create(ctx, NetworkCreate(project_id="project"))).network.id


@pytest.fixture
async def port(services: Services, ctx: RequestContext, network_id: str) -> Port:
    """Create a bound port without an address."""
    return await services.ports.create(ctx, PortCreate(network_id=network_id, project_id="project", host="host-1"))


async def pay(database: Database) -> None:
    """Call all debts paid, as if the driver had been told."""
    async with database.writing() as connection:
        await connection.execute(sa.text("UPDATE delivery SET owed = false, acknowledged_revision = desired_revision"))


async def owed(database: Database) -> Sequence[Debt]:
    """Return what the driver is owed for ports."""
    async with database.reading() as connection:
        return [debt for debt in await DeliveryTable(connection).list() if debt.kind == Kind.PORT]


async def heard(database: Database) -> set[str]:
    """Return the hosts that the change feed names."""
    async with database.reading() as connection:
        return {entry.host for entry in await FeedTable(connection).after(0)}


async def carried(database: Database, network_id: str) -> list[str]:
    """Return the addresses that the host of the network's only port lets pass."""
    async with database.reading() as connection:
        (placed,) = (await PlacementTable(connection).of_networks([network_id]))[network_id]
    return [one.ip_address for one in placed.fixed_ips]


async def test_ports_are_owed_and_not_judged(
    services: Services, ctx: RequestContext, network_id: str, port: Port, fabric: Fabric, database: Database
) -> None:
    """A driver that would refuse any port takes the subnet, and is owed the ports as updates, here and back."""
    await pay(database)
    fabric.reject("port", reason="no ports today")

    subnet = await services.subnets.create(ctx, slaac(network_id))

    (debt,) = await owed(database)
    assert (debt.resource_id, debt.desired_revision, debt.acknowledged_revision) == (port.id, 2, 1)
    assert debt.original
    await pay(database)
    await services.subnets.delete(ctx, subnet.id)
    (debt,) = await owed(database)
    assert (debt.resource_id, debt.desired_revision, debt.acknowledged_revision) == (port.id, 3, 2)


async def test_hosts_look_again(
    services: Services, ctx: RequestContext, network_id: str, port: Port, database: Database
) -> None:
    """The feed names the host of a port whose addresses came or went, and the host's view has them or not."""
    async with database.writing() as connection:
        await connection.execute(sa.text("DELETE FROM change_feed"))

    subnet = await services.subnets.create(ctx, slaac(network_id))

    (made,) = (await services.ports.get(ctx, port.id)).fixed_ips
    assert "host-1" in await heard(database)
    assert await carried(database, network_id) == [made.ip_address]
    await services.subnets.delete(ctx, subnet.id)
    assert await carried(database, network_id) == []


async def test_refused_subnet_leaves_ports_alone(
    services: Services, ctx: RequestContext, network_id: str, port: Port, fabric: Fabric
) -> None:
    """A driver that cannot carry the addresses refuses the subnet; no port has changed then."""
    fabric.reject("subnet", reason="no IPv6")

    with pytest.raises(DriverRejected, match="no IPv6"):
        await services.subnets.create(ctx, slaac(network_id))

    assert await services.ports.get(ctx, port.id) == port


async def test_deleted_port_neither_gets_nor_holds(
    services: Services, ctx: RequestContext, network_id: str, port: Port, database: Database
) -> None:
    """A port whose end is still owed has no part in it."""
    subnet = await services.subnets.create(ctx, slaac(network_id))
    await services.ports.delete(ctx, port.id)
    await services.subnets.delete(ctx, subnet.id)

    await services.subnets.create(ctx, slaac(network_id))

    (debt,) = await owed(database)
    assert (debt.tombstone, debt.desired_revision) == (True, 3)


async def test_concurrent_changes_of_ports_all_count(services: Services, ctx: RequestContext, network_id: str) -> None:
    """Ports that are created, changed and deleted while the subnet comes all end up with its address, or gone."""
    spec = PortCreate(network_id=network_id, project_id="project")
    kept, gone = [await services.ports.create(ctx, spec) for _ in range(2)]

    outcomes = await asyncio.gather(
        services.ports.update(ctx, kept.id, PortUpdate(name="web")),
        services.subnets.create(ctx, slaac(network_id)),
        services.ports.delete(ctx, gone.id),
        services.ports.create(ctx, spec),
    )

    for id in (kept.id, outcomes[3].id):
        assert len((await services.ports.get(ctx, id)).fixed_ips) == 1
    assert (await services.ports.get(ctx, kept.id)).name == "web"


async def test_every_port_of_a_large_network_follows(
    services: Services, ctx: RequestContext, network_id: str, database: Database
) -> None:
    """All of some hundred ports get and lose their addresses, each at two revisions and with one debt."""
    specs = [PortCreate(network_id=network_id, project_id="project")] * 300
    ports = await services.ports.create_bulk(ctx, specs)

    subnet = await services.subnets.create(ctx, slaac(network_id))
    made = [one for port in await services.ports.list(ctx, ListQuery()) for one in port.fixed_ips]
    await services.subnets.delete(ctx, subnet.id)

    assert len({one.ip_address for one in made}) == len(made) == 300
    assert {(debt.resource_id, debt.desired_revision) for debt in await owed(database)} == {
        (one.id, 3) for one in ports
    }
