"""Addresses in use: unique per subnet, gone with their port, and gaps between them."""

import asyncio

import pytest
import sqlalchemy.exc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jackfield_core.db.address import Address


def at(subnet, position):
    return Address(subnet.id, f"192.0.2.{position}", position)


@pytest.fixture
async def tree(unit_of_work, rows):
    """Store a network with two subnets."""
    async with unit_of_work() as tx:
        return await rows.tree(tx, "192.0.2.0/24", "198.51.100.0/24")


@pytest.fixture
async def ports(unit_of_work, rows, tree):
    """Store a few ports."""
    made = [rows.port(tree.network) for _ in range(3)]
    async with unit_of_work() as tx:
        await tx.ports.add(*made)
    return made


async def test_an_address_is_given_once(unit_of_work, tree, ports):
    """Of two that want an address one gets it, and is told which of its addresses it got."""
    subnet = tree.subnets[0]
    async with unit_of_work() as tx:
        assert await tx.addresses.reserve([(at(subnet, 5), ports[0].id)]) == {(subnet.id, "192.0.2.5")}
    async with unit_of_work() as tx:
        wanted = [(at(subnet, position), ports[1].id) for position in (6, 5, 4)]
        won = await tx.addresses.reserve(wanted)

    assert won == {(subnet.id, "192.0.2.4"), (subnet.id, "192.0.2.6")}


async def test_the_same_address_of_another_subnet_is_another_address(unit_of_work, tree, ports):
    """Subnets of different networks may overlap."""
    first, second = tree.subnets
    async with unit_of_work() as tx:
        won = await tx.addresses.reserve([(at(first, 5), ports[0].id), (at(second, 5), ports[0].id)])

    assert len(won) == 2


async def test_many_addresses_are_one_statement(unit_of_work, tree, ports, statements):
    """A bulk request costs what a single one costs."""
    async with unit_of_work() as tx, statements(tx.connection) as seen:
        won = await tx.addresses.reserve([(at(tree.subnets[0], place), ports[0].id) for place in range(1, 101)])

    assert len(won) == 100
    assert len(seen) == 1


async def test_addresses_are_free_when_their_port_is_purged(unit_of_work, tree, ports):
    """A deleted port keeps its addresses until its row goes."""
    subnet, port = tree.subnets[0], ports[0]
    async with unit_of_work() as tx:
        await tx.addresses.reserve([(at(subnet, 5), port.id)])
    async with unit_of_work() as tx:
        await tx.ports.mark_deleted(port.id)
    async with unit_of_work.reading() as tables:
        assert await tables.addresses.holder(subnet.id, "192.0.2.5") == port.id
        assert not await tables.addresses.used_by_ports(subnet.id)

    async with unit_of_work() as tx:
        await tx.ports.purge([port.id])

    async with unit_of_work.reading() as tables:
        assert await tables.addresses.in_use(subnet.id) == []


async def test_an_address_without_its_port_cannot_be_committed(unit_of_work, tree):
    """Addresses may be taken before the port's row is there, but not without it."""
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        async with unit_of_work() as tx:
            await tx.addresses.reserve([(at(tree.subnets[0], 5), "nobody")])

    async with unit_of_work.reading() as tables:
        assert await tables.addresses.in_use(tree.subnets[0].id) == []


async def test_of_concurrent_requests_one_gets_the_address(unit_of_work, tree, ports):
    """Whoever comes while another transaction has the address waits for its end."""

    async def take(port):
        async with unit_of_work() as tx:
            won = await tx.addresses.reserve([(at(tree.subnets[0], 5), port.id)])
            await asyncio.sleep(0)
            return len(won)

    results = await asyncio.gather(*(take(ports[number % 3]) for number in range(12)))

    assert sorted(results) == [0] * 11 + [1]


async def test_an_address_that_was_rolled_back_is_given_to_who_waits(unit_of_work, tree, ports):
    """Waiting for another transaction ends well if that one fails."""
    subnet, taken = tree.subnets[0], asyncio.Event()

    async def give_up():
        async with unit_of_work() as tx:
            await tx.addresses.reserve([(at(subnet, 5), ports[0].id)])
            taken.set()
            await asyncio.sleep(0.05)
            raise RuntimeError("refused by a driver")

    async def wait():
        await taken.wait()
        async with unit_of_work() as tx:
            return await tx.addresses.reserve([(at(subnet, 5), ports[1].id)])

    failure, won = await asyncio.gather(give_up(), wait(), return_exceptions=True)

    assert isinstance(failure, RuntimeError)
    assert won == {(subnet.id, "192.0.2.5")}


async def test_gaps_are_ranges_between_addresses_in_use(unit_of_work, tree, ports):
    """Free positions come as ranges, lowest first, within the limits that are asked for."""
    subnet = tree.subnets[0]
    async with unit_of_work() as tx:
        await tx.addresses.reserve([(at(subnet, place), ports[0].id) for place in (2, 3, 7, 20, 250)])

        assert await tx.addresses.gaps(subnet.id, 2, 30, limit=9) == [(4, 6), (8, 19), (21, 30)]
        assert await tx.addresses.gaps(subnet.id, 1, 7, limit=9) == [(1, 1), (4, 6)]
        assert await tx.addresses.gaps(subnet.id, 1, 254, limit=2) == [(1, 1), (4, 6)]
        assert await tx.addresses.gaps(subnet.id, 2, 3, limit=9) == []
        assert await tx.addresses.gaps(subnet.id, 2, 4, limit=9) == [(4, 4)]
        assert await tx.addresses.gaps(tree.subnets[1].id, 1, 254, limit=9) == [(1, 254)]


async def test_gaps_of_a_large_ipv6_subnet_are_counted_too(unit_of_work, tree, ports):
    """Positions go up to 63 bits; addresses beyond are in use but have no position."""
    subnet, high = tree.subnets[0], (1 << 63) - 1
    async with unit_of_work() as tx:
        await tx.addresses.reserve(
            [(Address(subnet.id, "a", high), ports[0].id), (Address(subnet.id, "b", None), ports[0].id)]
        )

        assert await tx.addresses.gaps(subnet.id, 1, high, limit=9) == [(1, high - 1)]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(used=st.sets(st.integers(0, 30)), low=st.integers(0, 30), size=st.integers(0, 30), limit=st.integers(1, 40))
def test_gaps_are_what_is_left(gaps_of, used, low, size, limit):
    """For any addresses in use, the gaps are the free positions, merged into ranges."""
    free = [place for place in range(low, low + size + 1) if place not in used]

    found = gaps_of(used, low, low + size, limit)

    starts = [place for place in free if place == low or place - 1 not in free]
    assert [first for first, _ in found] == starts[:limit]
    assert all(set(range(first, last + 1)) <= set(free) for first, last in found)
    assert limit < len(starts) or sum(last - first + 1 for first, last in found) == len(free)


async def test_only_live_ports_keep_a_subnet_in_use(unit_of_work, tree, ports):
    """A subnet can go although ports of certain owners, or deleted ones, have addresses of it."""
    subnet = tree.subnets[0]
    async with unit_of_work() as tx:
        await tx.addresses.reserve([(at(subnet, 5), ports[0].id)])

        assert await tx.addresses.used_by_ports(subnet.id)
        assert not await tx.addresses.used_by_ports(subnet.id, except_owners=[""])
        assert not await tx.addresses.used_by_ports(tree.subnets[1].id)
