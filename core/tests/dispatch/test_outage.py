"""Delivery while the database is away."""

from typing import Any


async def test_answer_that_arrives_during_an_outage_is_written_down_afterwards(scene: Any, outage: Any) -> None:
    """The driver has acted: its answer is kept until it can be stored, and the change is told once."""
    driver = await scene.driver()
    away = outage()

    async def take_database_away(_context: Any) -> None:
        away.__enter__()

    driver.script.answer("create_network_postcommit", take_database_away)
    core = await scene.core(driver)
    await core.network()
    await scene.eventually(lambda: driver.told())

    async def owed() -> int | None:
        """Return how much is owed, or None while nobody can tell."""
        try:
            return len(await core.debts())
        except Exception:
            return None

    async def is_away() -> bool:
        return await owed() is None

    async def is_paid() -> bool:
        return await owed() == 0

    await scene.eventually(is_away)
    away.__exit__(None, None, None)
    await scene.eventually(is_paid)

    assert driver.story() == ["create network"]


async def test_delivery_goes_on_after_an_outage(scene: Any, outage: Any) -> None:
    """A lane survives the loss of its database."""
    driver = await scene.driver()
    core = await scene.core(driver)
    with outage():
        core.dispatcher.wake()
        await driver.down()
        await driver.up()
    await core.network()

    await core.until_paid()

    assert driver.story() == ["create network"]
