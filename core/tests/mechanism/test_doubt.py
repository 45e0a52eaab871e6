"""A driver that keeps a user waiting is asked for a sign of life; users pay neither for finding out nor for trials."""

import asyncio

import grpc
import pytest
from jackfield_core.errors import DriverUnavailable
from jackfield_core.mechanism import translate
from jackfield_core.mechanism.answers import BindAsk, Bound, NoVerdict
from jackfield_core.mechanism.batch import Batch
from jackfield_core.mechanism.entry import Condition


def stop(driver):
    """Have *driver* answer nothing any more, as a process that is stopped."""
    for rpc in ("Check", "Handshake", "Precommit", "Postcommit", "BindPorts"):
        driver.hangs(rpc)


@pytest.fixture
def bind(rows):
    """Return a function that has a driver bind a port."""

    async def bind(core, seconds=1.0):
        tree = rows.tree()
        asks = [BindAsk(rows.port("port-1", tree, host="host-1"), tree, tree.segments)]
        return await core.manager.bind_ports("fabric", translate.Host(name="host-1"), asks, seconds)

    return bind


async def test_binding_does_not_wait_for_a_silent_process(world, rows, bind):
    """A process without a sign of life is given up long before the hour that binding may take."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric, precommit_budget=0.3)
    stop(fabric)

    with pytest.raises(NoVerdict):
        await bind(core, 3600.0)
    with pytest.raises(DriverUnavailable, match="breaker-open"):
        await core.manager.precommit([rows.create_network()])

    # The call itself would have gone on for the rest of the hour.
    assert fabric.granted("BindPorts")[0] > 3000


async def test_slow_process_that_lives_gets_its_time(world, bind):
    """A driver that takes its time to bind, and answers health checks meanwhile, is not given up."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric, precommit_budget=0.5)

    async def slow(_request):
        await world.eventually(lambda: fabric.requests("Check"))
        await asyncio.sleep(1.0)

    fabric.on("BindPorts", slow)

    (answer,) = await bind(core, 20.0)

    assert isinstance(answer, Bound)
    assert fabric.requests("Check")
    assert core.entry(fabric).condition is Condition.READY


async def test_process_that_answers_others_lives(world, bind):
    """A driver that is slow with one call and with health checks, but answers another call, is not given up."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric, precommit_budget=0.7)
    fabric.hangs("Check")
    fabric.hangs("BindPorts")
    binding = asyncio.create_task(bind(core, 1.5))

    async with asyncio.timeout(30):
        while not binding.done():
            await core.manager.postcommit("fabric", Batch(1), 30.0)
            await asyncio.sleep(0.01)

    with pytest.raises(NoVerdict, match="DEADLINE_EXCEEDED"):
        await binding
    assert core.entry(fabric).condition is Condition.READY


async def test_driver_without_a_health_service_lives(world, bind):
    """A driver that says that it has no health service has given a sign of life."""
    fabric = await world.driver("fabric")
    fabric.aborts("Check", grpc.StatusCode.UNIMPLEMENTED)
    core = await world.core(fabric)
    fabric.hangs("BindPorts")

    with pytest.raises(NoVerdict):
        await bind(core)

    assert core.entry(fabric).condition is Condition.READY


async def test_sign_of_life_closes_the_breaker(world, rows, bind):
    """The health check that waits at a silent process is answered when it wakes; nobody else has to try."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric, precommit_budget=0.5, breaker_retry=60)
    wake = asyncio.Event()

    async def until_woken(_request):
        await wake.wait()

    for rpc in ("Check", "Precommit"):
        fabric.on(rpc, until_woken)
    with pytest.raises(DriverUnavailable):
        await core.manager.precommit([rows.create_network()])
    await world.eventually(lambda: core.entry(fabric).condition is Condition.BREAKER_OPEN)

    wake.set()

    await core.until_ready(fabric)
    assert await bind(core, 30.0)


async def test_trial_is_not_a_users(world, rows):
    """While the breaker is open every user is refused at once; the call that got no answer is made again apart."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric, precommit_budget=1.0, breaker_failures=1, breaker_retry=0.2)
    fabric.hangs("Precommit")
    with pytest.raises(DriverUnavailable):
        await core.manager.precommit([rows.create_network()])

    users = 0
    async with asyncio.timeout(30):
        while len(fabric.requests("Precommit")) < 3:
            users += 1
            with pytest.raises(DriverUnavailable, match="breaker-open"):
                await core.manager.precommit([rows.create_network(rows.tree(f"net-of-user-{users}"))])
            await asyncio.sleep(0.01)

    first, *trials = fabric.requests("Precommit")
    assert [trial.changes for trial in trials] == [first.changes] * len(trials)
    fabric.behaves()
    await core.until_ready(fabric)
