"""Segments, the numbers that they hold, and the ranges that these come from."""

import pytest
import sqlalchemy.exc
from jackfield_core.db.query import ListQuery
from jackfield_core.db.segment import SegmentRange


@pytest.fixture
async def network(unit_of_work, rows):
    """Store a network."""
    network = rows.network()
    async with unit_of_work() as tx:
        await tx.networks.add(network)
    return network


async def reserve_all(tx, segment, numbers, physical_network="leaf1"):
    return [await tx.segments.reserve("vlan", physical_network, number, segment.id) for number in numbers]


async def test_a_number_is_reserved_once(unit_of_work, rows, network):
    """The second who wants a VLAN of a physical network does not get it."""
    first, second = rows.segment(network), rows.segment(network)
    async with unit_of_work() as tx:
        await tx.segments.add(first, second)
        assert await tx.segments.reserve("vlan", "leaf1", 7, first.id)
    async with unit_of_work() as tx:
        assert not await tx.segments.reserve("vlan", "leaf1", 7, second.id)
        assert await tx.segments.reserve("vlan", "leaf2", 7, second.id)
        assert await tx.segments.reserve("vxlan", None, 7, second.id)
        assert not await tx.segments.reserve("vxlan", None, 7, first.id)


async def test_a_physical_network_is_reserved_whole(unit_of_work, rows, network):
    """A flat network has no number, and still only one of them fits on a physical network."""
    segment = rows.segment(network)
    async with unit_of_work() as tx:
        await tx.segments.add(segment)
        assert await tx.segments.reserve("flat", "leaf1", None, segment.id)
        assert not await tx.segments.reserve("flat", "leaf1", None, segment.id)


async def test_numbers_are_free_when_their_network_is_purged(unit_of_work, rows, network):
    """A deleted network keeps its VLAN until its row goes."""
    segment = rows.segment(network)
    async with unit_of_work() as tx:
        await tx.segments.add(segment)
        await reserve_all(tx, segment, [7])
    async with unit_of_work() as tx:
        await tx.networks.mark_deleted(network.id)
        assert await tx.segments.free_number("vlan", "leaf1", 7, 7) is None

    async with unit_of_work() as tx:
        await tx.networks.purge([network.id])
        assert await tx.segments.free_number("vlan", "leaf1", 7, 7) == 7
        assert await tx.segments.find(segment.id) is None


async def test_a_number_without_its_segment_cannot_be_committed(unit_of_work):
    """A number may be reserved before the segment's row is there, but not without it."""
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        async with unit_of_work() as tx:
            await tx.segments.reserve("vlan", "leaf1", 7, "nobody")


async def test_the_lowest_free_number_of_a_range_is_found(unit_of_work, rows, network):
    """Gaps are found at the low end, in the middle, and at the high end."""
    segment = rows.segment(network)
    async with unit_of_work() as tx:
        await tx.segments.add(segment)
        await reserve_all(tx, segment, [10, 11, 13, 14, 16])
        await reserve_all(tx, segment, [12], "leaf2")

        async def free(low, high):
            return await tx.segments.free_number("vlan", "leaf1", low, high)

        assert await free(1, 20) == 1
        assert await free(10, 20) == 12
        assert await free(13, 20) == 15
        assert await free(16, 20) == 17
        assert await free(13, 15) == 15
        assert await free(13, 14) is None
        assert await free(16, 16) is None
        assert await free(17, 17) == 17


async def test_the_ranges_of_the_settings_follow_the_settings(unit_of_work):
    """New settings replace their own ranges and leave those of operators; the same ones change nothing."""
    by_operator = SegmentRange("o1", "vlan", "leaf1", 500, 599, is_default=False)
    old = SegmentRange("d1", "vlan", "leaf1", 100, 199, is_default=True)
    new = SegmentRange("d2", "vlan", "leaf2", 1, 0, is_default=True)

    async def ranges(*defaults):
        async with unit_of_work() as tx:
            await tx.segments.replace_default_ranges(defaults)
            return await tx.segments.ranges("vlan")

    async with unit_of_work() as tx:
        await tx.segments.replace_default_ranges([by_operator])  # what an operator's API would insert

    assert await ranges(old) == [old, by_operator]
    assert await ranges(old) == [old, by_operator]
    assert await ranges(new) == [by_operator, new]
    assert await ranges() == [by_operator]


async def test_ranges_are_those_of_one_type_and_physical_network(unit_of_work):
    """Ranges come lowest first, of one type, and of one physical network if it is named."""
    leaf = [SegmentRange(f"l{low}", "vlan", "leaf1", low, low + 9, is_default=True) for low in (200, 100)]
    other = SegmentRange("o", "vlan", "leaf0", 300, 309, is_default=True)
    vxlan = SegmentRange("x", "vxlan", "", 1, 100, is_default=True)
    async with unit_of_work() as tx:
        await tx.segments.replace_default_ranges([*leaf, other, vxlan])

        assert [one.minimum for one in await tx.segments.ranges("vlan")] == [300, 100, 200]
        assert [one.minimum for one in await tx.segments.ranges("vlan", "leaf1")] == [100, 200]
        assert await tx.segments.ranges("vlan", "leaf9") == []
        assert await tx.segments.ranges("vxlan") == [vxlan]


async def test_segments_of_a_network_keep_their_order(unit_of_work, rows, network):
    """The first provider segment stays the first, whatever its id."""
    segments = [rows.segment(network, position=position) for position in (2, 0, 1)]
    async with unit_of_work() as tx:
        await tx.segments.add(*segments)

        found = (await tx.segments.list_of_networks([network.id, "another"]))[network.id]

    assert [segment.position for segment in found] == [0, 1, 2]


async def test_segments_of_deleted_networks_are_not_listed(unit_of_work, rows, network):
    """What is hidden from users is hidden with its parts."""
    gone = rows.network()
    async with unit_of_work() as tx:
        await tx.networks.add(gone)
        await tx.segments.add(rows.segment(network, name="kept"), rows.segment(gone))
        await tx.networks.mark_deleted(gone.id)

        assert [segment.name for segment in await tx.segments.list(ListQuery())] == ["kept"]
