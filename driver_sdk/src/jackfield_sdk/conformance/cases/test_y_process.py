"""Groups A and C, the part that needs the driver to end: drained, stopped, killed, and started again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from jackfield.driver.v1 import change_pb2, driver_pb2, mechanism_pb2, reconcile_pb2

from jackfield_sdk._transport import socket_path
from jackfield_sdk.conformance.core import Core, not_judged_without
from jackfield_sdk.conformance.owned import require_true
from jackfield_sdk.conformance.refusals import require_refusal
from jackfield_sdk.conformance.rules import case
from jackfield_sdk.conformance.supervisor import STOP_WITHIN
from jackfield_sdk.conformance.transcript import Refusal
from jackfield_sdk.conformance.verdict import require

_DRAIN = driver_pb2.DrainRequest(grace=Duration(seconds=20))
_KILLS = 3


@case(
    "A10",
    "drain",
    "A driver that drains refuses new calls with DRAINING, answers Check with NOT_SERVING, and Drain again.",
    "DriverService, Drain, and Errors",
    needs=("stop",),
)
async def test_drain(core: Core) -> None:
    """Drain twice, and call everything."""
    changes = [core.change(await core.stand(kind)) for kind in core.facts.kinds("postcommit")[-1:]]
    try:
        for _ in range(2):
            answer = await core.wire.call("Drain", _DRAIN)
            require(answer.in_flight == 0, f"in_flight {answer.in_flight}, and nothing was", "0")
        health = await core.wire.call("Check", health_pb2.HealthCheckRequest())
        word = health_pb2.HealthCheckResponse.ServingStatus.Name(health.status)
        require(word == "NOT_SERVING", word, "NOT_SERVING")
        await _require_drained(core, changes)
    finally:
        await _restart(core)


@case(
    "A13",
    "drain-finishes",
    "What is in flight when a drain begins is ended and answered, or refused as a whole.",
    "DriverService, Drain",
    needs=("stop", "postcommit"),
)
async def test_drain_finishes(core: Core) -> None:
    """Drain while full batches are on the way; what was acknowledged must hold."""
    first = await core.stand(core.facts.kinds("postcommit")[-1])
    number = min(core.facts.batch, 200, core.mint.free_networks() if first.kind == "network" else 200)
    resources = [first, *[core.sibling(first) for _ in range(number - 1)]]
    changes = [core.change(each) for each in resources]
    try:
        working = asyncio.create_task(core.wire.attempt("Postcommit", core.request(changes)))
        await asyncio.sleep(0.002)
        await core.wire.call("Drain", _DRAIN)
        answer = await working
        if isinstance(answer, Refusal):
            require_refusal(answer, grpc.StatusCode.UNAVAILABLE, "DRAINING", core)
        else:
            came = len(answer.results)
            require(came == len(changes), f"{came} results for {len(changes)} changes", "one each")
    finally:
        await _restart(core)
    await core.settle(*resources)
    await core.expect_listing()


@case(
    "A15",
    "new-instance",
    "A process that was started anew has a new instance_id.",
    "Handshake",
    needs=("stop",),
)
async def test_new_instance(core: Core) -> None:
    """Start the driver again."""
    before = core.facts.message.instance_id
    await _restart(core)
    now = core.facts.message.instance_id
    require(now != before, f"instance_id {now} again", "a new one")


@case(
    "A11",
    "sigterm",
    "A driver ends within 30 s of SIGTERM, and takes its socket file away.",
    "Services",
    needs=("own_process",),
)
async def test_sigterm(core: Core) -> None:
    """Stop the driver, and look for what it leaves."""
    assert core.supervisor is not None
    try:
        spent = await core.supervisor.stop()
        require(spent <= STOP_WITHIN, f"it runs {spent:.0f} s after SIGTERM", f"an end within {STOP_WITHIN:g} s")
        if core.options.endpoint.address.startswith("unix:"):
            path = socket_path(core.options.endpoint.address)
            require(not path.exists(), f"{path} is still there", "no socket file")
    finally:
        await core.supervisor.start()
        await core.introduce_again()


@case(
    "A12",
    "stale-socket",
    "A driver starts at an address where one that was killed has left its socket file.",
    "Services",
    needs=("kill",),
)
async def test_stale_socket(core: Core) -> None:
    """Kill the driver, and start it at once."""
    assert core.supervisor is not None
    await core.supervisor.kill()
    await core.supervisor.start()
    await core.introduce_again()


@case(
    "C15",
    "killed",
    "A driver that is killed in the middle of a call converges after its start, and holds nothing twice.",
    "Duties of a driver 2 and 11",
    needs=("kill", "postcommit"),
)
async def test_killed(core: Core) -> None:
    """Kill the driver at random moments of a batch, start it, and send what is owed."""
    assert core.supervisor is not None
    chance = random.Random(core.options.seed)
    first = await core.stand(core.facts.kinds("postcommit")[-1])
    resources = [first, *[core.sibling(first) for _ in range(min(core.facts.batch, 20) - 1)]]
    for number in range(_KILLS):
        changes = [core.change(each) for each in resources]
        working = asyncio.create_task(core.wire.attempt("Postcommit", core.request(changes)))
        await asyncio.sleep(chance.uniform(0.0, 0.008))
        await core.supervisor.kill()
        await working
        await core.supervisor.start()
        await core.introduce_again()
        await core.settle(*resources)
        await core.expect_listing()
        for each in resources[number:]:
            each.edit()


@case(
    "C23",
    "done-is-true",
    "What was answered with done is true when the answer comes, whatever becomes of the driver right after it.",
    "MechanismService, Postcommit, and Duties of a driver 11",
    needs=("kill", "postcommit"),
    since="1.1",
)
async def test_done_is_true(core: Core) -> None:
    """Kill the driver as soon as it has answered creates, updates and deletes; look, and send nothing."""
    assert core.supervisor is not None
    seen = core.facts.names("list_owned") or core.facts.names("diff")
    not_judged_without(seen, "nobody can see: features 'list_owned' and 'diff'")
    first = await core.stand(core.facts.kinds("postcommit")[-1])
    resources = [first, *[core.sibling(first) for _ in range(min(core.facts.batch, 20) - 1)]]
    for delete in (False, False, True):
        epochs = core.facts.epochs
        await core.settle(*resources, delete=delete)
        await core.supervisor.kill()
        await core.supervisor.start()
        await core.introduce_again()
        not_judged_without(core.facts.epochs == epochs, "a new process has a new epoch: its backend forgets")
        await core.expect_listing()
        for each in () if delete else resources:
            await require_true(core, each)
            each.edit()


async def _require_drained(core: Core, changes: Sequence[change_pb2.Change]) -> None:
    facts = core.facts
    calls: list[tuple[str, Message]] = []
    if facts.kinds("precommit"):
        calls.append(("Precommit", mechanism_pb2.PrecommitRequest(changes=changes)))
    if facts.kinds("postcommit"):
        calls.append(("Postcommit", core.request(changes)))
    if facts.message.HasField("bind"):
        calls.append(("BindPorts", mechanism_pb2.BindPortsRequest(host=core.mint.host())))
    if facts.names("list_owned"):
        calls.append(("ListOwned", reconcile_pb2.ListOwnedRequest()))
    for method, request in calls:
        refusal = await core.wire.refused(method, request)
        require_refusal(refusal, grpc.StatusCode.UNAVAILABLE, "DRAINING", core)


async def _restart(core: Core) -> None:
    assert core.supervisor is not None
    await core.supervisor.stop()
    await core.supervisor.start()
    await core.introduce_again()
