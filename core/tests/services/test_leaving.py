"""What nobody has any more is free when the drivers that knew of it have heard, and not before.

The drivers of these tests are rows of the ledger: a test says when one of them
has acknowledged what it is owed.
"""

from typing import Any

import pytest
from jackfield_core.db import address, delivery, leaving, network, port, segment, subnet
from jackfield_core.db.forgetting import forget_kinds
from jackfield_core.db.port import Binding, Port
from jackfield_core.errors import Conflict
from jackfield_core.services.spec import PortCreate, PortUpdate, SubnetCreate
from jackfield_core.types import BindingLevel, Kind
from msgspec.structs import replace
from support.silent_cloud import CTX, MAC, Cloud


async def test_an_address_that_an_update_takes_away(cloud: Cloud, network_id: str) -> None:
    """It goes to nobody else before the last driver has heard of the update."""
    one = await cloud.port(network_id, "192.0.2.5", MAC.format(1))
    for driver in "ab":
        await cloud.pay(driver)
    await cloud.readdress(one.id, "192.0.2.6")
    await cloud.pay("a")

    with pytest.raises(Conflict, match="already allocated"):
        await cloud.port(network_id, "192.0.2.5", MAC.format(2))
    await cloud.pay("b")

    assert (await cloud.port(network_id, "192.0.2.5", MAC.format(2))).fixed_ips[0].ip_address == "192.0.2.5"


async def test_a_port_may_have_back_what_it_let_go_of(cloud: Cloud, network_id: str) -> None:
    """Its address and its MAC address are its own again at once, and stay so when drivers hear of all that."""
    one = await cloud.port(network_id, "192.0.2.5", MAC.format(1))
    await cloud.readdress(one.id, "")
    await cloud.ports.update(CTX, one.id, PortUpdate(mac_address=MAC.format(2)))
    await cloud.readdress(one.id, "192.0.2.5")
    await cloud.ports.update(CTX, one.id, PortUpdate(mac_address=MAC.format(1)))

    for driver in "ab":
        await cloud.pay(driver)

    assert await cloud.held(network_id) == {"192.0.2.5", MAC.format(1)}


async def test_a_mac_address_that_an_update_takes_away(cloud: Cloud, network_id: str) -> None:
    """Neither a new port nor another one gets it before the last driver has heard."""
    one = await cloud.port(network_id, "", MAC.format(1))
    two = await cloud.port(network_id, "", MAC.format(2))
    await cloud.ports.update(CTX, one.id, PortUpdate(mac_address=MAC.format(3)))
    await cloud.pay("a")

    with pytest.raises(Conflict, match=MAC.format(1)):
        await cloud.port(network_id, "", MAC.format(1))
    with pytest.raises(Conflict, match=MAC.format(1)):
        await cloud.ports.update(CTX, two.id, PortUpdate(mac_address=MAC.format(1)))
    await cloud.pay("b")

    assert (await cloud.ports.update(CTX, two.id, PortUpdate(mac_address=MAC.format(1)))).mac_address == MAC.format(1)


async def test_a_segment_that_is_removed(cloud: Cloud, network_id: str) -> None:
    """Users do not see it any more; its VLAN is another's when the last driver has heard of it."""
    id = await cloud.segment(network_id, 100)
    other = await cloud.network()
    for driver in "ab":
        await cloud.pay(driver)
    await cloud.segments.delete(CTX, id)
    await cloud.pay("a")

    assert [one.network_type for one in (await cloud.networks.get(CTX, network_id)).segments] == ["vxlan"]
    with pytest.raises(Conflict, match="100"):
        await cloud.segment(other, 100)
    await cloud.pay("b")

    await cloud.segment(other, 100)
    assert await cloud.count(segment.table) == 3


async def _bound_to(cloud: Cloud, network_id: str, segment_id: str) -> Port:
    """Create a port that is bound to a segment, as all drivers know."""
    port = await cloud.port(network_id, "", MAC.format(1))
    async with cloud.work() as tx:
        bound = replace(port, binding=Binding(host="host1", vif_type="ovs"))
        await tx.ports.update_binding(bound, (BindingLevel(0, "a", segment_id),))
    for driver in "ab":
        await cloud.pay(driver)
    return port


@pytest.mark.parametrize("by", ["hearing", "forgetting", "its end"])
async def test_a_segment_that_a_port_has_just_left(cloud: Cloud, network_id: str, by: str) -> None:
    """Its number is not free while a device may still have the port on it, although all have heard of the network."""
    segment_id = await cloud.segment(network_id, 100)
    left = await _bound_to(cloud, network_id, segment_id)
    await cloud.ports.update(CTX, left.id, PortUpdate(host=""))
    if by == "its end":
        await cloud.ports.delete(CTX, left.id)
    await cloud.segments.delete(CTX, segment_id)
    await cloud.put_off(Kind.PORT)
    for driver in "ab":
        await cloud.pay(driver)

    assert "100" in await cloud.held(network_id)
    await cloud.put_off(Kind.PORT, seconds=-60)
    await cloud.pay("a")
    assert "100" in await cloud.held(network_id)
    await (cloud.forget("b") if by == "forgetting" else cloud.pay("b"))

    assert "100" not in await cloud.held(network_id)


async def test_a_port_that_a_driver_refuses_keeps_no_segment(cloud: Cloud, network_id: str) -> None:
    """What no driver has ever accepted is on no device."""
    segment_id = await cloud.segment(network_id, 100)
    await cloud.port(network_id, "", MAC.format(1))
    await cloud.refuse("a", Kind.PORT)
    await cloud.pay("b")

    await cloud.segments.delete(CTX, segment_id)
    for driver in "ab":
        await cloud.pay(driver)

    assert "100" not in await cloud.held(network_id)


async def test_what_concerns_nobody_is_free_at_once(cloud: Cloud, network_id: str, creditors: Any) -> None:
    """Without a driver to tell there is nothing to wait for."""
    creditors.drivers = []
    one = await cloud.port(network_id, "192.0.2.5", MAC.format(1))
    id = await cloud.segment(network_id, 100)

    await cloud.readdress(one.id, "192.0.2.6")
    await cloud.ports.update(CTX, one.id, PortUpdate(mac_address=MAC.format(2)))
    await cloud.segments.delete(CTX, id)

    assert await cloud.held(network_id) == {"192.0.2.6", MAC.format(2)}


@pytest.mark.parametrize("gives_up", ["the operator", "the driver"])
async def test_debts_that_are_given_up_keep_nothing(cloud: Cloud, network_id: str, gives_up: str) -> None:
    """What only waited for a driver is free when an operator forgets its debts, or it wants to hear of nothing."""
    one = await cloud.port(network_id, "192.0.2.5", MAC.format(1))
    await cloud.readdress(one.id, "192.0.2.6")
    id = await cloud.segment(network_id, 100)
    await cloud.segments.delete(CTX, id)
    await cloud.pay("a")

    if gives_up == "the operator":
        await cloud.forget("b")
    else:
        async with cloud.work() as tx:
            await forget_kinds(tx, "b", [*Kind], (), ())

    assert await cloud.held(network_id) == {"192.0.2.6", MAC.format(1)}


async def test_a_subnet_that_comes_back_finds_addresses_in_use(cloud: Cloud, network_id: str) -> None:
    """Of the former subnet a port is still ending, and another one still leaving its address: both are taken."""
    ending = await cloud.port(network_id, "192.0.2.5", MAC.format(1))
    moving = await cloud.port(network_id, "192.0.2.6", MAC.format(2))
    for driver in "ab":
        await cloud.pay(driver)
    await cloud.ports.delete(CTX, ending.id)
    await cloud.readdress(moving.id, "")
    (former,) = (await cloud.networks.get(CTX, network_id)).subnets
    await cloud.subnets.delete(CTX, former.id)
    await cloud.subnet(network_id)
    await cloud.pay("a")

    for taken in ("192.0.2.5", "192.0.2.6"):
        with pytest.raises(Conflict, match="already allocated"):
            await cloud.port(network_id, taken, MAC.format(3))
    await cloud.readdress(moving.id, "192.0.2.6")
    await cloud.pay("a")
    await cloud.pay("b")

    await cloud.port(network_id, "192.0.2.5", MAC.format(3))
    assert await cloud.held(network_id) == {"192.0.2.5", "192.0.2.6", MAC.format(2), MAC.format(3)}
    assert await cloud.count(subnet.table) == 1


async def test_self_made_addresses_go_with_their_subnet(cloud: Cloud) -> None:
    """The subnet waits for the ports that are to lose their addresses, and goes with the last acknowledgement."""
    id = await cloud.network()
    spec = SubnetCreate(
        network_id=id, project_id="project", ip_version=6, cidr="2001:db8::/64", ipv6_address_mode="slaac"
    )
    slaac = await cloud.subnets.create(CTX, spec)
    for number in (1, 2):
        await cloud.port(id, None, MAC.format(number))
    for driver in "ab":
        await cloud.pay(driver)
    await cloud.subnets.delete(CTX, slaac.id)
    await cloud.pay("a")
    tables = (subnet.table, address.table, leaving.table)
    assert [await cloud.count(table) for table in tables] == [1, 2, 2]

    await cloud.pay("b", limit=1)

    assert [await cloud.count(table) for table in tables] == [0, 0, 0]


@pytest.mark.parametrize("owner", ["network:dhcp", "network:router_gateway"])
async def test_ports_of_services_keep_nothing_from_going(cloud: Cloud, network_id: str, owner: str) -> None:
    """A DHCP port loses its address with the subnet and ends with the network; of any other port both wait."""
    id = (await cloud.networks.get(CTX, network_id)).subnets[0].id
    spec = PortCreate(network_id=network_id, project_id="project", device_owner=owner)
    served = await cloud.ports.create(CTX, spec)

    if owner != "network:dhcp":
        with pytest.raises(Conflict, match="IP allocation"):
            await cloud.subnets.delete(CTX, id)
        with pytest.raises(Conflict, match="ports still in use"):
            await cloud.networks.delete(CTX, network_id)
        return
    await cloud.subnets.delete(CTX, id)
    assert (await cloud.ports.get(CTX, served.id)).fixed_ips == ()
    await cloud.networks.delete(CTX, network_id)
    for driver in "ab":
        await cloud.pay(driver)

    tables = (network.table, subnet.table, port.table, address.table, leaving.table, delivery.table)
    assert [await cloud.count(table) for table in tables] == [0] * 6
