"""What users can do with ports."""

import asyncio
from typing import Any

import pytest
import sqlalchemy as sa
from jackfield_core.context import RequestContext
from jackfield_core.db.engine import Database
from jackfield_core.db.query import ListQuery
from jackfield_core.errors import Conflict, DriverRejected, Invalid, NotFound
from jackfield_core.services.services import Services
from jackfield_core.services.spec import (
    NetworkCreate,
    NetworkUpdate,
    PortCreate,
    PortUpdate,
    SubnetCreate,
    SubnetUpdate,
)
from jackfield_core.types import AllocationPool, FixedIpRequest
from jackfield_sdk.examples.loopback import Fabric


@pytest.fixture
async def network_id(services: Services, ctx: RequestContext) -> str:
    """Create a network with an IPv4 subnet."""
    id = (await services.networks.create(ctx, NetworkCreate(project_id="project"))).network.id
    subnet = SubnetCreate(network_id=id, project_id="project", ip_version=4, cidr="192.0.2.0/28")
    await services.subnets.create(ctx, subnet)
    return id


def a_port(network_id: str, **values: object) -> PortCreate:
    """Return a port to create."""
    return PortCreate(network_id=network_id, project_id="project", **values)  # type: ignore[arg-type]


async def test_port_on_a_host_is_bound(services: Services, ctx: RequestContext, network_id: str) -> None:
    """A port with a host has an address, a MAC, and the binding that the driver chose."""
    port = await services.ports.create(ctx, a_port(network_id, host="host-1"))

    assert port.binding.vif_type == "other"
    assert port.binding.vif_details["bound_drivers"] == {"0": "loopback"}
    assert port.fixed_ips[0].ip_address.startswith("192.0.2.")
    assert port.mac_address.startswith("fa:16:3e:")
    assert await services.ports.get(ctx, port.id) == port


async def test_rejected_port_gives_its_address_back(
    services: Services, ctx: RequestContext, network_id: str, fabric: Fabric
) -> None:
    """A port refused by a driver leaves its address to the next one."""
    fabric.reject("port", reason="the fabric is full")
    address = FixedIpRequest(ip_address="192.0.2.9")
    with pytest.raises(DriverRejected, match="the fabric is full"):
        await services.ports.create(ctx, a_port(network_id, fixed_ips=(address,)))
    fabric.accept()

    port = await services.ports.create(ctx, a_port(network_id, fixed_ips=(address,)))

    assert port.fixed_ips[0].ip_address == "192.0.2.9"


async def test_addresses_run_out(services: Services, ctx: RequestContext, network_id: str) -> None:
    """A /28 with a gateway has room for 13 ports, made by concurrent requests, and the 14th is refused."""
    ports = await asyncio.gather(*(services.ports.create(ctx, a_port(network_id)) for _ in range(13)))

    assert len({port.fixed_ips[0].ip_address for port in ports}) == 13
    with pytest.raises(Conflict) as refused:
        await services.ports.create(ctx, a_port(network_id))
    assert refused.value.type == "IpAddressGenerationFailure"


async def test_mac_address_is_given_once(services: Services, ctx: RequestContext, network_id: str) -> None:
    """A MAC address that another port of the network has is refused, at create and at update."""
    mac = "fa:16:3e:00:00:01"
    await services.ports.create(ctx, a_port(network_id, mac_address=mac))
    with pytest.raises(Conflict, match=mac):
        await services.ports.create(ctx, a_port(network_id, mac_address=mac))
    other = await services.ports.create(ctx, a_port(network_id))
    with pytest.raises(Conflict, match=mac):
        await services.ports.update(ctx, other.id, PortUpdate(mac_address=mac))


async def test_update_exchanges_addresses(services: Services, ctx: RequestContext, network_id: str) -> None:
    """Addresses that are asked for stay or come, others go; they are still the port's until the driver has heard."""
    five, six, seven = (FixedIpRequest(ip_address=f"192.0.2.{number}") for number in (5, 6, 7))
    port = await services.ports.create(ctx, a_port(network_id, fixed_ips=(five, six)))

    changed = await services.ports.update(ctx, port.id, PortUpdate(fixed_ips=(six, seven)))

    assert [one.ip_address for one in changed.fixed_ips] == ["192.0.2.6", "192.0.2.7"]
    with pytest.raises(Conflict, match="already allocated"):
        await services.ports.create(ctx, a_port(network_id, fixed_ips=(five,)))
    await services.ports.update(ctx, port.id, PortUpdate(fixed_ips=(five, six)))


async def test_host_comes_and_goes(services: Services, ctx: RequestContext, network_id: str) -> None:
    """A port is bound when it gets a host and unbound when it loses it."""
    port = await services.ports.create(ctx, a_port(network_id))
    assert port.binding.vif_type == "unbound"

    bound = await services.ports.update(ctx, port.id, PortUpdate(host="host-1"))
    renamed = await services.ports.update(ctx, port.id, PortUpdate(name="web"))
    unbound = await services.ports.update(ctx, port.id, PortUpdate(host=""))

    assert (bound.binding.vif_type, renamed.binding, unbound.binding.vif_type) == ("other", bound.binding, "unbound")
    assert renamed.revision_number == 3


async def test_port_follows_a_changed_subnet(services: Services, ctx: RequestContext, network_id: str) -> None:
    """A subnet that changed after its network was remembered is seen by the next port."""
    await services.ports.create(ctx, a_port(network_id))
    (subnet,) = await services.subnets.list(ctx, ListQuery())
    pool = AllocationPool("192.0.2.14", "192.0.2.14")
    await services.subnets.update(ctx, subnet.id, SubnetUpdate(allocation_pools=(pool,)))

    port = await services.ports.create(ctx, a_port(network_id))

    assert port.fixed_ips[0].ip_address == "192.0.2.14"


async def test_port_of_a_deleted_network_is_not_found(services: Services, ctx: RequestContext) -> None:
    """A network that was deleted after it was remembered gets no more ports."""
    id = (await services.networks.create(ctx, NetworkCreate(project_id="project"))).network.id
    port = await services.ports.create(ctx, a_port(id))
    await services.ports.delete(ctx, port.id)
    await services.networks.delete(ctx, id)

    with pytest.raises(NotFound):
        await services.ports.create(ctx, a_port(id))


async def test_subnet_in_use_cannot_be_deleted(services: Services, ctx: RequestContext, network_id: str) -> None:
    """A subnet is in use as long as a port has an address of it."""
    port = await services.ports.create(ctx, a_port(network_id))
    subnet_id = port.fixed_ips[0].subnet_id
    with pytest.raises(Conflict):
        await services.subnets.delete(ctx, subnet_id)

    await services.ports.delete(ctx, port.id)
    await services.subnets.delete(ctx, subnet_id)


async def test_overlapping_subnets_are_refused(services: Services, ctx: RequestContext, network_id: str) -> None:
    """Two subnets of a network share no address."""
    spec = SubnetCreate(network_id=network_id, project_id="project", ip_version=4, cidr="192.0.2.0/24")
    with pytest.raises(Invalid, match="overlaps"):
        await services.subnets.create(ctx, spec)


async def test_ipv6_address_comes_from_the_mac(services: Services, ctx: RequestContext, network_id: str) -> None:
    """On a SLAAC subnet a port has the address that its MAC makes."""
    spec = SubnetCreate(
        network_id=network_id,
        project_id="project",
        ip_version=6,
        cidr="2001:db8::/64",
        ipv6_address_mode="slaac",
        ipv6_ra_mode="slaac",
    )
    await services.subnets.create(ctx, spec)

    port = await services.ports.create(ctx, a_port(network_id, mac_address="fa:16:3e:00:00:01"))

    assert {one.ip_address for one in port.fixed_ips} >= {"2001:db8::f816:3eff:fe00:1"}
    assert len(port.fixed_ips) == 2


async def test_update_keeps_what_the_host_reports_meanwhile(
    services: Services, ctx: RequestContext, network_id: str, database: Database
) -> None:
    """A report that arrives between reading a port and writing it is not overwritten."""
    port = await services.ports.create(ctx, a_port(network_id, host="host-1"))
    get = services.ports.get

    async def get_and_be_overtaken(*args: Any) -> Any:
        found = await get(*args)
        async with database.writing() as connection:
            await connection.execute(sa.text("UPDATE port SET status = 'ACTIVE'"))
        return found

    services.ports.get = get_and_be_overtaken  # type: ignore[method-assign]
    await services.ports.update(ctx, port.id, PortUpdate(name="web"))

    changed = await get(ctx, port.id)
    assert (changed.name, changed.status) == ("web", "ACTIVE")


async def test_bound_port_keeps_its_mac_address(services: Services, ctx: RequestContext, network_id: str) -> None:
    """The guest of a bound port uses its MAC; unbound it may change, to the same one always."""
    port = await services.ports.create(ctx, a_port(network_id, host="host-1"))
    other = PortUpdate(mac_address="fa:16:3e:00:00:02")

    with pytest.raises(Conflict) as refused:
        await services.ports.update(ctx, port.id, other)

    assert refused.value.type == "PortBound"
    assert await services.ports.update(ctx, port.id, PortUpdate(mac_address=port.mac_address)) == port
    await services.ports.update(ctx, port.id, PortUpdate(host=""))
    assert (await services.ports.update(ctx, port.id, other)).mac_address == other.mac_address


async def test_update_of_nothing_is_neither_judged_nor_owed(
    services: Services, ctx: RequestContext, network_id: str, fabric: Fabric, database: Database
) -> None:
    """A driver that refuses everything does not hear of an update that changes nothing, and is owed nothing."""
    port = await services.ports.create(ctx, a_port(network_id, host="host-1"))
    (subnet,) = await services.subnets.list(ctx, ListQuery())
    async with database.writing() as connection:
        await connection.execute(sa.text("UPDATE delivery SET owed = false"))
    for kind in ("network", "subnet", "port"):
        fabric.reject(kind, reason="no")

    await services.networks.update(ctx, network_id, NetworkUpdate(admin_state_up=True))
    await services.subnets.update(ctx, subnet.id, SubnetUpdate(gateway_ip=subnet.gateway_ip))
    await services.ports.update(ctx, port.id, PortUpdate(host="host-1", profile={}))

    async with database.reading() as connection:
        assert (await connection.execute(sa.text("SELECT count(*) FROM delivery WHERE owed"))).scalar_one() == 0
