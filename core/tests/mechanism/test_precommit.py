"""Drivers judge changes before they are committed."""

import asyncio
import time

import grpc
import pytest
import structlog.testing
from google.rpc import error_details_pb2, status_pb2
from jackfield.driver.v1 import capability_pb2, change_pb2, mechanism_pb2
from jackfield_core.db.unit_of_work import Change
from jackfield_core.errors import DriverRejected, DriverUnavailable
from jackfield_core.mechanism.answers import Limits
from jackfield_core.mechanism.entry import Condition
from jackfield_core.types import Action, Kind
from msgspec.structs import replace
from support.evil_driver import Abort
from support.verdicts import response, result


def refusal(message, *, field="", reason="RESERVED"):
    """Return a script that refuses every change."""

    def refuse(request):
        reject = mechanism_pb2.Reject(reason=reason, message=message, field=field)
        return mechanism_pb2.PrecommitResponse(
            results=[
                mechanism_pb2.PrecommitResult(change_id=change.change_id, reject=reject) for change in request.changes
            ]
        )

    return refuse


async def test_accepted_changes_pass(world, rows):
    """A change that every driver accepts passes, and every driver got the whole of it."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric, precommit_budget=60.0)
    tree = rows.tree()

    await core.manager.precommit([rows.create_port(rows.port(tree=tree, host="host-1"), tree)])

    (request,) = fabric.requests("Precommit")
    (change,) = request.changes
    assert change.kind == change_pb2.RESOURCE_KIND_PORT
    assert change.action == change_pb2.ACTION_CREATE
    assert change.current.port.mac_address == "fa:16:3e:00:00:01"
    assert change.related.network.id == tree.network.id
    assert [subnet.cidr for subnet in change.related.subnets] == ["192.0.2.0/24"]
    assert [segment.segmentation_id for segment in change.related.segments] == [7]
    assert change.related.host.name == "host-1"
    assert not change.HasField("original")
    assert 0 < request.budget.ToMilliseconds() <= 60_000


async def test_nobody_interested_costs_nothing(world, rows):
    """A driver that did not ask for a kind in precommit is not called, and may be down."""
    fabric = await world.driver("fabric")
    fabric.interests = []
    core = await world.core(fabric)
    await fabric.stop()
    await world.eventually(lambda: not core.entry(fabric).is_ready)

    await core.manager.precommit([rows.create_network()])

    assert fabric.requests("Precommit") == []


async def test_refusal_reaches_the_user_in_the_drivers_words(world, rows):
    """A refused change raises with the driver's sentence, reason and field."""
    fabric = await world.driver("fabric")
    fabric.on("Precommit", refusal("VLAN 7 is reserved", field="provider:segmentation_id"))
    core = await world.core(fabric)

    with pytest.raises(DriverRejected) as caught:
        await core.manager.precommit([rows.create_network()])

    assert "VLAN 7 is reserved" in caught.value.message
    assert caught.value.driver == "fabric"
    assert caught.value.reason == "RESERVED"
    assert caught.value.field == "provider:segmentation_id"


async def test_first_refusal_in_driver_order_wins(world, rows):
    """Of several refusals the first driver's is told, whoever was faster."""
    first, second = await world.driver("first"), await world.driver("second")

    async def slow(request):
        await asyncio.sleep(0.05)
        return refusal("first says no")(request)

    first.on("Precommit", slow)
    second.on("Precommit", refusal("second says no"))
    core = await world.core(first, second)

    with pytest.raises(DriverRejected, match="first says no"):
        await core.manager.precommit([rows.create_network()])


async def test_refusal_beats_silence(world, rows):
    """A refusal is told even if a driver before it did not answer."""
    silent, strict = await world.driver("silent"), await world.driver("strict")
    silent.on("Precommit", lambda _request: silent.stop())
    strict.on("Precommit", refusal("no"))
    core = await world.core(silent, strict)

    with pytest.raises(DriverRejected, match='"strict"'):
        await core.manager.precommit([rows.create_network()])
    assert silent.requests("Precommit")


async def test_slow_drivers_share_one_budget(world, rows):
    """Two drivers that hang are asked at the same time, and neither gets what the other did not use."""
    one, two = await world.driver("one"), await world.driver("two")
    both = asyncio.Barrier(2)

    async def met(_request):
        await both.wait()
        await asyncio.Event().wait()

    one.on("Precommit", met)
    two.on("Precommit", met)
    core = await world.core(one, two, precommit_budget=600.0)
    asked = asyncio.create_task(core.manager.precommit([rows.create_network()]))
    # Were one asked after the other, the first would wait here for the whole budget.
    await world.eventually(lambda: one.in_flight == two.in_flight == 1 and not both.n_waiting)
    asked.cancel()
    await asyncio.wait([asked])
    budgets = [driver.requests("Precommit")[-1].budget.ToMilliseconds() for driver in (one, two)]
    assert max(budgets) <= 600_000

    one.hangs("Precommit")
    two.hangs("Precommit")
    hurried = await world.core(one, two, precommit_budget=0.5)
    started = time.monotonic()
    with pytest.raises(DriverUnavailable):
        await hurried.manager.precommit([rows.create_network()])

    assert time.monotonic() - started > 0.4


async def test_bulk_requests_get_more_time_and_shut_nobody_out(world, rows):
    """A transaction of many changes has a budget of its size, and its silence counts once."""
    fabric = await world.driver("fabric")
    fabric.limits = capability_pb2.Limits(max_batch=100, max_in_flight=11)
    all_of_them = asyncio.Barrier(11)

    async def dies(_request):
        await all_of_them.wait()
        raise Abort(grpc.StatusCode.UNAVAILABLE)

    fabric.on("Precommit", dies)
    core = await world.core(fabric, precommit_budget=60.0, precommit_budget_per_change=0.5, breaker_failures=2)

    with pytest.raises(DriverUnavailable):
        await core.manager.precommit([rows.create_network() for _ in range(1001)])

    budgets = [request.budget.ToSeconds() for request in fabric.requests("Precommit")]
    assert (len(budgets), max(budgets) <= 560, min(budgets) > 60) == (11, True, True)
    assert core.entry(fabric).condition is Condition.READY


async def test_required_driver_that_is_away_refuses_at_once(world, rows):
    """Without a connection there is no waiting for the budget."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric, precommit_budget=3600.0)
    await fabric.stop()
    await world.eventually(lambda: not core.entry(fabric).is_ready)

    with pytest.raises(DriverUnavailable, match='"fabric" gave no verdict: it is connecting') as caught:
        await core.manager.precommit([rows.create_network()])

    assert caught.value.retry_after > 0


async def test_advisory_driver_that_is_away_lets_pass(world, rows):
    """An advisory driver without a connection stops nothing, and the operator reads of it."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric, advisory=["fabric"])
    await fabric.stop()
    await world.eventually(lambda: not core.entry(fabric).is_ready)

    with structlog.testing.capture_logs() as logs:
        await core.manager.precommit([rows.create_network()])

    assert [(line["event"], line["driver"]) for line in logs] == [("precommit.passed_without_verdict", "fabric")]


async def test_advisory_driver_may_still_refuse(world, rows):
    """Advisory means that silence passes, not that a refusal does."""
    fabric = await world.driver("fabric")
    fabric.on("Precommit", refusal("no"))
    core = await world.core(fabric, advisory=["fabric"])

    with pytest.raises(DriverRejected):
        await core.manager.precommit([rows.create_network()])


async def test_driver_that_dies_in_the_call_is_no_verdict(world, rows):
    """A connection that breaks during the call ends it at once."""
    fabric = await world.driver("fabric")
    fabric.hangs("Precommit")
    core = await world.core(fabric, precommit_budget=3600.0)
    asked = asyncio.create_task(core.manager.precommit([rows.create_network()]))
    await world.eventually(lambda: fabric.requests("Precommit"))

    await fabric.stop()
    with pytest.raises(DriverUnavailable):
        await asked

    # The call itself would have gone on for the rest of the hour.
    assert fabric.granted("Precommit")[0] > 3000


async def test_driver_that_cannot_judge_gives_no_verdict(world, rows):
    """A driver that says that it cannot judge now refuses if required, with its words."""
    fabric = await world.driver("fabric")
    error = change_pb2.Error(reason="CONTROLLER_DOWN", user_message="the controller is down")
    fabric.answers("Precommit", response(result("0", failed=error)))
    core = await world.core(fabric)

    with pytest.raises(DriverUnavailable, match="the controller is down"):
        await core.manager.precommit([rows.create_network()])


async def test_states_are_kept_with_the_change(world, rows):
    """The state of a verdict is kept for its driver, and what was kept is sent."""
    fabric = await world.driver("fabric")
    accept = mechanism_pb2.Accept(state=change_pb2.DriverState(version=2, data=b"new"))
    fabric.answers("Precommit", response(result("0", accept=accept)))
    core = await world.core(fabric)
    change = rows.create_network()
    change.states = {"fabric": (1, b"old")}

    await core.manager.precommit([change])

    assert fabric.requests("Precommit")[0].changes[0].state.data == b"old"
    assert change.states == {"fabric": (2, b"new")}


async def test_bulk_is_one_request(world, rows):
    """A hundred ports are judged in one call."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric)
    tree = rows.tree()

    await core.manager.precommit([rows.create_port(rows.port(f"port-{n}", tree), tree) for n in range(100)])

    (request,) = fabric.requests("Precommit")
    assert [change.id for change in request.changes] == [f"port-{n}" for n in range(100)]


async def test_batches_and_calls_in_flight_keep_the_drivers_limits(world, rows):
    """A driver gets no larger and no more requests at once than it takes."""
    fabric = await world.driver("fabric")
    fabric.limits = capability_pb2.Limits(max_batch=10, max_in_flight=2)

    async def slow(_request):
        await asyncio.sleep(0.01)

    fabric.on("Precommit", slow)
    core = await world.core(fabric)
    tree = rows.tree()

    await core.manager.precommit([rows.create_port(rows.port(f"port-{n}", tree), tree) for n in range(95)])

    requests = fabric.requests("Precommit")
    assert sorted(len(request.changes) for request in requests) == [5] + [10] * 9
    assert fabric.most_in_flight == 2
    assert core.entry(fabric).limits == Limits(10, 2, 16384)


async def test_only_the_declared_changes_are_sent(world, rows):
    """Of one transaction, each driver hears what it declared and nothing else."""
    networks, ports = await world.driver("networks"), await world.driver("ports")
    networks.interests = networks.interests[:1]
    ports.interests = ports.interests[1:]
    core = await world.core(networks, ports)
    tree = rows.tree()

    await core.manager.precommit([rows.create_network(tree), rows.create_port(tree=tree)])

    assert [change.id for change in networks.requests("Precommit")[0].changes] == [tree.network.id]
    assert [change.id for change in ports.requests("Precommit")[0].changes] == ["port-1"]


async def test_update_carries_the_state_before(world, rows):
    """An update comes with the resource as it was, a deletion one revision above the last."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric)
    before = rows.tree()
    after = replace(before, network=replace(before.network, name="red", revision_number=2))

    await core.manager.precommit(
        [Change(Kind.NETWORK, Action.UPDATE, after.network, before.network, after, original_tree=before)]
    )
    await core.manager.precommit([Change(Kind.NETWORK, Action.DELETE, after.network, after.network, after)])

    update, deletion = (request.changes[0] for request in fabric.requests("Precommit"))
    assert (update.original.network.name, update.current.network.name, update.revision) == ("blue", "red", 2)
    assert (deletion.action, deletion.current.network.name, deletion.revision) == (change_pb2.ACTION_DELETE, "red", 3)


async def test_caller_that_gives_up_is_cancelled(world, rows):
    """A cancelled request ends its calls, and the driver's place is free again."""
    fabric = await world.driver("fabric")
    fabric.limits = capability_pb2.Limits(max_in_flight=1)
    fabric.hangs("Precommit")
    core = await world.core(fabric)
    asked = asyncio.create_task(core.manager.precommit([rows.create_network()]))
    await world.eventually(lambda: fabric.requests("Precommit"))

    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    fabric.behaves()
    await core.manager.precommit([rows.create_network()])


async def test_word_of_the_driver_does_not_count_as_silence(world, rows):
    """A status with the driver's own ErrorInfo is an answer: the breaker stays closed."""
    fabric = await world.driver("fabric")
    status = status_pb2.Status(code=14, message="draining")
    status.details.add().Pack(error_details_pb2.ErrorInfo(domain="fabric", reason="DRAINING"))
    fabric.aborts(
        "Precommit",
        grpc.StatusCode.UNAVAILABLE,
        "draining",
        [("grpc-status-details-bin", status.SerializeToString())],
    )
    core = await world.core(fabric, breaker_failures=2)

    for _ in range(5):
        with pytest.raises(DriverUnavailable):
            await core.manager.precommit([rows.create_network()])

    assert len(fabric.requests("Precommit")) == 5
    assert core.entry(fabric).is_ready
