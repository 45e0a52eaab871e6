"""Giving addresses: no duplicates however many ask at once, and all that there are."""

import asyncio
import ipaddress

import pytest
from jackfield_core.db.address import AddressTable
from jackfield_core.db.tree import NetworkTree
from jackfield_core.errors import Conflict
from jackfield_core.ipam.allocator import Allocator, PortAddresses
from jackfield_core.types import AllocationPool, FixedIp, FixedIpRequest
from msgspec.structs import replace


@pytest.fixture
def make_tree(unit_of_work, rows):
    """Store a network with subnets."""

    async def make(*cidrs):
        async with unit_of_work() as tx:
            return await rows.tree(tx, *cidrs)

    return make


@pytest.fixture
def create(unit_of_work, rows):
    """Make ports with addresses, in a transaction of their own; return the ports."""

    async def call(allocator, tree, *, count=1, fixed_ips=None, owner=""):
        drafts = [rows.port(tree.network, device_owner=owner) for _ in range(count)]
        async with unit_of_work() as tx:
            wanted = [PortAddresses(draft.id, draft.mac_address, owner, fixed_ips) for draft in drafts]
            given = await allocator.assign(tx, tree, wanted)
            ports = [replace(draft, fixed_ips=given[draft.id]) for draft in drafts]
            await tx.ports.add(*ports)
        return ports

    return call


@pytest.fixture
def remove(unit_of_work):
    """Purge ports."""

    async def call(*ports):
        async with unit_of_work() as tx:
            await tx.ports.purge([port.id for port in ports])

    return call


def addresses(*ports):
    return [fixed_ip.ip_address for port in ports for fixed_ip in port.fixed_ips]


async def test_addresses_are_given_in_order_from_the_first(make_tree, create):
    """A new subnet gives the address behind the gateway first."""
    allocator, tree = Allocator(), await make_tree("10.0.0.0/24")

    ports = await create(allocator, tree, count=3) + await create(allocator, tree)

    assert addresses(*ports) == ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"]
    assert {fixed_ip.subnet_id for port in ports for fixed_ip in port.fixed_ips} == {tree.subnets[0].id}


async def test_a_port_gets_an_address_of_each_version(make_tree, create, unit_of_work):
    """IPv4, stateful IPv6 and the self-made address, each entered in the ledger."""
    tree = await make_tree("10.0.0.0/24", "2001:db8:1::/64", "2001:db8:2::/64")
    slaac = replace(tree.subnets[2], ipv6_address_mode="slaac")
    tree = NetworkTree(tree.network, (), (*tree.subnets[:2], slaac))

    (port,) = await create(Allocator(), tree)

    v4, v6, made = addresses(port)
    assert (v4, v6) == ("10.0.0.2", "2001:db8:1::2")
    assert ipaddress.ip_address(made) in ipaddress.ip_network("2001:db8:2::/64")
    async with unit_of_work.reading() as tables:
        for fixed_ip in port.fixed_ips:
            assert await tables.addresses.holder(fixed_ip.subnet_id, fixed_ip.ip_address) == port.id


async def test_concurrent_ports_get_different_addresses(make_tree, create):
    """32 requests at once share a subnet without a duplicate."""
    allocator, tree = Allocator(), await make_tree("10.0.0.0/24")

    made = await asyncio.gather(*(create(allocator, tree) for _ in range(32)))

    assert len(set(addresses(*(port for (port,) in made)))) == 32


async def test_processes_do_not_get_in_each_other_s_way(make_tree, create):
    """Several allocators, each with its own idea of what comes next, give different addresses."""
    tree = await make_tree("10.0.0.0/22")
    allocators = [Allocator() for _ in range(4)]

    made = await asyncio.gather(*(create(allocators[number % 4], tree, count=5) for number in range(32)))

    assert len(set(addresses(*(port for ports in made for port in ports)))) == 160


async def test_a_process_goes_on_where_it_found_something_free(make_tree, create, monkeypatch):
    """Behind 200 addresses in use a process looks for a gap once or twice, and not for every port."""
    looks = []
    look = AddressTable.gaps

    async def counted(*given, **more):
        looks.append(given)
        return await look(*given, **more)

    tree = await make_tree("10.0.0.0/24")
    await create(Allocator(), tree, count=200)
    monkeypatch.setattr(AddressTable, "gaps", counted)
    newcomer = Allocator()

    made = [await create(newcomer, tree) for _ in range(20)]

    assert len({*addresses(*(port for (port,) in made))}) == 20
    assert len(looks) <= 5


async def test_a_subnet_is_used_up_exactly(make_tree, create, remove):
    """Concurrent requests for more than a /27 has fill it to the last address; what is freed comes back."""
    allocators, tree = [Allocator(), Allocator()], await make_tree("10.0.0.0/27")

    results = await asyncio.gather(
        *(create(allocators[number % 2], tree) for number in range(32)), return_exceptions=True
    )

    made = [result[0] for result in results if not isinstance(result, BaseException)]
    refused = [result for result in results if isinstance(result, BaseException)]
    assert sorted(addresses(*made), key=ipaddress.ip_address) == [f"10.0.0.{place}" for place in range(2, 31)]
    assert [(type(one), one.type) for one in refused] == [(Conflict, "IpAddressGenerationFailure")] * 3
    assert tree.network.id in str(refused[0])

    await remove(made[3], made[17])
    again = await create(allocators[0], tree, count=2)
    assert sorted(addresses(*again)) == sorted(addresses(made[3], made[17]))
    with pytest.raises(Conflict):
        await create(allocators[1], tree)


async def test_a_bulk_that_does_not_fit_takes_nothing(make_tree, create):
    """Several ports are made together or not at all."""
    allocator, tree = Allocator(), await make_tree("10.0.0.0/28")
    with pytest.raises(Conflict):
        await create(allocator, tree, count=14)

    assert len(set(addresses(*await create(allocator, tree, count=13)))) == 13


async def test_the_next_subnet_is_used_when_one_is_full(make_tree, create):
    """Automatic addresses come from the first subnet of the version that has any."""
    allocator, tree = Allocator(), await make_tree("10.0.0.0/29", "10.0.1.0/29")

    ports = await create(allocator, tree, count=4) + await create(allocator, tree, count=3)

    assert sorted(addresses(*ports)) == [f"10.0.0.{place}" for place in range(2, 7)] + ["10.0.1.2", "10.0.1.3"]


async def test_a_named_subnet_is_not_exchanged_for_another(make_tree, create):
    """Who asks for an address of a full subnet is told that there is none."""
    allocator, tree = Allocator(), await make_tree("10.0.0.0/30", "10.0.1.0/24")
    wanted = (FixedIpRequest(tree.subnets[0].id),)
    assert addresses(*await create(allocator, tree, fixed_ips=wanted)) == ["10.0.0.2"]

    with pytest.raises(Conflict, match="No more IP addresses"):
        await create(allocator, tree, fixed_ips=wanted)


async def test_a_subnet_without_pools_gives_nothing_by_itself(make_tree, create):
    """Certain addresses can be asked for outside of the pools."""
    allocator, tree = Allocator(), await make_tree("10.0.0.0/24")
    tree = NetworkTree(tree.network, (), (replace(tree.subnets[0], allocation_pools=()),))

    with pytest.raises(Conflict, match="No more IP addresses"):
        await create(allocator, tree)
    assert addresses(*await create(allocator, tree, fixed_ips=(FixedIpRequest(None, "10.0.0.1"),))) == ["10.0.0.1"]


async def test_only_the_pools_are_given_away(make_tree, create):
    """Automatic addresses come from every pool, and from nowhere else."""
    allocator, tree = Allocator(), await make_tree("10.0.0.0/24")
    pools = (AllocationPool("10.0.0.10", "10.0.0.12"), AllocationPool("10.0.0.20", "10.0.0.21"))
    tree = NetworkTree(tree.network, (), (replace(tree.subnets[0], allocation_pools=pools),))

    ports = [(await create(allocator, tree))[0] for _ in range(5)]

    assert sorted(addresses(*ports)) == ["10.0.0.10", "10.0.0.11", "10.0.0.12", "10.0.0.20", "10.0.0.21"]


async def test_an_address_in_use_is_a_conflict(make_tree, create):
    """The second who asks for an address is told who has it: its subnet."""
    allocator, tree = Allocator(), await make_tree("10.0.0.0/24")
    wanted = (FixedIpRequest(None, "10.0.0.9"),)
    await create(allocator, tree, fixed_ips=wanted)

    with pytest.raises(Conflict, match=f"10.0.0.9 already allocated in subnet {tree.subnets[0].id}") as refusal:
        await create(allocator, tree, fixed_ips=wanted)
    assert refusal.value.type == "IpAddressAlreadyAllocated"


async def test_an_address_asked_for_twice_at_once_is_a_conflict(make_tree, create):
    """Two ports of one bulk request cannot have the same address either."""
    tree = await make_tree("10.0.0.0/24")
    with pytest.raises(Conflict) as refusal:
        await create(Allocator(), tree, count=2, fixed_ips=(FixedIpRequest(None, "10.0.0.9"),))

    assert refusal.value.type == "IpAddressAlreadyAllocated"


async def test_a_bulk_mixes_certain_and_automatic_addresses(make_tree, unit_of_work, rows):
    """An address that one port asks for is not guessed for another."""
    tree = await make_tree("10.0.0.0/24")
    ports = [rows.port(tree.network) for _ in range(3)]
    certain = (FixedIpRequest(None, "10.0.0.2"),)
    async with unit_of_work() as tx:
        given = await Allocator().assign(
            tx,
            tree,
            [
                PortAddresses(ports[0].id, ports[0].mac_address),
                PortAddresses(ports[1].id, ports[1].mac_address, fixed_ips=certain),
                PortAddresses(ports[2].id, ports[2].mac_address),
            ],
        )
        await tx.ports.add(*ports)

    flat = [fixed_ip.ip_address for port in ports for fixed_ip in given[port.id]]
    assert flat[1] == "10.0.0.2"
    assert len(set(flat)) == 3


async def test_a_bulk_costs_one_statement(make_tree, unit_of_work, rows, statements):
    """A hundred ports of a fresh subnet take their addresses in one insert."""
    tree = await make_tree("10.0.0.0/24", "2001:db8::/64")
    ports = [rows.port(tree.network) for _ in range(100)]
    async with unit_of_work() as tx:
        async with statements(tx.connection) as seen:
            await Allocator().assign(tx, tree, [PortAddresses(port.id, port.mac_address) for port in ports])
        await tx.ports.add(*ports)

    assert len(seen) == 1


async def test_a_lost_race_costs_few_statements(make_tree, create, unit_of_work, rows, statements):
    """A process whose idea of what comes next is all wrong is through after a few statements."""
    tree = await make_tree("10.0.0.0/22")
    await create(Allocator(), tree, count=500)
    ports = [rows.port(tree.network) for _ in range(100)]
    async with unit_of_work() as tx:
        async with statements(tx.connection) as seen:
            given = await Allocator().assign(tx, tree, [PortAddresses(port.id, port.mac_address) for port in ports])
        await tx.ports.add(*ports)

    assert len({fixed_ip for fixed_ips in given.values() for fixed_ip in fixed_ips}) == 100
    assert len(seen) <= 6


async def test_an_update_keeps_what_is_still_asked_for(make_tree, create, unit_of_work):
    """Only what is new is taken; what is no longer asked for is the caller's to release."""
    allocator, tree = Allocator(), await make_tree("10.0.0.0/24")
    (port,) = await create(allocator, tree)
    async with unit_of_work() as tx:
        wanted = (FixedIpRequest(tree.subnets[0].id), FixedIpRequest(None, "10.0.0.77"))
        given = await allocator.assign(
            tx, tree, [PortAddresses(port.id, port.mac_address, fixed_ips=wanted, held=port.fixed_ips)]
        )

    assert given[port.id] == (*port.fixed_ips, FixedIp(tree.subnets[0].id, "10.0.0.77"))


async def test_ipv6_addresses_are_countless(make_tree, create):
    """A /64 has more addresses than a database can count, and gives them like any other."""
    allocator, tree = Allocator(), await make_tree("2001:db8::/64")
    last = "2001:db8::ffff:ffff:ffff:ffff"

    assert addresses(*await create(allocator, tree, count=2)) == ["2001:db8::2", "2001:db8::3"]
    assert addresses(*await create(allocator, tree, fixed_ips=(FixedIpRequest(None, last),))) == [last]
