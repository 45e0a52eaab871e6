"""How fast somebody is told who is owed much."""

import time
from typing import Any

BATCH = 5
PORTS = 40


async def owe(scene: Any, driver: Any) -> None:
    """Owe *driver* ports, and have nobody deliver them."""
    core = await scene.core(driver)
    tree = await core.network()
    await core.until_paid()
    await core.dispatcher.stop()
    await core.ports(tree, PORTS)
    await core.stop()
    driver.requests.clear()


async def test_backlog_is_paid_at_full_speed_while_nobody_makes_changes(scene: Any) -> None:
    """At one change a second it would take longer than the test waits."""
    driver = await scene.raw_driver(max_batch=BATCH)
    await owe(scene, driver)

    core = await scene.core(driver, pace=1)
    await core.until_paid()

    assert len(driver.told()) == PORTS


async def test_backlog_leaves_room_for_users(scene: Any) -> None:
    """While changes are made, full batches keep their distance; the rest of a batch waits for nothing."""
    driver = await scene.raw_driver(max_batch=BATCH)
    await owe(scene, driver)
    # A busy machine may take its time before the first call, which is no distance between batches.
    moments = [time.monotonic()]

    async def note(request: Any, context: Any) -> Any:
        moments.append(time.monotonic())
        core.dispatcher.wake()
        return await driver.good(request, context)

    driver.answer = note
    core = await scene.core(driver, pace=PORTS)
    await core.until_paid()

    assert len(moments) == 1 + PORTS // BATCH
    assert moments[-1] - moments[0] > (PORTS - BATCH) / PORTS * 0.9
