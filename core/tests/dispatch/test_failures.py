"""Drivers that fail, hang, lie or are away."""

import asyncio
from typing import Any

import grpc
import pytest
from jackfield.driver.v1 import change_pb2, mechanism_pb2
from jackfield_core.db.redelivery import retry
from jackfield_sdk import Infeasible, InProgress, RetryLater
from msgspec.structs import replace


async def test_failing_driver_is_asked_again_until_it_succeeds(scene: Any) -> None:
    """Nothing is dropped: the debt shows the reason, the attempts, and in the end it is paid."""
    driver = await scene.driver()
    driver.script.answer("create_network_postcommit", *[RetryLater("switch leaf1 is busy")] * 4)
    core = await scene.core(driver)
    await core.network()

    async def has_failed_twice() -> Any:
        return [debt for debt in await core.debts() if debt.attempts >= 2]

    [debt] = await scene.eventually(has_failed_twice)
    await core.until_paid()

    assert debt.disposition == "retry"
    assert "leaf1 is busy" in debt.message
    assert len(driver.told()) == 5
    [paid] = await core.debts(owed=None)
    assert (paid.attempts, paid.reason, paid.message) == (0, "", "")


async def test_infeasible_change_waits_for_a_cure(scene: Any) -> None:
    """It is not asked again soon; a new revision is told at once."""
    driver = await scene.driver()
    driver.script.answer("create_network_postcommit", Infeasible("no free VLAN on leaf1"))
    core = await scene.core(driver)
    tree = await core.network()

    async def is_known() -> Any:
        return [debt for debt in await core.debts() if debt.disposition == "infeasible"]

    [debt] = await scene.eventually(is_known)
    assert (debt.due_at - debt.owed_since).total_seconds() > 1000
    await core.rename(tree.network, "cured")
    await core.until_paid()

    assert [context.current.name for context in driver.told(action="create")] == [tree.network.name, "cured"]


async def test_what_was_refused_is_asked_for_when_nothing_else_is_left(scene: Any) -> None:
    """Hundreds of changes that a driver cannot make are due again at once, and a new one does not wait for them."""
    driver = await scene.raw_driver(max_batch=2)
    core = await scene.core(driver)
    tree = await core.network()
    await core.until_paid()

    async def refuse(request: Any, _context: Any) -> Any:
        error = change_pb2.Error(disposition=change_pb2.DISPOSITION_INFEASIBLE, reason="FULL")
        return mechanism_pb2.PostcommitResponse(
            results=[
                mechanism_pb2.PostcommitResult(change_id=change.change_id, failed=error) for change in request.changes
            ]
        )

    driver.answer = refuse
    refused = {port.id for port in await core.ports(tree, 8)}

    async def are_refused() -> bool:
        return len(await core.failed("a", disposition="infeasible")) == 8

    await scene.eventually(are_refused)
    await core.dispatcher.stop()
    async with core.unit_of_work() as tx:
        await retry(tx.connection)
    fresh = {port.id for port in await core.ports(tree, 4)}
    await core.stop()
    driver.requests.clear()
    driver.answer = driver.good
    await (await scene.core(driver)).until_paid()

    told = [change.id for change in driver.told()]
    assert {*told[:4]} == fresh
    assert {*told} == fresh | refused


async def test_change_in_progress_is_asked_for_when_the_driver_says(scene: Any) -> None:
    """A driver that is still at it is asked again; that is no failure."""
    driver = await scene.driver()
    driver.script.answer("create_network_postcommit", InProgress(0.05), InProgress(0.05))
    core = await scene.core(driver, poll_interval=600)
    await core.network()

    await core.until_paid()

    assert len(driver.told()) == 3
    assert {context.revision for context in driver.told()} == {1}


async def test_driver_that_is_away_costs_no_attempt_and_holds_up_nobody(scene: Any) -> None:
    """The others are served at once, in spite of their place behind it."""
    away, served = await scene.driver("a", up=False), await scene.driver("b")
    core = await scene.core(away, served, ready=False, order_hold=3600, poll_interval=3600)
    await core.until_ready("b")
    await core.network()
    # Whoever took part in the hold, or waited for the next look at the ledger, would be paid in an hour.
    await core.until_paid("b")

    assert [(debt.attempts, debt.claim) for debt in await core.debts("a")] == [(0, None)]
    await away.up()
    await core.until_paid()
    assert away.story() == ["create network"]


async def test_hanging_driver_holds_up_nobody(scene: Any) -> None:
    """While one driver sits on a call, another one is served again and again."""
    hanging, served = await scene.raw_driver("a"), await scene.driver("b")
    go_on = asyncio.Event()

    async def hang(request: Any, context: Any) -> Any:
        await go_on.wait()
        return await hanging.good(request, context)

    hanging.answer = hang
    core = await scene.core(hanging, served, timeout=3600, order_hold=0.05)
    for told in range(5):
        await core.network()
        await scene.eventually(lambda told=told: hanging.told() and len(served.told()) > told)

    assert len(await core.debts("a")) == 5
    assert len(hanging.told()) == 1
    go_on.set()
    await core.until_paid()


async def test_call_that_hangs_ends_at_its_deadline(scene: Any) -> None:
    """What a driver sat on is owed with that reason, and is told again."""
    driver = await scene.raw_driver()

    async def hang(_request: Any, _context: Any) -> None:
        await asyncio.Event().wait()

    driver.answer = hang
    core = await scene.core(driver, timeout=0.3)
    await core.network()

    async def has_missed_its_deadline() -> Any:
        return [debt for debt in await core.debts("a") if debt.reason == "DEADLINE_EXCEEDED"]

    assert await scene.eventually(has_missed_its_deadline)
    driver.answer = driver.good
    await core.until_paid()


async def test_answer_that_is_lost_is_asked_for_again(scene: Any) -> None:
    """An outcome that nobody knows leaves the debt, and the same revision is told again."""
    driver = await scene.raw_driver()
    lost = []

    async def lose(request: Any, context: Any) -> Any:
        if not lost:
            lost.append(request)
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the wire was cut")
        return await driver.good(request, context)

    driver.answer = lose
    core = await scene.core(driver)
    await core.network()

    await core.until_paid()

    first, second = driver.told()
    assert (first.id, first.revision, first.action) == (second.id, second.revision, second.action)


@pytest.mark.parametrize("way", [0, 1, 2, 3], ids=["wrong id", "no message", "no result", "invented revision"])
async def test_garbage_is_discarded_as_a_whole(scene: Any, way: int) -> None:
    """One wrong result and none of the answer counts."""
    driver = await scene.raw_driver()
    spoiled = []
    seen = asyncio.Event()

    async def spoil(request: Any, context: Any) -> Any:
        answer = await driver.good(request, context)
        if spoiled:
            await seen.wait()
            return answer
        spoiled.append([change.id for change in request.changes])
        invented = mechanism_pb2.PostcommitResponse.FromString(answer.SerializeToString())
        # Further than a device can be ahead of a database that was restored from an older copy.
        invented.results[-1].done.revision += 10_000_000
        answer.results[-1].change_id = "imagined"
        return [answer, b"\xff\xff", mechanism_pb2.PostcommitResponse(), invented][way]

    driver.answer = spoil
    core = await scene.core(driver)
    await core.network()

    async def is_known() -> Any:
        return [debt for debt in await core.debts() if debt.reason == "GARBAGE"]

    [debt] = await scene.eventually(is_known)
    seen.set()
    assert debt.acknowledged_revision is None
    await core.until_paid()
    assert len(driver.requests) == 2


async def test_driver_that_holds_a_newer_revision_is_right(scene: Any) -> None:
    """A revision that the core has minted meanwhile is no garbage: somebody delivered it, and ours is out of date."""
    driver = await scene.raw_driver()
    core = await scene.core(driver)
    [port] = await core.ports(await core.network(), 1)
    await core.until_paid()
    renamed = replace(port, revision_number=port.revision_number + 1)
    overtaken = []

    async def overtake(request: Any, context: Any) -> Any:
        answer = await driver.good(request, context)
        if not overtaken:
            overtaken.append(await core.rename(renamed, "newer"))
            answer.results[0].done.revision += 1
        return answer

    driver.answer = overtake
    await core.rename(port, "new")
    await core.until_paid()

    first, second = [change.revision for change in driver.told() if change.id == port.id][-2:]
    assert second == first + 1
    assert core.registry.entry("a").known().garbage_at == ()


async def test_change_that_breaks_every_call_does_not_stop_the_others(scene: Any) -> None:
    """Batches shrink until the one that does harm is alone."""
    driver = await scene.raw_driver()
    # The harm is found within ten attempts; without a bound the eleventh would wait half a minute.
    core = await scene.core(driver, backoff_max=0.5)
    tree = await core.network()
    await core.until_paid()
    poison = await core.port(tree)
    await core.until_paid()

    async def choke(request: Any, context: Any) -> Any:
        if any(change.id == poison.id for change in request.changes):
            await context.abort(grpc.StatusCode.INTERNAL, "choked")
        return await driver.good(request, context)

    driver.answer = choke
    poison = await core.rename(poison, "poison")
    await core.ports(tree, 40)

    async def only_poison_is_left() -> bool:
        return {debt.resource_id for debt in await core.debts()} == {poison.id}

    assert await scene.eventually(only_poison_is_left)
    driver.answer = driver.good
    await core.until_paid()


async def test_message_that_is_too_big_is_halved(scene: Any) -> None:
    """RESOURCE_EXHAUSTED of the transport is no failure of the changes."""
    driver = await scene.raw_driver()

    async def small_only(request: Any, context: Any) -> Any:
        if len(request.changes) > 3:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "message larger than max")
        return await driver.good(request, context)

    driver.answer = small_only
    core = await scene.core(driver, backoff_first=600, backoff_max=600)
    await core.ports(await core.network(), 20)

    await core.until_paid()

    assert len({change.id for change in driver.told()}) == 21


async def test_stopped_core_gives_back_what_it_carries(scene: Any) -> None:
    """Whoever comes next need not wait until the lease ends."""
    driver = await scene.raw_driver()

    async def hang(_request: Any, _context: Any) -> None:
        await asyncio.Event().wait()

    driver.answer = hang
    first = await scene.core(driver)
    await first.network()
    await scene.eventually(lambda: driver.requests)
    await first.stop()

    [debt] = await first.debts()
    assert (debt.claim, debt.leased_until) == (None, None)
    driver.answer = driver.good
    second = await scene.core(driver)
    await second.until_paid()
