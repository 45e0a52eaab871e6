"""Listings of drivers that are too busy with them to answer health checks."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from jackfield_core.mechanism.endpoint import HealthChecks
from jackfield_core.mechanism.entry import Condition
from structlog.testing import capture_logs


async def test_listing_that_goes_on_is_a_sign_of_life(scene: Any) -> None:
    """A driver that misses health checks and tells its resources meanwhile is not lost."""
    driver = await scene.driver()
    core = await scene.core(driver, health=HealthChecks(0.1, timeout=1.0))
    await core.world()

    async def slowly() -> AsyncIterator[None]:
        driver.is_deaf, before = True, driver.checks
        while driver.checks < before + 3:
            yield
            await asyncio.sleep(0.02)
        driver.is_deaf = False

    driver.in_mid_listing = slowly
    with capture_logs() as logs:
        findings = await core.compare()

    assert (findings.found, findings.listed) == ([], 6)
    assert [line for line in logs if line["event"] == "driver.lost"] == []


async def test_listing_of_a_driver_that_seems_lost_is_heard_to_its_end(scene: Any) -> None:
    """Nobody calls a driver that answers no health check, but what it was telling it may go on to tell."""
    driver = await scene.driver()
    core = await scene.core(driver, health=HealthChecks(0.1, timeout=0.3))
    _, (lost, *_) = await core.world()
    driver.lose(lost)
    entry = core.registry.entry("a")

    async def after_a_while() -> AsyncIterator[None]:
        driver.is_deaf = True
        await scene.eventually(lambda: entry.condition is Condition.CONNECTING)
        driver.is_deaf = False
        await scene.eventually(lambda: entry.is_ready)
        yield

    driver.in_mid_listing = after_a_while
    audit = await core.audit()
    await core.until_paid()

    assert (audit.outcome, audit.listed, audit.missing) == ("complete", 5, 1)
    assert await core.differences() == set()
