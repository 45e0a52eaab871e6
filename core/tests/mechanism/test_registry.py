"""Drivers come, go, and change; the registry keeps up."""

import asyncio
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2
from jackfield.driver.v1 import capability_pb2
from jackfield_core.db.base import now
from jackfield_core.db.driver import DriverRecord, Interest
from jackfield_core.mechanism.answers import NoVerdict
from jackfield_core.mechanism.batch import Batch
from jackfield_core.mechanism.entry import Condition
from jackfield_core.types import Action, Kind
from support.evil_driver import Abort


async def test_driver_that_comes_up_later_is_found(world):
    """The core starts without the driver and has it with the first try after it has come up."""
    fabric = await world.driver("fabric", start=False)
    core = await world.core(fabric, wait=False)
    await world.eventually(lambda: "UNAVAILABLE" in core.entry(fabric).reason)

    await fabric.start()
    await core.until_ready(fabric)

    assert len(fabric.requests("Handshake")) == 1
    handshake = core.entry(fabric).handshake
    assert handshake.instance_id == fabric.instance_id
    assert handshake.epochs == {"fabric": "1"}


async def test_core_introduces_itself(world):
    """The handshake tells the driver who calls."""
    fabric = await world.driver("fabric")
    await world.core(fabric)

    (request,) = fabric.requests("Handshake")
    assert request.core_version
    assert request.core_instance_id
    assert request.deployment_id
    assert list(request.contract_majors) == [1]
    assert request.max_message_bytes == 16 << 20


async def test_restarted_driver_is_introduced_again(world):
    """A new process is asked who it is before it is asked anything else, and its interests count."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric, reconnect_interval=0.1)
    assert core.registry.owed(Kind.NETWORK, Action.CREATE) == ("fabric",)
    first = fabric.instance_id

    await fabric.stop()
    await world.eventually(lambda: not core.entry(fabric).is_ready)
    fabric.interests = []
    await fabric.start()
    await core.until_ready(fabric)

    assert core.entry(fabric).handshake.instance_id == fabric.instance_id != first
    assert core.registry.owed(Kind.NETWORK, Action.CREATE) == ()


async def test_debts_go_on_while_a_driver_is_away(world):
    """What a driver declared still counts when it is gone."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric)
    await fabric.stop()
    await world.eventually(lambda: not core.entry(fabric).is_ready)

    assert core.registry.owed(Kind.PORT, Action.DELETE) == ("fabric",)
    assert [entry.name for entry in core.registry.interested(Kind.PORT, Action.CREATE)] == ["fabric"]
    assert [entry.name for entry in core.registry.binders()] == ["fabric"]


async def test_driver_nobody_heard_of_is_owed_everything(world):
    """Before its first handshake a driver is owed all, judges nothing and binds nothing."""
    fabric = await world.driver("fabric", start=False)
    core = await world.core(fabric, wait=False)

    for kind in Kind:
        for action in Action:
            assert core.registry.owed(kind, action) == ("fabric",)
            assert core.registry.interested(kind, action) == ()
    assert core.registry.binders() == ()


async def test_interests_are_known_from_the_database(world, unit_of_work):
    """After a restart of the core the last handshake counts until there is a new one."""
    interests = (Interest("port", ("create",), ("precommit", "postcommit")),)
    async with unit_of_work() as tx:
        await tx.drivers.save(DriverRecord("fabric", "1", "i", interests, None, {}, now()))
    fabric = await world.driver("fabric", start=False)
    core = await world.core(fabric, wait=False)
    async with unit_of_work.reading() as tables:
        await core.registry.load(tables)

    assert core.registry.owed(Kind.PORT, Action.CREATE) == ("fabric",)
    assert core.registry.owed(Kind.NETWORK, Action.CREATE) == ()
    assert [entry.name for entry in core.registry.interested(Kind.PORT, Action.CREATE)] == ["fabric"]


async def test_drivers_are_owed_in_the_configured_order(world):
    """The order of the settings is the order of everything."""
    drivers = [await world.driver(name) for name in ("zebra", "ant", "mole")]
    core = await world.core(*drivers, advisory=["ant"])

    assert core.registry.owed(Kind.PORT, Action.CREATE) == ("zebra", "ant", "mole")
    assert core.registry.required() == ("zebra", "mole")
    assert [entry.position for entry in core.registry.entries()] == [0, 1, 2]


async def test_hang_is_noticed_by_health_checks(world):
    """A process that still holds its connection and answers nothing is given up, and found when it wakes."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric, health_interval=0.1, health_timeout=0.1, reconnect_interval=0.1)
    entry = core.entry(fabric)
    wake = asyncio.Event()

    async def until_woken(_request):
        await wake.wait()

    for rpc in ("Check", "Handshake", "Precommit", "Postcommit"):
        fabric.on(rpc, until_woken)
    await world.eventually(lambda: not entry.is_ready)
    assert "health" in entry.reason

    fabric.behaves()
    wake.set()
    await core.until_ready(fabric)


async def test_one_missed_health_check_is_forgiven(world):
    """A busy moment does not cost the connection."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric, health_interval=0.05)
    answers = iter([grpc.StatusCode.DEADLINE_EXCEEDED])

    def busy_once(_request):
        if code := next(answers, None):
            raise Abort(code)

    fabric.on("Check", busy_once)
    await world.eventually(lambda: len(fabric.requests("Check")) > 4)

    assert core.entry(fabric).is_ready
    assert len(fabric.requests("Handshake")) == 1


async def test_hung_calls_end_when_the_driver_is_given_up(world):
    """Calls in flight do not wait for their own deadline when health checks have failed."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric, health_interval=0.1)
    fabric.hangs("Postcommit")
    called = asyncio.create_task(core.manager.postcommit("fabric", Batch(1), 60.0))
    await world.eventually(lambda: fabric.requests("Postcommit"))
    fabric.aborts("Check", grpc.StatusCode.DEADLINE_EXCEEDED)

    with pytest.raises(NoVerdict) as caught:
        async with asyncio.timeout(30):
            await called
    assert caught.value.attempted


async def test_driver_without_a_health_service_is_alive(world):
    """A driver that says that it has no health service has answered."""
    fabric = await world.driver("fabric")
    fabric.aborts("Check", grpc.StatusCode.UNIMPLEMENTED)
    core = await world.core(fabric, health_interval=0.02)
    await world.eventually(lambda: len(fabric.requests("Check")) > 5)

    assert core.entry(fabric).is_ready


async def test_draining_driver_gets_no_new_calls(world):
    """A driver that is not serving is left in peace until it serves again."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric, health_interval=0.02)
    fabric.answers("Check", health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.NOT_SERVING))
    await world.eventually(lambda: core.entry(fabric).condition is Condition.DRAINING)

    with pytest.raises(NoVerdict) as caught:
        await core.manager.postcommit("fabric", Batch(1), 30.0)
    assert not caught.value.attempted

    fabric.behaves()
    await core.until_ready(fabric)


async def test_process_that_takes_over_the_address_is_found(world):
    """A second process on the same socket gets the calls while the first one still runs; nothing fails in between."""
    old = await world.driver("fabric")
    core = await world.core(old, health_interval=0.02)
    entry = core.entry(old)
    new = await world.successor(old)

    readiness = []
    async with asyncio.timeout(30):
        while not new.requests("Postcommit"):
            readiness.append(entry.is_ready)
            await core.manager.postcommit("fabric", Batch(1), 30.0)

    assert all(readiness)
    assert entry.handshake.instance_id == new.instance_id


async def test_backend_that_lost_everything_is_noticed(world):
    """A new epoch of a backend is heard of while the driver runs on; what else a backend says is not."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric, health_interval=0.02)
    heard = []

    async def prepare(_name, handshake):
        heard.append(handshake.epochs)

    core.registry.subscribe(prepare)
    await world.eventually(lambda: len(fabric.requests("Handshake")) > 2)
    assert heard == []

    fabric.epoch = "2"
    await world.eventually(lambda: heard)

    assert heard == [{"fabric": "2"}]
    assert core.entry(fabric).handshake.epochs == {"fabric": "2"}


async def test_backend_that_goes_down_is_noticed_by_every_process(world):
    """Also without a stream of events, while the driver runs on."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric, health_interval=0.05)
    assert core.entry(fabric).backends.down == []

    fabric.backend_health = capability_pb2.BACKEND_HEALTH_DOWN

    (down,) = await world.eventually(lambda: core.entry(fabric).backends.down)
    assert down.backend.id == "fabric"


REFUSALS = {
    "another driver": {"driver_name": "ovs"},
    "another contract": {"contract_major": 2},
    "load error": {"load_error": "no licence"},
    "no instance": {"instance_id": ""},
    "endless instance": {"instance_id": "x" * 300},
    "doubled backend": {"backends": [capability_pb2.Backend(id="a"), capability_pb2.Backend(id="a")]},
}


@pytest.mark.parametrize("spoiled", REFUSALS.values(), ids=REFUSALS.keys())
async def test_unfit_driver_is_not_called(world, spoiled):
    """A process whose handshake is refused or garbage is asked nothing, and is taken once it is fit."""
    fabric = await world.driver("fabric")

    def spoil(_request):
        handshake = fabric.handshake()
        for field, value in spoiled.items():
            handshake.ClearField(field)
            handshake.MergeFrom(type(handshake)(**{field: value}))
        return handshake

    fabric.on("Handshake", spoil)
    core = await world.core(fabric, wait=False, reconnect_interval=0.05)
    await world.eventually(lambda: len(fabric.requests("Handshake")) > 1)
    assert not core.entry(fabric).is_ready
    assert core.entry(fabric).reason
    with pytest.raises(NoVerdict):
        await core.manager.postcommit("fabric", Batch(1), 30.0)
    assert fabric.requests("Postcommit") == []

    fabric.behaves()
    await core.until_ready(fabric)


@pytest.mark.parametrize("evil", [b"\xff\xff", b"", "hang", "abort"])
async def test_driver_that_never_introduces_itself_harms_nobody(world, evil):
    """Garbage, silence or errors instead of a handshake leave the driver out and the others in."""
    mute, good = await world.driver("mute"), await world.driver("good")
    if evil == "hang":
        mute.hangs("Handshake")
    elif evil == "abort":
        mute.aborts("Handshake", grpc.StatusCode.INTERNAL)
    else:
        mute.answers("Handshake", evil)
    core = await world.core(mute, good, wait=False, handshake_timeout=0.5, reconnect_interval=0.05)
    await core.until_ready(good)
    await world.eventually(lambda: len(mute.requests("Handshake")) > 1)

    assert not core.entry(mute).is_ready
    assert await core.manager.postcommit("good", Batch(1), 30.0) == {}


async def test_handshakes_that_fail_become_rarer(world):
    """A process that answers wrongly is not worn out by handshakes."""
    fabric = await world.driver("fabric")
    fabric.aborts("Handshake", grpc.StatusCode.INTERNAL)
    started = time.monotonic()
    await world.core(fabric, wait=False, reconnect_interval=0.05)
    await world.eventually(lambda: len(fabric.requests("Handshake")) >= 4)

    assert time.monotonic() - started >= 0.05 * (2 + 4 + 8)


async def test_subscribers_hear_before_the_driver_is_ready(world):
    """Whoever prepares for a driver has ended before the driver is called; if it fails, it is asked again."""
    fabric = await world.driver("fabric", start=False)
    core = await world.core(fabric, wait=False, reconnect_interval=0.05)
    heard = []

    async def prepare(name, handshake):
        heard.append((name, handshake.instance_id, core.entry(fabric).is_ready))
        if len(heard) == 1:
            raise ConnectionError("the database is away")

    core.registry.subscribe(prepare)
    await fabric.start()
    await core.until_ready(fabric)

    assert heard == [("fabric", fabric.instance_id, False)] * 2


async def test_unknown_interests_are_left_out(world):
    """A driver that is newer than the core may declare what the core does not know."""
    fabric = await world.driver("fabric")
    fabric.interests = [
        capability_pb2.Interest(kind=99, actions=[1], phases=[2]),
        capability_pb2.Interest(kind=3, actions=[1, 99], phases=[2, 99]),
    ]
    core = await world.core(fabric)

    assert core.entry(fabric).handshake.interests == (Interest("port", ("create",), ("postcommit",)),)


async def test_stop_closes_everything(world):
    """After stop nobody is called and nobody is ready."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric)

    await core.registry.stop()

    assert not core.entry(fabric).is_ready
    with pytest.raises(NoVerdict):
        await core.manager.postcommit("fabric", Batch(1), 30.0)
