"""The breaker stops asking a driver that does not answer."""

import asyncio

import pytest
from jackfield_core.errors import DriverUnavailable
from jackfield_core.mechanism.answers import NoVerdict
from jackfield_core.mechanism.batch import Batch
from jackfield_core.mechanism.breaker import PATIENCE, Breaker
from jackfield_core.mechanism.entry import Condition


class Clock:
    """Time as a fixture."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_failures_in_a_row_open_it():
    """The fifth failure in a row opens the breaker; an answer in between starts the count anew."""
    breaker = Breaker(5, 10.0, Clock())
    for _ in range(4):
        assert not breaker.fail()
    breaker.succeed()
    for _ in range(4):
        assert not breaker.fail()
    assert breaker.enter()

    assert breaker.fail()
    assert breaker.is_open
    assert not breaker.enter()


def test_calls_under_way_together_are_one_silence():
    """However many calls of one transaction get no answer, they count once."""
    clock = Clock()
    breaker = Breaker(2, 10.0, clock)
    began = clock.now
    clock.now += 0.25
    for _ in range(40):
        assert not breaker.fail(began)

    clock.now += 0.25
    assert breaker.fail(clock.now - 0.1)


def test_half_a_minute_of_silence_opens_it():
    """Two failures are enough if there was no answer in between for long."""
    clock = Clock()
    breaker = Breaker(5, 10.0, clock)
    breaker.fail()
    clock.now += PATIENCE

    assert breaker.fail()


def test_one_trial_at_a_time():
    """Every ten seconds one call goes through; its answer closes the breaker, its failure does not."""
    clock = Clock()
    breaker = Breaker(1, 10.0, clock)
    breaker.fail()
    clock.now += 10.0

    assert breaker.enter()
    assert not breaker.enter()
    assert not breaker.fail()
    assert not breaker.enter()

    clock.now += 10.0
    assert breaker.enter()
    breaker.succeed()
    assert breaker.enter()
    assert breaker.enter()


def test_abandoned_trial_is_replaced():
    """A trial whose caller gave up does not keep the breaker open for ever."""
    clock = Clock()
    breaker = Breaker(1, 10.0, clock)
    breaker.fail()
    clock.now += 10.0
    assert breaker.enter()

    clock.now += 10.0
    assert breaker.enter()


async def test_open_breaker_refuses_at_once_and_closes_again(world, rows):
    """A driver whose health is good but whose calls hang is not waited for, and is found when it is well again."""
    fabric = await world.driver("fabric")
    fabric.hangs("Precommit")
    core = await world.core(fabric, precommit_budget=0.3, breaker_failures=3, breaker_retry=0.5)
    entry = core.entry(fabric)
    for _ in range(3):
        with pytest.raises(DriverUnavailable):
            await core.manager.precommit([rows.create_network()])
    assert entry.condition is Condition.BREAKER_OPEN
    assert not entry.ready.is_set()

    with pytest.raises(DriverUnavailable, match="breaker-open"):
        await core.manager.precommit([rows.create_network(rows.tree("refused"))])
    # What is tried meanwhile is what got no answer, not what the user wanted.
    assert {change.id for request in fabric.requests("Precommit") for change in request.changes} == {"net-1"}

    fabric.behaves()
    async with asyncio.timeout(30):
        await entry.ready.wait()
    await core.judged(rows.create_network())
    assert entry.condition is Condition.READY


async def test_delivery_is_not_attempted_while_open(world, rows):
    """The dispatcher learns that nothing was tried, so it counts no attempt."""
    fabric = await world.driver("fabric")
    fabric.hangs("Postcommit")
    core = await world.core(fabric, breaker_failures=1, breaker_retry=60)
    with pytest.raises(NoVerdict) as tried:
        await core.manager.postcommit("fabric", Batch(1), 0.1)
    with pytest.raises(NoVerdict) as refused:
        await core.manager.postcommit("fabric", Batch(1), 0.1)

    assert tried.value.attempted
    assert not refused.value.attempted


async def test_new_connection_starts_with_a_closed_breaker(world, rows):
    """A driver that was restarted is not punished for what it did before."""
    fabric = await world.driver("fabric")
    fabric.hangs("Precommit")
    core = await world.core(fabric, precommit_budget=0.1, breaker_failures=1, breaker_retry=60, reconnect_interval=0.1)
    with pytest.raises(DriverUnavailable):
        await core.manager.precommit([rows.create_network()])

    await fabric.stop()
    fabric.behaves()
    await fabric.start()
    await core.until_ready(fabric)

    # A delivery has more time than a judgement.
    assert await core.manager.postcommit("fabric", Batch(1), 30.0) == {}
