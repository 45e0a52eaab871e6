"""What drivers tell of ports."""

from typing import Any

import pytest


async def test_driver_without_agents_makes_its_port_active(scene: Any, says: Any) -> None:
    """A port becomes ACTIVE when the driver that plugs it says that it is up, and DOWN with a reason when not."""
    driver = await scene.driver()
    core = await scene.core(driver)
    port = await core.port(await core.network())
    await core.until_paid()
    assert (await core.stored(port)).status == "DOWN"

    driver.tell(says.port_status(port))
    await core.until_status(port, "ACTIVE")
    driver.tell(says.port_status(port, up=False, reason="the cable\x00 is\ncut"))

    down = await core.until_status(port, "DOWN")
    assert down.binding.wiring_reason == "the cable  is cut"


async def test_port_waits_for_the_acknowledgement_too(scene: Any, says: Any) -> None:
    """A port that is up on the device is not ACTIVE before every required driver has acknowledged it."""
    driver, other = await scene.driver("a"), await scene.driver("b")
    core = await scene.core(driver, other)
    tree = await core.network()
    await core.until_paid()
    other.holds_back = True
    port = await core.port(tree)

    driver.tell(says.port_status(port))

    async def is_up() -> bool:
        return (await core.stored(port)).binding.wiring == "up"

    await scene.eventually(is_up)
    assert (await core.stored(port)).status == "DOWN"


async def test_port_that_is_up_at_an_older_revision_stays_down(scene: Any, says: Any) -> None:
    """What was observed of a lower revision, or of one that does not exist, does not make a port ACTIVE."""
    driver = await scene.driver()
    core = await scene.core(driver)
    tree = await core.network()
    stale, invented, fresh = [await core.port(tree, revision=3) for _ in range(3)]
    await core.until_paid()

    driver.tell(says.port_status(stale, revision=2), says.port_status(invented, revision=9), says.port_status(fresh))

    await core.until_status(fresh, "ACTIVE")
    assert (await core.stored(stale)).status == "DOWN"
    assert (await core.stored(invented)).status == "DOWN"


async def test_ports_of_others_are_none_of_a_drivers_business(scene: Any, says: Any) -> None:
    """Only the driver of the last binding level is believed about a port."""
    fabric, host = await scene.driver("a"), await scene.driver("b")
    core = await scene.core(fabric, host)
    tree = await core.network()
    theirs, shared, unbound = await core.port(tree, "b"), await core.port(tree, "a", "b"), await core.port(tree, "a")
    await core.until_paid()

    fabric.tell(says.port_status(theirs), says.port_status(shared), says.port_status(unbound))
    await core.until_status(unbound, "ACTIVE")
    assert (await core.stored(theirs)).status == (await core.stored(shared)).status == "DOWN"

    host.tell(says.port_status(shared))
    await core.until_status(shared, "ACTIVE")


async def test_broken_stream_changes_no_port(scene: Any, says: Any) -> None:
    """A stream that breaks, or a driver that is gone, leaves ports as they are; a new snapshot counts."""
    driver = await scene.driver()
    core = await scene.core(driver)
    tree = await core.network()
    up, later = await core.port(tree), await core.port(tree)
    await core.until_paid()
    driver.tell(says.port_status(up))
    await core.until_status(up, "ACTIVE")

    await driver.down()
    await scene.eventually(lambda: not core.registry.entry("a").is_ready)
    assert (await core.stored(up)).status == "ACTIVE"
    driver.snapshot = [says.port_status(later)]
    await driver.up()

    await core.until_status(later, "ACTIVE")
    assert (await core.stored(up)).status == "ACTIVE"


async def test_every_process_may_watch(scene: Any, says: Any) -> None:
    """Two processes hear the same, and what both record is what one would."""
    if not scene.database.is_postgresql:
        pytest.skip("one process owns the file")
    driver = await scene.driver()
    core, _ = await scene.core(driver), await scene.core(driver)
    await scene.eventually(lambda: driver.listeners == 2)
    tree = await core.network()
    ports = [await core.port(tree) for _ in range(20)]
    await core.until_paid()
    before = len(driver.told)

    driver.tell(*(says.port_status(port) for port in ports), says.drift("port", ports[0].id))

    for port in ports:
        await core.until_status(port, "ACTIVE")
    await scene.eventually(lambda: len(driver.told) > before)
    await core.until_paid()
    assert {change.id for change in driver.told[before:]} == {ports[0].id}
