"""What a dispatcher writes late is refused, and said to be."""

import asyncio
import time
from typing import Any

import grpc
import pytest
from jackfield_core.db import claim as claims
from jackfield_core.db.claim import ClaimTable, Due
from jackfield_core.db.redelivery import owe_all_again
from jackfield_core.dispatch.payment import Claim, Payments
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

LOST = "jackfield_delivery_lease_lost_total"


async def claim_for_another(core: Any, name: str) -> list[Due]:
    """Claim for the driver "a" as another dispatcher would, as soon as it may."""

    async def claimed() -> list[Due]:
        async with core.database.writing() as connection:
            return await ClaimTable(connection).claim(
                "a", name=name, limit=10, lease=60.0, earlier=(), later=(), hold=0.0
            )

    async with asyncio.timeout(30):
        while not (debts := await claimed()):
            await asyncio.sleep(0.02)
    return debts


def lost(logs: Any, epoch: int | None = None) -> list[Any]:
    """Return what was logged of lost leases: all, or that of one claim."""
    return [line for line in logs if line["event"] == "delivery.lease_lost" and epoch in (None, line["epoch"])]


@pytest.mark.parametrize("outcome", ["done", "failed", "none"])
async def test_outcome_after_the_end_of_the_lease_is_refused(scene: Any, outcome: str) -> None:
    """Whoever has claimed the debt since then goes on; the late one changes nothing, and is logged and counted."""
    driver = await scene.raw_driver()
    before = REGISTRY.get_sample_value(LOST, {"driver": "a"}) or 0.0

    async def answer_late(request: Any, context: Any) -> Any:
        await claim_for_another(core, "successor")
        answer = await driver.good(request, context)
        if outcome == "failed":
            answer.results[0].failed.reason = "ON_FIRE"
        elif outcome == "none":
            await context.abort(grpc.StatusCode.INTERNAL, "choked")
        return answer

    driver.answer = answer_late
    core = await scene.core(driver, lease=0.3)
    with capture_logs() as logs:
        await core.network()
        await scene.eventually(lambda: driver.requests and lost(logs, driver.requests[0].epoch))

    [request] = driver.requests
    [line] = lost(logs, request.epoch)
    assert (line["driver"], line["changes"]) == ("a", 1)
    assert line["late"] > 0
    [debt] = await core.debts()
    assert (debt.claim, debt.attempts, debt.acknowledged_revision) == ("successor", 0, None)
    # On a busy machine a lease may be over before the first call is made.
    assert REGISTRY.get_sample_value(LOST, {"driver": "a"}) == before + len(lost(logs))


async def test_claim_that_the_driver_ended_itself_is_no_lost_lease(scene: Any) -> None:
    """A backend that was wiped during a call is owed everything again: nobody was late, and nothing is acknowledged."""
    driver = await scene.raw_driver()
    wiped: list[bool] = []

    async def wipe(request: Any, context: Any) -> Any:
        if not wiped:
            wiped.append(True)
            async with core.unit_of_work() as tx:
                await owe_all_again(tx.connection, "a")
        return await driver.good(request, context)

    driver.answer = wipe
    core = await scene.core(driver)
    with capture_logs() as logs:
        await core.network()
        await core.until_paid()

    assert len(driver.told()) == 2
    assert [line["log_level"] for line in logs if line["event"] == "delivery.claim_ended"] == ["info"]
    assert not [line for line in logs if line["event"] == "delivery.lease_lost"]


async def test_dispatcher_that_slept_before_the_call_does_not_make_it(scene: Any) -> None:
    """Once its lease is over, somebody else may have told the driver something newer."""
    driver = await scene.raw_driver()
    core = await scene.core(driver)
    await core.dispatcher.stop()
    await core.network()
    debts = await claim_for_another(core, "sleeper")
    payments = Payments(
        core.registry.entry("a"), core.manager, core.database, core.settings, core.registry.required, lambda: ()
    )

    settlement = await payments.pay(Claim("sleeper", 1, time.monotonic() - 1, debts), 10.0)

    assert settlement.refused == 1
    assert driver.requests == []


async def test_epochs_grow_whatever_the_clock_does(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is set back, or that of another host, does not make a newer claim look older."""
    driver = await scene.raw_driver()
    core = await scene.core(driver)
    clock = iter([3_000_000_000_000_000, 1_000_000_000_000_000, 2_000_000_000_000_000, 4_000_000_000_000_000])

    class Clock:
        time_ns = staticmethod(lambda: next(clock) * 1000)

    await core.dispatcher.stop()
    await core.network()
    monkeypatch.setattr(claims, "time", Clock)
    epochs = []
    for _ in range(4):
        async with core.database.writing() as connection:
            epochs.append(await ClaimTable(connection).next_epoch("a"))

    assert epochs == [3_000_000_000_000_000, 3_000_000_000_000_001, 3_000_000_000_000_002, 4_000_000_000_000_000]
