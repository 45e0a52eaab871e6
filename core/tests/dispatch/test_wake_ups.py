"""Commits that come at any moment of a lane's turn."""

import asyncio
import random
from typing import Any

COMMITS = 60
SEED = 20261121


async def test_no_wake_up_is_lost(scene: Any) -> None:
    """What is committed while a lane looks, calls, writes or goes to rest is paid without a poll."""
    chance = random.Random(SEED)
    driver = await scene.raw_driver(max_batch=3)

    async def dawdle(request: Any, context: Any) -> Any:
        await asyncio.sleep(chance.uniform(0, 0.01))
        return await driver.good(request, context)

    driver.answer = dawdle
    core = await scene.core(driver, poll_interval=600)
    for _ in range(COMMITS // 2):
        await asyncio.sleep(chance.uniform(0, 0.02))
        await asyncio.gather(core.network(), core.network())

    await core.until_paid()

    assert len({change.id for change in driver.told()}) == COMMITS
