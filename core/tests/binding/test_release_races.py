"""One port binds while the last one leaves: whoever is first, the port has a segment that its network has."""

import asyncio
import random

import pytest
from jackfield_core.ipam.allocator import Allocator
from jackfield_core.services.port_binding import BindingSpec
from support.silent_cloud import CTX


async def has_its_segments(racks, port_id):
    """Return whether a port is bound at two levels, both to segments of its network."""
    async with racks.yard.unit_of_work.reading() as tables:
        levels = (await tables.ports.levels([port_id]))[port_id]
    return len(levels) == 2 and (await racks.tree()).has_segments([level.segment_id for level in levels])


async def test_a_segment_that_goes_while_a_port_is_bound_to_it_is_had_anew(racks):
    """Drivers answered for a segment that is gone when their answer is written down: they are asked again."""
    port = await racks.port("host-1")
    await racks.pay()
    await racks.delete(port)
    await racks.pay()
    gone = []

    async def look():
        await racks.look()
        gone.append(await racks.leaves())

    racks.meanwhile = look
    second = await racks.port("host-2")

    assert gone == [[]]
    assert await racks.leaves() == ["leaf1"]
    assert await has_its_segments(racks, second.id)
    assert racks.ovs.asked[-1].segments[0].physical_network == "leaf1"


async def test_a_migration_binds_while_the_segment_goes(racks):
    """A binding that waits is written down for a segment that is there, too."""
    port = await racks.port("host-1", device_owner="compute:nova")
    await racks.pay()
    racks.meanwhile = racks.look
    await racks.cloud.bindings.create(CTX, port.id, "host-3", BindingSpec())

    async with racks.yard.unit_of_work.reading() as tables:
        (waiting,) = await tables.inactive_bindings.of_port(port.id)
    assert waiting.levels[-1].segment_id in {segment.id for segment in (await racks.tree()).segments}
    assert await racks.leaves() == ["leaf1", "leaf2"]


async def test_who_looks_waits_for_a_port_that_is_being_written_down(racks, database, monkeypatch):
    """The transaction of a port keeps its network as it is, and afterwards the segment is in use."""
    if not database.is_postgresql:
        pytest.skip("one transaction waits for the other")
    port = await racks.port("host-1")
    await racks.pay()
    await racks.delete(port)
    await racks.pay()
    looks, assign = [], Allocator.assign

    async def interrupted(*args, **kwargs):
        looks.append(asyncio.create_task(racks.look()))
        found = await assign(*args, **kwargs)
        # It has looked around by now, or waits for the lock; either way the port is first.
        await asyncio.sleep(0)
        return found

    monkeypatch.setattr(Allocator, "assign", interrupted)
    second = await racks.port("host-2")
    await asyncio.wait_for(asyncio.gather(*looks), 60)

    assert await racks.leaves() == ["leaf1"]
    assert await has_its_segments(racks, second.id)


async def test_ports_come_and_go_on_all_racks_while_somebody_looks(racks):
    """However they meet, no port is on a segment that is gone, and in the end nothing is left of any."""
    ending = asyncio.Event()

    async def guest(number):
        for turn in range(3):
            port = await racks.port(f"host-{1 + (number + turn) % 3}")
            await racks.move(port, f"host-{random.randint(1, 3)}")
            assert await has_its_segments(racks, port.id)
            await racks.delete(port)

    async def drivers():
        grace = 0.03
        while not ending.is_set():
            await racks.pay()
            await racks.look(grace)
            # Far below what a core grants, so that they do meet; on a busy machine nobody would ever be through.
            grace += 0.01
            await asyncio.sleep(0.01)

    background = asyncio.create_task(drivers())
    try:
        await asyncio.wait_for(asyncio.gather(*(guest(number) for number in range(4))), 90)
    finally:
        ending.set()
        await asyncio.wait_for(background, 60)

    await racks.pay()
    await racks.look()
    await racks.pay()
    assert (await racks.leaves(), await racks.vlans()) == ([], 0)
