"""Networks that a process remembers, and that bindings make grow behind its back."""

import pytest
from jackfield_core.db.attempts import Stale
from jackfield_core.services.trees import NetworkTrees


async def levels_of(racks, port):
    """Return the levels of a port's binding."""
    async with racks.yard.unit_of_work.reading() as tables:
        return (await tables.ports.levels([port.id]))[port.id]


async def test_the_end_of_a_port_is_judged_with_the_segments_it_was_on(racks):
    """Another process bound it: what this one remembers of the network is older, and is not what drivers are shown."""
    work = racks.yard.unit_of_work
    trees = NetworkTrees(work)
    before = (await trees.get([racks.network_id]))[racks.network_id]
    levels = await levels_of(racks, await racks.port("host-1"))
    ids = [level.segment_id for level in levels]

    async with work() as tx:
        found = await trees.with_levels(tx, racks.network_id, levels)

    assert not before.has_segments(ids)
    assert found.has_segments(ids)
    assert found == await racks.tree()


async def test_a_network_that_a_binding_made_grow_is_remembered_so(racks):
    """The next port of the rack finds the segment without a look into the database."""
    work = racks.yard.unit_of_work
    trees = NetworkTrees(work)
    old = await trees.get([racks.network_id])
    await racks.port("host-1")
    new = {racks.network_id: await racks.tree()}

    async with work() as tx:
        await trees.hold(tx, new)
    assert await trees.get([racks.network_id]) == new

    with pytest.raises(Stale):
        async with work() as tx:
            await trees.hold(tx, old)
