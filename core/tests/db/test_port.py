"""Ports: their MAC addresses are unique per network, and a binding is part of the value."""

import asyncio
from datetime import datetime

import pytest
import sqlalchemy.exc
from jackfield_core.db.described import describe_ports
from jackfield_core.db.port import Binding
from jackfield_core.db.query import ListQuery
from jackfield_core.types import AddressPair, BindingLevel, DhcpOption, FixedIp
from msgspec.structs import replace


@pytest.fixture
async def network(unit_of_work, rows):
    """Store a network."""
    network = rows.network()
    async with unit_of_work() as tx:
        await tx.networks.add(network)
    return network


async def test_a_port_is_read_as_it_was_written(unit_of_work, rows, network):
    """Every column, the structured ones too, survives the way to the table and back."""
    port = rows.port(
        network,
        fixed_ips=(FixedIp("s1", "192.0.2.5"), FixedIp("s2", "2001:db8::5")),
        allowed_address_pairs=(AddressPair("10.0.0.0/8", "fa:16:3e:00:00:01"),),
        extra_dhcp_opts=(DhcpOption("mtu", "1400"), DhcpOption("ä", '"\\', 6)),
        device_owner="compute:nova",
        binding=Binding(
            host="compute-1",
            vnic_type="direct",
            profile={"pci": ["0000:1"], "nested": {"a": None}},
            vif_type="ovs",
            vif_details={"bridge_name": "br-int"},
            wiring="error",
            wiring_reason="no such interface",
            failures=({"driver": "ovs", "level": 0, "reason": "no agent"},),
        ),
    )
    async with unit_of_work() as tx:
        assert list(await tx.ports.add(port)) == [port.id]

    async with unit_of_work.reading() as tables:
        assert await tables.ports.find(port.id) == port
        assert await tables.ports.list(ListQuery()) == [port]


async def test_a_mac_address_is_unique_on_its_network(unit_of_work, rows, network):
    """Of a bulk request the ports with free MAC addresses are inserted, and named."""
    first = rows.port(network)
    again, other = rows.port(network, mac_address=first.mac_address), rows.port(network)
    async with unit_of_work() as tx:
        await tx.ports.add(first)
    async with unit_of_work() as tx:
        assert list(await tx.ports.add(again, other)) == [other.id]

    async with unit_of_work.reading() as tables:
        assert {port.id for port in await tables.ports.list(ListQuery())} == {first.id, other.id}


async def test_two_networks_may_have_the_same_mac_address(unit_of_work, rows, network):
    """Networks are separate broadcast domains."""
    other = rows.network()
    port = rows.port(network)
    async with unit_of_work() as tx:
        await tx.networks.add(other)

        assert len(await tx.ports.add(port, rows.port(other, mac_address=port.mac_address))) == 2


async def test_a_deleted_port_holds_its_mac_address_until_it_is_purged(unit_of_work, rows, network):
    """A switch may still have the old port when the new one comes."""
    port = rows.port(network)
    async with unit_of_work() as tx:
        await tx.ports.add(port)
        await tx.ports.mark_deleted(port.id)
    again = rows.port(network, mac_address=port.mac_address)
    async with unit_of_work() as tx:
        assert list(await tx.ports.add(again)) == []
        await tx.ports.purge([port.id])
        assert list(await tx.ports.add(again)) == [again.id]


async def test_of_concurrent_ports_with_one_mac_address_one_is_made(unit_of_work, rows, network):
    """Who comes second waits, and then learns that it is too late."""
    mac_address = "fa:16:3e:00:00:77"

    async def create():
        async with unit_of_work() as tx:
            return len(await tx.ports.add(rows.port(network, mac_address=mac_address)))

    assert sorted(await asyncio.gather(*(create() for _ in range(8)))) == [0] * 7 + [1]


async def test_many_ports_are_two_statements(unit_of_work, rows, network, statements):
    """A bulk of ports costs one insert for the ports and one for their bindings."""
    ports = [rows.port(network) for _ in range(100)]
    async with unit_of_work() as tx:
        await tx.ports.add(rows.port(network), rows.port(network))  # the connection learns the types of arrays
        async with statements(tx.connection) as seen:
            added = await tx.ports.add(*ports)

    assert set(added) == {port.id for port in ports}
    assert len(seen) == 2


async def test_an_update_may_not_take_a_mac_address_that_is_in_use(unit_of_work, rows, network):
    """The database has the last word on duplicates."""
    first, second = rows.port(network), rows.port(network)
    async with unit_of_work() as tx:
        await tx.ports.add(first, second)

    with pytest.raises(sqlalchemy.exc.IntegrityError):
        async with unit_of_work() as tx:
            await tx.ports.update(replace(second, mac_address=first.mac_address))


async def test_a_new_binding_replaces_the_old_one_with_its_levels(unit_of_work, rows, network):
    """A port that moves has one binding, on its new host, with the levels found there."""
    port = rows.port(network, binding=Binding(host="h1", vif_type="ovs"))
    levels = (BindingLevel(0, "arista", "g1"), BindingLevel(1, "ovs", "g2"))
    async with unit_of_work() as tx:
        await tx.ports.add(port)
        await tx.ports.add_levels((port, levels))
    async with unit_of_work.reading() as tables:
        assert await tables.ports.levels([port.id, "another"]) == {port.id: levels}
        assert await tables.ports.uses_segment("g2")

    moved = replace(port, binding=Binding(host="h2", vif_type="tap"))
    async with unit_of_work() as tx:
        await tx.ports.update_binding(moved, (BindingLevel(0, "linuxbridge", "g3"),))

    async with unit_of_work.reading() as tables:
        assert await tables.ports.find(port.id) == moved
        assert await tables.ports.levels([port.id]) == {port.id: (BindingLevel(0, "linuxbridge", "g3"),)}
        assert not await tables.ports.uses_segment("g2")


async def test_a_network_with_ports_cannot_be_purged(unit_of_work, rows, network):
    """Ports go first; even a deleted one keeps its network's row."""
    port = rows.port(network)
    async with unit_of_work() as tx:
        await tx.ports.add(port)
        await tx.ports.mark_deleted(port.id)

    with pytest.raises(sqlalchemy.exc.IntegrityError):
        async with unit_of_work() as tx:
            await tx.networks.purge([network.id])


async def test_only_live_ports_use_a_network(unit_of_work, rows, network):
    """A deleted port does not, and ports that belong to the network's own services can be left out."""
    dead, served = rows.port(network), rows.port(network, device_owner="network:dhcp")
    async with unit_of_work() as tx:
        await tx.ports.add(dead)
        await tx.ports.mark_deleted(dead.id)
        assert not await tx.ports.uses_network(network.id)
        await tx.ports.add(served)

        assert await tx.ports.uses_network(network.id)
        assert not await tx.ports.uses_network(network.id, except_owners=["network:dhcp"])


async def test_ports_are_filtered_by_their_binding(unit_of_work, rows, network):
    """Attributes of the binding filter like any other."""
    here, there = (rows.port(network, binding=Binding(host=host)) for host in ("h1", "h2"))
    async with unit_of_work() as tx:
        await tx.ports.add(here, there)

        found = await tx.ports.list(ListQuery({"binding:host_id": ["h2", "h3"]}))

    assert [port.id for port in found] == [there.id]


async def test_drivers_are_told_all_of_a_port_that_concerns_them(unit_of_work, rows, network):
    """What drivers are told of a port is what is stored, with the levels of its binding in order."""
    binding = Binding("compute-1", "direct", {"pci": ["0000:1"], "ä": '"'}, "ovs", {"bridge_name": "br-int"})
    bound = rows.port(
        network,
        fixed_ips=(FixedIp("s1", "192.0.2.5"),),
        allowed_address_pairs=(AddressPair("10.0.0.0/8", "fa:16:3e:00:00:01"),),
        extra_dhcp_opts=(DhcpOption("mtu", "1400"),),
        binding=binding,
    )
    unbound = rows.port(network)
    levels = (BindingLevel(0, "fabric", "g1"), BindingLevel(1, "ovs", "g2"))
    async with unit_of_work() as tx:
        await tx.ports.add(bound, unbound)
        await tx.ports.add_levels((bound, levels[::-1]))

    async with unit_of_work.reading() as tables:
        described = await describe_ports(tables.connection, [bound.id, unbound.id, "another"])

    unread = {"created_at": datetime.min, "updated_at": datetime.min, "status": "", "description": ""}
    assert described == {bound.id: (replace(bound, **unread), levels), unbound.id: (replace(unbound, **unread), ())}
