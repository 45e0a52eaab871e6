"""What drivers tell of devices that lost something."""

from typing import Any

import pytest
from jackfield.driver.v1 import capability_pb2, change_pb2
from structlog.testing import capture_logs


async def test_new_epoch_owes_everything_again(scene: Any, says: Any) -> None:
    """A backend with a new epoch is told everything again, as new; the same epoch once more changes nothing."""
    driver = await scene.driver()
    core = await scene.core(driver)
    tree = await core.network()
    port = await core.port(tree)
    await core.until_paid()
    before = len(driver.told)

    driver.tell(says.backend("2"), says.backend("2"))

    await scene.eventually(lambda: len(driver.told) == before + 2)
    assert [(change.id, change.action) for change in driver.told[before:]] == [
        (tree.network.id, change_pb2.ACTION_CREATE),
        (port.id, change_pb2.ACTION_CREATE),
    ]
    await core.until_paid()
    # A handshake that names the epoch too brings nothing new.
    driver.epoch = "2"
    seen = len(driver.introductions)
    await driver.down()
    await driver.up()
    await scene.eventually(lambda: len(driver.introductions) > seen and driver.listeners)
    driver.tell(says.port_status(port))
    await core.until_status(port, "ACTIVE")
    assert len(driver.told) == before + 2


async def test_new_epoch_asks_for_an_audit(scene: Any, says: Any) -> None:
    """A backend that may have lost everything may also have brought something back."""
    driver = await scene.driver()
    core = await scene.core(driver)

    driver.tell(says.backend("2"))

    async def is_asked_for() -> bool:
        async with core.unit_of_work.reading() as tables:
            audit = await tables.audits.find("a")
        return audit is not None and audit.requested_at is not None

    await scene.eventually(is_asked_for)


async def test_known_epoch_owes_nothing(scene: Any, says: Any) -> None:
    """The snapshot of a backend that is as it was in the handshake costs no delivery."""
    driver = await scene.driver(snapshot=[says.backend("1")])
    core = await scene.core(driver)
    port = await core.port(await core.network())
    await core.until_paid()
    before = len(driver.told)

    driver.tell(says.backend("1"), says.port_status(port))

    await core.until_status(port, "ACTIVE")
    assert len(driver.told) == before
    assert await core.debts() == []


async def test_drift_is_repaired_at_the_same_revision(scene: Any, says: Any) -> None:
    """What differs on a device is sent again as an update, and nothing else; the port stays ACTIVE."""
    driver = await scene.driver()
    core = await scene.core(driver)
    tree = await core.network()
    port, other = await core.port(tree), await core.port(tree)
    await core.until_paid()
    driver.tell(says.port_status(port), says.port_status(other))
    await core.until_status(port, "ACTIVE")
    before = len(driver.told)

    driver.tell(says.drift("port", port.id), says.drift("port", "no such port"), says.drift("subnet", tree.network.id))

    await scene.eventually(lambda: len(driver.told) > before)
    await core.until_paid()
    (change,) = driver.told[before:]
    assert (change.id, change.action, change.revision) == (port.id, change_pb2.ACTION_UPDATE, port.revision_number)
    assert (await core.stored(port)).status == "ACTIVE"


@pytest.mark.parametrize("news", ["drift", "epoch"])
async def test_what_loses_a_race_is_recorded_again(scene: Any, says: Any, losing: Any, news: str) -> None:
    """Whoever waits in a circle with others while it owes what was lost begins anew, and nobody hears of it."""
    driver = await scene.driver()
    core = await scene.core(driver)
    tree = await core.network()
    await core.until_paid()

    with capture_logs() as logs:
        async with losing(3) as tried:
            driver.tell(says.drift("network", tree.network.id) if news == "drift" else says.backend("2"))
            await scene.eventually(lambda: len(driver.told) == 2)
            assert await tried() == 3 + 1
        await core.until_paid()

    assert [line for line in logs if line["event"] == "driver.events_unwritten"] == []


async def test_drift_of_a_driver_that_hears_no_updates_is_sent_as_new(scene: Any, says: Any) -> None:
    """A driver gets no action that it did not declare, not even to repair."""
    driver = await scene.driver(actions=[change_pb2.ACTION_CREATE, change_pb2.ACTION_DELETE])
    core = await scene.core(driver)
    tree = await core.network()
    await core.until_paid()
    before = len(driver.told)

    driver.tell(says.drift("network", tree.network.id))

    await scene.eventually(lambda: len(driver.told) > before)
    assert driver.told[-1].action == change_pb2.ACTION_CREATE


async def test_flapping_backend_is_owed_everything_only_now_and_then(scene: Any, says: Any) -> None:
    """However often a backend changes its epoch, everything is owed again once in an interval."""
    driver = await scene.driver()
    core = await scene.core(driver, repair_interval=60)
    tree = await core.network()
    await core.until_paid()
    driver.tell(says.backend("2"))
    await scene.eventually(lambda: len(driver.told) == 2)

    driver.tell(*(says.backend(str(epoch)) for epoch in range(3, 300)))
    port = await core.port(tree)
    await core.until_paid()
    driver.tell(says.port_status(port))

    await core.until_status(port, "ACTIVE")
    assert len(driver.told) == 3


async def test_health_of_backends_is_logged_when_it_changes(scene: Any, says: Any) -> None:
    """Operators are told once which backends are not well, and once that all are well again."""
    driver = await scene.driver()
    down = says.backend("1", health=capability_pb2.BACKEND_HEALTH_DOWN)

    with capture_logs() as logs:
        await scene.core(driver)

        def lines() -> list[Any]:
            return [line for line in logs if line["event"] == "driver.backends"]

        driver.tell(down, down)
        await scene.eventually(lambda: len(lines()) == 1)
        driver.tell(down, says.backend("1"))
        await scene.eventually(lambda: len(lines()) == 2)

    assert [(line["log_level"], line["unwell"]) for line in lines()] == [("warning", {"fabric": "down"}), ("info", {})]


async def test_backend_that_is_reached_again_is_audited(scene: Any, says: Any) -> None:
    """What it holds was not known while it was down; before that there was nothing to ask."""
    driver = await scene.driver(features=["watch", "list_owned"])
    core = await scene.core(driver)
    down = says.backend("1", health=capability_pb2.BACKEND_HEALTH_DOWN)

    async def requested() -> Any:
        async with core.unit_of_work.reading() as tables:
            audits = await tables.audits.list()
        return audits["a"].requested_at if "a" in audits else None

    driver.tell(says.backend("1"), down)
    await scene.eventually(lambda: core.registry.entry("a").backends.down)
    assert await requested() is None

    driver.tell(says.backend("1"))

    assert await scene.eventually(requested)
