"""A driver has two addresses: its next version takes over while the one before it still runs."""

import asyncio

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from jackfield.driver.v1 import capability_pb2
from jackfield_core import config
from jackfield_core.mechanism import succession, translate
from jackfield_core.mechanism.answers import BindAsk, NoVerdict
from jackfield_core.mechanism.batch import Batch
from jackfield_core.mechanism.entry import Condition


@pytest.fixture
async def pair(world):
    """Describe two processes of one driver, at two addresses; only the first one runs."""
    old = await world.driver("fabric")
    new = await world.driver("fabric", start=False)
    new.version = "2.0"
    return old, new


@pytest.fixture
async def core(world, pair):
    """Start a core that knows both addresses, and is served by the first one."""
    return await world.core(pair, health_interval=0.05, reconnect_interval=0.05, drain_delay=0.2)


async def until_serving(world, core, driver):
    entry = core.entry(driver)
    await world.eventually(lambda: entry.connection and entry.connection.instance_id == driver.instance_id)


async def test_newer_process_takes_over_and_the_old_one_is_drained(world, core, pair, rows):
    """A process that appears at the free address gets the calls without a gap; then the other one is drained."""
    old, new = pair
    await new.start()
    readiness = []
    async with asyncio.timeout(30):
        while not new.requests("Precommit"):
            readiness.append(core.entry(old).condition)
            await core.manager.precommit([rows.create_network()])

    assert set(readiness) == {Condition.READY}
    await world.eventually(lambda: old.requests("Drain"))
    assert old.requests("Drain")[0].grace.seconds == 30
    served = len(old.requests("Precommit"))
    await core.manager.precommit([rows.create_network()])
    assert (len(old.requests("Precommit")), new.requests("Drain")) == (served, [])


async def test_rollback_is_the_old_version_at_the_free_address(world, core, pair):
    """After a take-over the first address is free again, and whoever starts there is the newest."""
    old, new = pair
    await new.start()
    await until_serving(world, core, new)
    await old.stop()

    await old.start()

    await until_serving(world, core, old)
    await world.eventually(lambda: new.requests("Drain"))
    assert core.entry(old).handshake.version == "1.0"


UNFIT = {
    "load error": {"load_error": "no licence"},
    "another driver": {"driver_name": "ovs"},
    "garbage": {"backends": [capability_pb2.Backend(id="a"), capability_pb2.Backend(id="a")]},
}


@pytest.mark.parametrize("spoiled", UNFIT.values(), ids=UNFIT.keys())
async def test_unfit_process_does_not_take_over(world, core, pair, spoiled, rows):
    """While a new process is unfit the old one serves, and is not drained."""
    old, new = pair

    def spoil(_request):
        handshake = new.handshake()
        for field, value in spoiled.items():
            handshake.ClearField(field)
            handshake.MergeFrom(type(handshake)(**{field: value}))
        return handshake

    new.on("Handshake", spoil)
    await new.start()
    await world.eventually(lambda: len(new.requests("Handshake")) > 2)
    await core.manager.precommit([rows.create_network()])
    assert (core.entry(old).condition, core.entry(old).reason, old.requests("Drain")) == (Condition.READY, "", [])

    new.behaves()
    await until_serving(world, core, new)


async def test_process_without_a_sign_of_life_does_not_take_over(world, core, pair):
    """A new process has to answer a health check before it gets calls."""
    old, new = pair
    new.aborts("Check", grpc.StatusCode.DEADLINE_EXCEEDED)
    await new.start()
    await world.eventually(lambda: len(new.requests("Check")) > 1)
    assert core.entry(old).connection.instance_id == old.instance_id

    new.behaves()
    await until_serving(world, core, new)


async def test_subscriber_that_refuses_leaves_the_old_process_in_office(world, core, pair, rows):
    """If nobody can prepare for the new process, the old one and what it declared stay in force."""
    old, new = pair
    failures = []

    async def refuse(_name, handshake):
        if handshake.version == "2.0" and len(failures) < 3:
            failures.append(core.entry(old).connection.instance_id)
            raise ConnectionError("the database is away")

    core.registry.subscribe(refuse)
    await new.start()
    await until_serving(world, core, new)

    assert failures == [old.instance_id] * 3


async def test_death_of_the_new_process_brings_the_old_one_back(world, pair, rows):
    """Until it is drained the old process is there, in case the new one dies."""
    old, new = pair
    core = await world.core(pair, health_interval=0.05, reconnect_interval=0.05, drain_delay=3)
    await new.start()
    await until_serving(world, core, new)
    await new.stop()

    await until_serving(world, core, old)
    await core.manager.precommit([rows.create_network()])
    await asyncio.sleep(3.2)
    assert old.requests("Drain") == []


def drain(driver):
    """Have a process take nothing new, as if another core had asked it."""
    status = status_pb2.Status(code=grpc.StatusCode.UNAVAILABLE.value[0])
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="DRAINING", domain=driver.name))
    details = (("grpc-status-details-bin", status.SerializeToString()),)
    for rpc in ("Precommit", "Postcommit", "BindPorts"):
        driver.aborts(rpc, grpc.StatusCode.UNAVAILABLE, "this process drains", details)
    driver.answers("Check", health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.NOT_SERVING))


@pytest.mark.parametrize("rpc", ["Precommit", "Postcommit", "BindPorts"])
async def test_call_refused_by_a_draining_process_goes_to_the_other_one(world, pair, rows, rpc, monkeypatch):
    """A call that the old process refuses, because another core drained it first, is made at the new one at once."""
    monkeypatch.setattr(succession, "PATIENCE", 30.0)
    old, new = pair
    # Nobody looks for the new process before the call does.
    core = await world.core(pair, reconnect_interval=600, drain_delay=600)
    drain(old)
    await new.start()

    if rpc == "Precommit":
        await core.manager.precommit([rows.create_network()])
    elif rpc == "Postcommit":
        await core.manager.postcommit("fabric", Batch(1), 30.0)
    else:
        tree = rows.tree()
        asks = [BindAsk(rows.port("port-1", tree, host="host-1"), tree, tree.segments)]
        await core.manager.bind_ports("fabric", translate.Host(name="host-1"), asks, 30.0)

    assert (len(old.requests(rpc)), len(new.requests(rpc))) == (1, 1)


async def test_refusal_without_another_process_counts_no_attempt(world, rows):
    """A process that drains has done nothing, so a delivery that it refuses is no attempt."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric)
    drain(fabric)

    with pytest.raises(NoVerdict) as caught:
        await core.manager.postcommit("fabric", Batch(1), 30.0)

    assert not caught.value.attempted
    assert core.entry(fabric).condition is Condition.DRAINING


async def test_judgement_lost_with_its_process_is_asked_of_the_other_one(world, pair, rows):
    """Precommit has no side effects, so when one process dies over it the other one is asked."""
    old, new = pair
    core = await world.core(pair, health_interval=0.05, reconnect_interval=0.05, drain_delay=600)
    await new.start()
    await until_serving(world, core, new)
    new.on("Precommit", lambda _request: new.stop())

    await core.manager.precommit([rows.create_network()])

    assert old.requests("Precommit")


async def test_succeeded_process_never_takes_over_again(world, pair, database):
    """A core that starts while both run is served by the one that succeeded the other, and drains that."""
    old, new = pair
    first = await world.core(pair, health_interval=0.05, reconnect_interval=0.05, drain_delay=60, database=database)
    await new.start()
    await until_serving(world, first, new)

    for _ in range(3):
        second = await world.core(
            pair, health_interval=0.05, reconnect_interval=0.05, drain_delay=0.1, database=database
        )
        await until_serving(world, second, new)
        await world.eventually(lambda: old.requests("Drain"))
        await second.registry.stop()
    assert new.requests("Drain") == []


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "needs either endpoint"),
        ({"endpoint": "unix:///a", "endpoints": ["unix:///b"]}, "needs either endpoint"),
        ({"endpoints": ["unix:///a", "unix:///b", "unix:///c"]}, "two are the most"),
        ({"endpoints": ["unix:///a", "unix:///a"]}, "twice"),
    ],
)
def test_addresses_are_checked(settings, says):
    """One address or two different ones; anything else is named."""
    with pytest.raises(ValueError, match=says):
        config.Driver(name="fabric", **settings)
