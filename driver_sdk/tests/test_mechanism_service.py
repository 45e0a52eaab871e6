"""Precommit and postcommit over a real socket: one result per change, whatever a hook does."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status
from jackfield.driver.v1 import change_pb2, mechanism_pb2
from jackfield.driver.v1.mechanism_pb2_grpc import MechanismServiceStub
from jackfield_sdk import (
    Accepted,
    Action,
    Attribute,
    DeviceConflict,
    Done,
    DriverState,
    Effect,
    Infeasible,
    InProgress,
    Kind,
    MechanismDriver,
    Rejected,
    RetryLater,
    Skip,
)
from jackfield_sdk.testing import Failed, RecordingDriver, a_host, a_network, a_port, a_segment, running
from jackfield_sdk.testing._changes import Wanted, change


@pytest.fixture
def driver():
    driver = RecordingDriver()
    driver.attributes = (Attribute(Kind.NETWORK, "vni", {"type": "integer"}),)
    return driver


@pytest.fixture
async def core(driver, tmp_path):
    async with running(driver, tmp_path) as core:
        yield core


def error_info(error):
    """Read the rich status that a refusal carries."""
    details = dict(error.trailing_metadata())["grpc-status-details-bin"]
    info = ErrorInfo()
    assert Status.FromString(details).details[0].Unpack(info)
    return info


async def test_a_refusal_in_precommit_carries_the_drivers_words(driver, core):
    """Message, stable reason and the attribute at fault reach the core."""
    refusal = Rejected("VLAN 7 is reserved", reason="VLAN_RESERVED", field="provider:segmentation_id")
    driver.script.answer("create_network_precommit", refusal)

    answer = await core.precommit(Action.CREATE, a_network(a_segment("vlan", 7)))

    assert isinstance(answer, Rejected)
    assert (answer.message, answer.reason, answer.field) == (refusal.message, refusal.reason, refusal.field)


async def test_an_accepted_change_may_bring_state_and_attributes(driver, core):
    """The core stores both in the same transaction."""
    accepted = Accepted(DriverState(1, b"abc"), {"vni": 7})
    driver.script.answer("create_network_precommit", accepted, None)

    assert await core.precommit(Action.CREATE, a_network()) == accepted
    assert await core.precommit(Action.CREATE, a_network()) == Accepted()


async def test_every_change_has_its_own_verdict(driver, core):
    """A refusal in the middle leaves the others alone."""
    driver.script.answer("create_network_precommit", None, Rejected("no"), RuntimeError("oops"), None)

    answers = await core.precommit_all([Wanted(Action.CREATE, a_network()) for _ in range(4)])

    assert [type(answer) for answer in answers] == [Accepted, Rejected, Failed, Accepted]


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (
            RetryLater("leaf1 is rebooting", 2.5, code="SWITCH_DOWN", effect=Effect.NONE),
            Failed("RETRY", "SWITCH_DOWN", "", "leaf1 is rebooting", "NONE", 2.5),
        ),
        (
            Infeasible("leaf1 has no room", user_message="the fabric is full"),
            Failed("INFEASIBLE", "INFEASIBLE", "the fabric is full", "leaf1 has no room", "MAYBE"),
        ),
        (
            DeviceConflict("VLAN 7 is not ours", effect=Effect.PARTIAL),
            Failed("CONFLICT", "DEVICE_CONFLICT", "", "VLAN 7 is not ours", "PARTIAL"),
        ),
        (Rejected("too late"), Failed("INFEASIBLE", "REJECTED", "too late", "too late", "MAYBE")),
    ],
)
async def test_an_error_in_postcommit_tells_the_core_what_to_do_next(driver, core, raised, expected):
    """Disposition, code, both messages, effect and delay arrive."""
    driver.script.answer("create_network_postcommit", raised)

    assert await core.postcommit(Action.CREATE, a_network()) == expected


async def test_the_text_of_a_bug_never_leaves_the_process(driver, core):
    """An exception may quote a password; the core learns only that there is a fault."""
    driver.script.answer("create_network_postcommit", RuntimeError("login failed for admin/s3cret"))
    driver.script.answer("create_network_precommit", RuntimeError("s3cret"))
    driver.script.answer("bind_port", RuntimeError("s3cret"))
    network = a_network()

    failed = await core.postcommit(Action.CREATE, network)
    judged = await core.precommit(Action.CREATE, network)
    bound = await core.bind(a_port(network), network, a_host())

    assert (failed.disposition, failed.reason) == ("BUG", "DRIVER_BUG")
    assert "s3cret" not in f"{failed}{judged}{bound}"
    assert isinstance(bound, Skip)


async def test_done_acknowledges_the_revision_that_was_sent(driver, core):
    """State and attributes travel along; a driver may say that it holds a higher revision."""
    network = a_network()
    driver.script.answer("create_network_postcommit", Done(DriverState(1, b"x"), {"vni": 7}))
    driver.script.answer("update_network_postcommit", Done(revision=9))

    assert await core.postcommit(Action.CREATE, network, 4) == Done(DriverState(1, b"x"), {"vni": 7}, 4)
    assert await core.postcommit(Action.UPDATE, network, 5) == Done(revision=9)


async def test_a_lower_revision_is_answered_with_the_one_held_and_no_hook_is_called(driver, core):
    """A message that was overtaken must not turn the device back."""
    network = a_network()
    await core.postcommit(Action.CREATE, network, 7)

    answer = await core.postcommit(Action.UPDATE, network, 6)

    assert answer == Done(revision=7)
    assert driver.script.called("update_network_postcommit") == []


async def test_the_same_revision_calls_the_hook_again(driver, core):
    """That is how the core repairs a device; ten times are as good as once."""
    network = a_network()

    answers = [await core.postcommit(Action.CREATE, network, 7) for _ in range(10)]

    assert answers == [Done(revision=7)] * 10
    assert len(driver.script.called("create_network_postcommit")) == 10


async def test_a_late_update_does_not_bring_a_deleted_port_back(driver, core):
    """Delete is final for its revision and all before it."""
    network = a_network()
    port = a_port(network)
    await core.postcommit(Action.DELETE, port, 5, network=network)

    answer = await core.postcommit(Action.UPDATE, port, 5, network=network)

    assert answer == Done(revision=5)
    assert driver.script.called("update_port_postcommit") == []


async def test_in_progress_is_asked_again_and_holds_nothing(driver, core):
    """Only what is done counts as held."""
    network = a_network()
    driver.script.answer("create_network_postcommit", InProgress(0.5))

    assert await core.postcommit(Action.CREATE, network, 7) == InProgress(0.5)
    assert await core.postcommit(Action.UPDATE, network, 6) == Done(revision=6)


async def test_two_postcommits_of_one_resource_never_overlap(driver, core):
    """Different resources run side by side meanwhile."""
    network, other = a_network(), a_network()
    inside, most, free = 0, 0, asyncio.Event()

    async def slow(context):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await free.wait()
        inside -= 1

    driver.script.answer("update_network_postcommit", *[slow] * 3)
    calls = [asyncio.create_task(core.postcommit(Action.UPDATE, network, 7)) for _ in range(3)]
    assert await core.postcommit(Action.CREATE, other) == Done(revision=1)
    free.set()

    assert await asyncio.gather(*calls) == [Done(revision=7)] * 3
    assert most == 1


async def test_a_batch_keeps_parents_before_children(driver, core):
    """Networks are finished before the ports behind them begin."""
    network = a_network()
    finished = []

    async def slow(context):
        await asyncio.sleep(0.02)
        finished.append(context.current.id)

    driver.script.answer("create_network_postcommit", slow)
    driver.script.answer("create_port_postcommit", lambda context: finished.append(context.current.id))
    port = a_port(network)

    await core.postcommit_all([Wanted(Action.CREATE, network), Wanted(Action.CREATE, port, network=network)])

    assert finished == [network.id, port.id]


async def test_what_this_driver_does_not_know_is_unsupported(driver, core):
    """A kind of a later contract gets a result of its own, and the rest of the batch its work."""
    network = a_network()
    known, unknown = change("1", Wanted(Action.CREATE, network)), change("2", Wanted(Action.CREATE, network))
    unknown.kind = 99
    request = mechanism_pb2.PostcommitRequest(changes=[unknown, known, change_pb2.Change(change_id="3")])

    response = await MechanismServiceStub(core.channel).Postcommit(request)

    outcomes = {result.change_id: result for result in response.results}
    assert outcomes["1"].WhichOneof("outcome") == "done"
    for change_id in ("2", "3"):
        assert outcomes[change_id].failed.disposition == change_pb2.DISPOSITION_INFEASIBLE
        assert outcomes[change_id].failed.reason == "UNSUPPORTED"


async def test_a_malformed_change_is_infeasible_and_reaches_no_hook(driver, core):
    """A port without its network breaks the contract."""
    answer = await core.postcommit(Action.CREATE, a_port(a_network()))

    assert (answer.disposition, answer.reason, answer.effect) == ("INFEASIBLE", "MALFORMED", "NONE")
    assert driver.script.calls == []


async def test_a_state_that_is_too_large_is_a_fault_of_the_driver(driver, core):
    """The core would discard it, so it does not leave the process."""
    driver.script.answer("create_network_postcommit", Done(DriverState(1, b"x" * 16_385)))
    driver.script.answer("create_network_precommit", Accepted(DriverState(1, b"x" * 16_385)))

    assert (await core.postcommit(Action.CREATE, a_network())).disposition == "BUG"
    assert (await core.precommit(Action.CREATE, a_network())).disposition == "BUG"


@pytest.mark.parametrize("answer", [Done(revision=3), Accepted(), "done", Done(attributes={"x": object()})])
async def test_an_answer_that_makes_no_sense_is_a_fault_of_the_driver(driver, core, answer):
    """A revision that goes back, another hook's answer, a string, a value that is no JSON."""
    driver.script.answer("create_network_postcommit", answer)

    assert (await core.postcommit(Action.CREATE, a_network(), 4)).disposition == "BUG"


async def test_claims_of_several_dispatchers_interleave(driver, core):
    """A later claim may arrive first; the revision decides what is out of date, not the time of the claim."""
    core.epoch = 5
    first = await core.postcommit(Action.CREATE, a_network())
    core.epoch = 4
    second = await core.postcommit(Action.CREATE, a_network())

    assert (first.revision, second.revision) == (1, 1)


async def test_a_batch_above_the_declared_limit_is_refused(driver, tmp_path):
    """The handshake named the limit."""
    async with running(driver, tmp_path, max_batch=2) as core:
        assert (await core.handshake()).limits.max_batch == 2
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await core.postcommit_all([Wanted(Action.CREATE, a_network()) for _ in range(3)])

    assert error_info(refused.value).reason == "BATCH_TOO_LARGE"


async def test_a_hook_sees_the_deadline_that_comes_first(driver, core):
    """The shared budget of precommit may be shorter than the deadline of the call."""
    before = time.monotonic()
    await core.precommit(Action.CREATE, a_network(), budget=0.25)
    await core.postcommit(Action.CREATE, a_network())

    (judged,) = driver.script.called("create_network_precommit")
    (acted,) = driver.script.called("create_network_postcommit")
    assert 0 < judged.deadline - before <= 0.25 + (time.monotonic() - before)
    # gRPC rounds a time-out up when it writes it into a header, by one per cent at most.
    assert 1 < acted.deadline - before <= core.timeout * 1.01 + (time.monotonic() - before)


async def test_a_hook_that_is_not_overridden_is_nothing_to_do(tmp_path):
    """Accept, done, skip: without a look at the change."""

    class Bare(MechanismDriver):
        name = "bare"

    async with running(Bare(), tmp_path) as core:
        network = a_network()
        assert await core.precommit(Action.CREATE, network) == Accepted()
        assert await core.postcommit(Action.CREATE, network, 3) == Done(revision=3)
        assert isinstance(await core.bind(a_port(network), network, a_host()), Skip)


async def test_a_large_batch_is_answered_in_order(driver, core):
    """Five hundred ports of one network, one result each."""
    network = a_network()
    ports = [replace(a_port(network, "host-1"), name=str(number)) for number in range(500)]

    answers = await core.postcommit_all([Wanted(Action.CREATE, port, 2, network=network) for port in ports])

    assert answers == [Done(revision=2)] * 500
    assert [context.current for context in driver.script.called("create_port_postcommit")] == ports
