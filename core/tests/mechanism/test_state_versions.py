"""Which version of state a driver is told to write, and which driver is fit for it."""

import pytest
from jackfield.driver.v1 import capability_pb2
from jackfield_core.db.driver import DriverTable
from jackfield_core.mechanism.memory import change_record
from msgspec.structs import replace


def speaks(min_readable, writes):
    """Return what a driver says of its versions."""
    return capability_pb2.StateVersions(min_readable=min_readable, writes=writes)


@pytest.fixture
def start(world, database):
    """Return a function that starts a process of the driver, and a core that dials it."""

    async def start(fabric, **options):
        await fabric.stop()
        await fabric.start()
        return await world.core(fabric, database=database, reconnect_interval=0.05, health_interval=0.05, **options)

    return start


async def pinned(database):
    """Return the version of state that the database holds for the driver."""
    async with database.reading() as connection:
        return (await DriverTable(connection).list())["fabric"].state_version


async def test_first_handshake_pins_the_version(world, database, start):
    """A driver that is new is told nothing, and what it writes is pinned; later it is told that."""
    fabric = await world.driver("fabric", start=False)
    fabric.states = speaks(1, 2)
    core = await start(fabric)
    assert not fabric.requests("Handshake")[0].HasField("write_state_version")
    assert await pinned(database) == 2
    await core.registry.stop()

    fabric.states = speaks(2, 3)
    again = await start(fabric)

    assert fabric.requests("Handshake")[-1].write_state_version == 2
    assert again.entry(fabric).handshake.told_state_version == 2
    assert await pinned(database) == 2


@pytest.mark.parametrize(("versions", "says"), [((1, 1), "writes 1 at most"), ((3, 4), "reads none before 3")])
async def test_driver_that_cannot_keep_the_states_is_not_called(world, database, start, versions, says):
    """A driver rolled back too far, or one too new, is unfit; one that fits is taken."""
    fabric = await world.driver("fabric", start=False)
    fabric.states = speaks(2, 2)
    await (await start(fabric)).registry.stop()

    fabric.states = speaks(*versions)
    core = await start(fabric, wait=False)
    await world.eventually(lambda: says in core.entry(fabric).reason)
    assert (core.entry(fabric).condition, await pinned(database)) == ("failed", 2)

    fabric.states = speaks(1, 3)
    await core.until_ready(fabric)


async def test_driver_without_states_is_not_judged(world, database, start):
    """Who keeps no states is bound to no version, and the pin outlives him."""
    fabric = await world.driver("fabric", start=False)
    fabric.states = speaks(2, 2)
    await (await start(fabric)).registry.stop()

    fabric.states = None
    await start(fabric)

    assert await pinned(database) == 2


async def test_new_pin_is_told_to_the_running_driver(world, database, start):
    """When an operator finalises an upgrade, every core introduces itself anew, with the new version."""
    fabric = await world.driver("fabric", start=False)
    fabric.states = speaks(1, 1)
    await (await start(fabric)).registry.stop()
    fabric.states = speaks(1, 2)
    core = await start(fabric)
    assert core.entry(fabric).handshake.told_state_version == 1

    await change_record(database, "fabric", lambda record: replace(record, state_version=2))

    await world.eventually(lambda: core.entry(fabric).handshake.told_state_version == 2)
    assert fabric.requests("Handshake")[-1].write_state_version == 2


async def test_versions_that_make_no_sense_are_garbage(world):
    """A driver that says it writes what it cannot read is not called."""
    fabric = await world.driver("fabric")
    fabric.states = speaks(3, 2)
    core = await world.core(fabric, wait=False)

    await world.eventually(lambda: "state_version" in core.entry(fabric).reason)
