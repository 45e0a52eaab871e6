"""All type drivers together: what networks get, and that no number is given twice."""

import asyncio
import sys
from importlib.metadata import EntryPoint

import pytest
from jackfield_core import config
from jackfield_core.db.segment import SegmentRange
from jackfield_core.errors import Exhausted, Invalid
from jackfield_core.segments import manager as manager_module
from jackfield_core.segments import pool
from jackfield_core.segments.local import LocalTypeDriver
from jackfield_core.segments.manager import SegmentManager
from jackfield_core.types import SegmentSpec


def segment_settings(*types, **ranges):
    sections = {name: config.TypeDriverSettings(ranges=texts) for name, texts in ranges.items()}
    return config.Segments(project_network_types=list(types), **sections)


@pytest.fixture
async def small(unit_of_work):
    """Make a manager with 12 VLANs on two physical networks and 4 VXLAN numbers for projects."""
    segments = SegmentManager(segment_settings("vlan", "vxlan", vlan=["leaf1:100:107", "leaf2:100:103"], vxlan=["1:4"]))
    async with unit_of_work() as tx:
        await segments.bootstrap(tx)
    return segments


@pytest.fixture
def allocate(unit_of_work, rows):
    """Make a network with a segment from the pools; return both."""

    async def call(segments):
        async with unit_of_work() as tx:
            tree = await rows.tree(tx)
            (segment,) = await segments.allocate(tx, tree.network.id)
        return segment

    return call


def numbers(segments):
    return [(one.network_type, one.physical_network, one.segmentation_id) for one in segments]


def test_the_types_of_the_distribution_are_installed():
    """Type drivers are found by entry point, ours like those of others."""
    assert {"flat", "geneve", "gre", "local", "vlan", "vxlan"} <= set(SegmentManager(config.Segments()).types)


def test_a_type_can_be_added_from_outside(monkeypatch):
    """A class under the entry point group is a network type, with settings of its own."""
    module = type(sys)("another_distribution")
    module.Driver = type("Driver", (LocalTypeDriver,), {"network_type": "stt"})
    monkeypatch.setitem(sys.modules, module.__name__, module)
    point = EntryPoint("stt", "another_distribution:Driver", "jackfield.type_drivers")
    monkeypatch.setattr(manager_module, "entry_points", lambda group: [point])

    segments = SegmentManager(config.Segments(project_network_types=["stt"], stt={"ranges": []}))

    segments.validate([SegmentSpec("stt")])


async def test_the_next_type_is_tried_when_one_is_used_up(small, allocate):
    """Projects get all that the types in the settings have, in their order, and then an error."""
    taken = [await allocate(small) for _ in range(16)]

    assert [one.network_type for one in taken] == ["vlan"] * 12 + ["vxlan"] * 4
    assert len(set(numbers(taken))) == 16
    with pytest.raises(Exhausted) as refusal:
        await allocate(small)
    assert refusal.value.type == "NoNetworkAvailable"


async def test_a_number_comes_back_when_its_network_goes(small, allocate, unit_of_work):
    """A pool that was full has exactly what was freed."""
    taken = [await allocate(small) for _ in range(16)]
    async with unit_of_work() as tx:
        await tx.networks.purge([taken[5].network_id])

    assert numbers([await allocate(small)]) == numbers([taken[5]])


async def test_concurrent_networks_get_different_numbers(small, allocate):
    """Requests for more than there is share all of it, without a duplicate and without a gap."""
    results = await asyncio.gather(*(allocate(small) for _ in range(32)), return_exceptions=True)

    taken = [one for one in results if not isinstance(one, BaseException)]
    assert sorted(numbers(taken)) == sorted(
        [("vlan", "leaf1", number) for number in range(100, 108)]
        + [("vlan", "leaf2", number) for number in range(100, 104)]
        + [("vxlan", None, number) for number in range(1, 5)],
        key=lambda one: (one[0], one[1] or "", one[2]),
    )
    assert all(isinstance(one, Exhausted) for one in results if isinstance(one, BaseException))


async def test_a_rolled_back_network_leaves_its_number_free(small, unit_of_work, rows):
    """Neither the segment nor its number remains of a transaction that fails."""

    async def refused():
        async with unit_of_work() as tx:
            tree = await rows.tree(tx)
            await small.reserve(tx, tree.network.id, [SegmentSpec("vlan", "leaf1", 7)])
            raise RuntimeError("refused by a driver")

    with pytest.raises(RuntimeError):
        await refused()

    async with unit_of_work() as tx:
        assert await tx.segments.free_number("vlan", "leaf1", 7, 7) == 7


async def test_a_full_pool_is_noticed_without_reading_it(unit_of_work, rows, statements):
    """A full range of all VLANs costs a handful of statements, none of which returns the numbers in use."""
    segments = SegmentManager(segment_settings("vlan", vlan=["leaf1:1:4094"]))
    async with unit_of_work() as tx:
        await segments.bootstrap(tx)
        tree = await rows.tree(tx)
        holder = rows.segment(tree.network)
        await tx.segments.add(holder)
        for number in range(1, 4095):
            await tx.segments.reserve("vlan", "leaf1", number, holder.id)

    async with unit_of_work() as tx:
        async with statements(tx.connection) as seen:
            assert await segments.types["vlan"].allocate(tx, holder.id) is None
        assert len(seen) <= pool.PROBES + 3


async def test_the_last_free_number_is_found(unit_of_work, rows):
    """One number left of thousands is taken, wherever it is."""
    ranges = [SegmentRange("r", "vlan", "leaf1", 1, 500, is_default=True)]
    async with unit_of_work() as tx:
        tree = await rows.tree(tx)
        holder = rows.segment(tree.network)
        await tx.segments.add(holder)
        for number in set(range(1, 501)) - {321}:
            await tx.segments.reserve("vlan", "leaf1", number, holder.id)

        assert await pool.take(tx, ranges, holder.id) == SegmentSpec("vlan", "leaf1", 321)
        assert await pool.take(tx, ranges, holder.id) is None


async def test_a_dynamic_segment_is_of_the_physical_network_that_was_asked_for(small, unit_of_work, rows):
    """Each rack has its own numbers, and the segments of a network keep their order."""
    async with unit_of_work() as tx:
        tree = await rows.tree(tx)
        await small.allocate(tx, tree.network.id)
        first = await small.allocate_dynamic(tx, tree.network.id, "vlan", "leaf2", 1)
        other = await small.allocate_dynamic(tx, tree.network.id, "vlan", "leaf1", 2)
        stored = (await tx.segments.list_of_networks([tree.network.id]))[tree.network.id]

    assert (first.is_dynamic, first.physical_network, first.position) == (True, "leaf2", 1)
    assert (other.physical_network, other.position) == ("leaf1", 2)
    assert stored[1:] == [first, other]
    assert first.segmentation_id in range(100, 104)


async def test_a_dynamic_segment_of_an_unknown_type_or_an_empty_pool_is_refused(small, unit_of_work, rows):
    """The binder learns why there is no segment, and of which rack."""
    async with unit_of_work() as tx:
        tree = await rows.tree(tx)
        with pytest.raises(Invalid, match="not supported"):
            await small.allocate_dynamic(tx, tree.network.id, "stt", None, 1)
        with pytest.raises(
            Exhausted, match=r'^there is no range of vlan on physical_network "leaf9" to allocate from$'
        ):
            await small.allocate_dynamic(tx, tree.network.id, "vlan", "leaf9", 1)
        for position in range(4):
            await small.allocate_dynamic(tx, tree.network.id, "vlan", "leaf2", position)
        with pytest.raises(Exhausted, match=r'^all 4 numbers of vlan on physical_network "leaf2" are in use$'):
            await small.allocate_dynamic(tx, tree.network.id, "vlan", "leaf2", 4)


async def test_a_vlan_that_is_left_to_a_full_rack_names_it(small, unit_of_work, rows):
    """Whoever asks for any VLAN of a physical network is told which one has none left."""
    async with unit_of_work() as tx:
        tree = await rows.tree(tx)
        for _ in range(4):
            await small.reserve(tx, tree.network.id, [SegmentSpec("vlan", "leaf2")])
        with pytest.raises(Exhausted, match="on physical network leaf2") as refusal:
            await small.reserve(tx, tree.network.id, [SegmentSpec("vlan", "leaf2")])

    assert refusal.value.type == "NoNetworkAvailable"


async def test_a_restart_keeps_the_ranges(small, unit_of_work):
    """The same settings make the same rows, whoever writes them, and as often as they do."""
    async with unit_of_work() as tx:
        before = await tx.segments.ranges("vlan")

    async def start():
        async with unit_of_work() as tx:
            await small.bootstrap(tx)

    await asyncio.gather(*(start() for _ in range(5)))

    async with unit_of_work() as tx:
        assert await tx.segments.ranges("vlan") == before
