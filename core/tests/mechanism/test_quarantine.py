"""A driver that breaks the contract again and again is not called any more, and how that ends."""

from datetime import timedelta

import pytest
from jackfield_core.db.base import now
from jackfield_core.db.driver import DriverTable
from jackfield_core.errors import DriverUnavailable
from jackfield_core.mechanism.answers import Handshake
from jackfield_core.mechanism.entry import Condition
from jackfield_core.mechanism.memory import change_record
from jackfield_core.mechanism.record import GARBAGE_WINDOW, garbled, introduced, quarantined, released, why_quarantined


@pytest.fixture
def record():
    """Return what is known of a driver after its first handshake."""
    return introduced("fabric", Handshake("1.0", "an-instance"), now(), None)


async def babble(core, driver, rows, times=3):
    """Have *driver* answer garbage so often."""
    driver.answers("Precommit", b"\xff\xff")
    for _ in range(times):
        with pytest.raises(DriverUnavailable):
            await core.manager.precommit([rows.create_network()])


async def stored(database):
    """Return what the database knows of the driver."""
    async with database.reading() as connection:
        return (await DriverTable(connection).list())["fabric"]


def test_three_in_ten_minutes_are_too_many(record):
    """The third answer within ten minutes means quarantine, with reason, time and version; a later one does not."""
    at = now()
    for minutes in (0, 9):
        record = garbled(record, "early", at + timedelta(minutes=minutes))
    assert record.quarantined_at is None

    late = garbled(record, "late", at + GARBAGE_WINDOW)
    soon = garbled(record, "soon", at + timedelta(minutes=9, seconds=59))

    assert late.quarantined_at is None
    assert (soon.quarantine_reason, soon.quarantined_version) == ("soon", "1.0")
    assert soon.quarantined_at == at + timedelta(minutes=9, seconds=59)


def test_another_version_ends_it_and_the_same_one_does_not(record):
    """A handshake of the version that misbehaved changes nothing; another version starts with a clean slate."""
    for _ in range(3):
        record = garbled(record, "garbage", now())

    same = introduced("fabric", Handshake("1.0", "another-instance"), now(), record)
    other = introduced("fabric", Handshake("1.1", "another-instance"), now(), record)

    assert same.quarantine_reason == "garbage"
    assert (other.quarantined_at, other.quarantine_reason, other.garbage_at) == (None, None, ())


def test_what_an_operator_imposed_only_an_operator_ends(record):
    """No version of the driver ends it, and whoever is refused hears the operator's reason."""
    imposed = quarantined(record, "leaf 3 is being replaced", now())

    other = introduced("fabric", Handshake("1.1", "another-instance"), now(), imposed)

    assert why_quarantined(other) == "an operator says: leaf 3 is being replaced"
    assert released(other).quarantined_at is None
    assert "broke the contract" in why_quarantined(
        garbled(garbled(garbled(record, "a", now()), "b", now()), "c", now())
    )


def test_release_forgets_the_garbage(record):
    """After a release it takes three answers again."""
    for _ in range(3):
        record = garbled(record, "garbage", now())
    record = released(record)

    assert (record.quarantined_at, garbled(record, "garbage", now()).quarantined_at) == (None, None)


async def test_quarantined_driver_is_asked_for_its_health_only(world, rows, database):
    """Changes that it would judge are refused with the rule and the reason; the driver hears nothing of them."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric, health_interval=0.05, database=database)
    entry = core.entry(fabric)
    await babble(core, fabric, rows)
    await world.eventually(lambda: entry.condition is Condition.QUARANTINED)
    fabric.behaves()
    calls = len(fabric.requests("Precommit"))

    with pytest.raises(DriverUnavailable, match="quarantined: three answers within ten minutes broke the contract"):
        await core.manager.precommit([rows.create_network()])

    checks = len(fabric.requests("Check"))
    await world.eventually(lambda: len(fabric.requests("Check")) > checks + 1)
    assert len(fabric.requests("Precommit")) == calls
    assert not entry.ready.is_set()
    assert "cannot be decoded" in (await stored(database)).quarantine_reason


async def test_garbage_counts_over_all_processes_of_the_core(world, rows, database):
    """What several core processes get adds up, and all of them leave the driver alone."""
    fabric = await world.driver("fabric")
    cores = [await world.core(fabric, database=database) for _ in range(2)]

    await babble(cores[0], fabric, rows, times=2)
    await babble(cores[1], fabric, rows, times=1)

    for core in cores:
        entry = core.entry(fabric)
        await world.eventually(lambda entry=entry: entry.condition is Condition.QUARANTINED)


async def test_quarantine_survives_a_restart_of_the_core(world, rows, database):
    """A core that starts knows of it before it calls the driver."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric, database=database)
    await babble(core, fabric, rows)
    await world.eventually(lambda: core.entry(fabric).condition is Condition.QUARANTINED)
    await core.registry.stop()

    again = await world.core(fabric, database=database, wait=False)
    await world.eventually(lambda: again.entry(fabric).connection)

    assert again.entry(fabric).condition is Condition.QUARANTINED


async def test_operator_releases_a_driver(world, rows, database):
    """After a release in the database the driver is called again, without a restart of anything."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric, database=database)
    await babble(core, fabric, rows)
    await world.eventually(lambda: core.entry(fabric).condition is Condition.QUARANTINED)
    fabric.behaves()

    await change_record(database, "fabric", released)

    await core.until_ready(fabric)
    await core.manager.precommit([rows.create_network()])


async def test_new_version_is_called(world, rows, database):
    """Who mends the driver and starts the new version needs no operator's command."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric, database=database, reconnect_interval=0.05)
    await babble(core, fabric, rows)
    await world.eventually(lambda: core.entry(fabric).condition is Condition.QUARANTINED)

    await fabric.stop()
    fabric.behaves()
    fabric.version = "1.1"
    await fabric.start()

    await core.until_ready(fabric)
    await core.manager.precommit([rows.create_network()])
