"""Drivers make changes true, and say what became of them."""

import asyncio

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2
from jackfield.driver.v1 import change_pb2, mechanism_pb2
from jackfield_core.mechanism.answers import Done, Failed, Garbage, InProgress, NoVerdict, Superseded
from jackfield_core.mechanism.batch import Batch
from jackfield_core.types import Action


@pytest.fixture
def batch(rows):
    """Return two changes as the dispatcher would send them; their ids are "a" and "b"."""
    tree = rows.tree()
    batch = Batch(1_700_000_000_000_000)
    batch.add(rows.create_network(tree), change_id="a", action=Action.CREATE)
    port = rows.create_port(rows.port(tree=tree, revision=5), tree)
    batch.add(port, change_id="b", action=Action.UPDATE, original=b"", state=(1, b"kept"))
    return batch


def done(id, revision, **more):
    """Return the result of a change that is true."""
    return mechanism_pb2.PostcommitResult(change_id=id, done=mechanism_pb2.Done(revision=revision, **more))


def respond(*results):
    """Return an answer."""
    return mechanism_pb2.PostcommitResponse(results=results)


async def test_changes_arrive_and_outcomes_return(world, batch):
    """Every change gets its outcome as plain values, whatever the order of the answer."""
    fabric = await world.driver("fabric")
    error = change_pb2.Error(
        disposition=change_pb2.DISPOSITION_INFEASIBLE,
        reason="NO_SUCH_LEAF",
        user_message="there is no leaf",
        operator_message="line 1\nline 2\x00",
        retry_after=Duration(seconds=3, nanos=500_000_000),
        effect=change_pb2.EFFECT_NONE,
    )
    failed = mechanism_pb2.PostcommitResult(change_id="b", failed=error)
    state = change_pb2.DriverState(version=1, data=b"vlan 7")
    fabric.answers("Postcommit", respond(failed, done("a", 1, state=state)))
    core = await world.core(fabric)

    outcome = await core.manager.postcommit("fabric", batch, 30.0)

    assert outcome == {
        "a": Done((1, b"vlan 7")),
        "b": Failed("infeasible", "NO_SUCH_LEAF", "there is no leaf", "line 1 line 2", 3.5, "none"),
    }
    (request,) = fabric.requests("Postcommit")
    assert request.epoch == 1_700_000_000_000_000
    assert [change.id for change in request.changes] == ["net-1", "port-1"]
    assert request.changes[1].state.data == b"kept"
    assert request.changes[1].HasField("original")


async def test_work_in_progress_is_asked_for_again(world, batch):
    """A driver that needs longer says when to ask again; nonsense is put right."""
    fabric = await world.driver("fabric")
    later = mechanism_pb2.InProgress(retry_after=Duration(seconds=2))
    nonsense = mechanism_pb2.InProgress(retry_after=Duration(seconds=-(10**9)))
    fabric.answers(
        "Postcommit",
        respond(
            mechanism_pb2.PostcommitResult(change_id="a", in_progress=later),
            mechanism_pb2.PostcommitResult(change_id="b", in_progress=nonsense),
        ),
    )
    core = await world.core(fabric)

    assert await core.manager.postcommit("fabric", batch, 30.0) == {"a": InProgress(2.0), "b": InProgress(0.0)}


async def test_error_without_words_is_retried(world, batch):
    """What an error leaves open is taken for the worst: retry, and the change may have been made."""
    fabric = await world.driver("fabric")
    blank = mechanism_pb2.PostcommitResult(change_id="b", failed=change_pb2.Error(reason="x" * 100))
    fabric.answers("Postcommit", respond(done("a", 1), blank))
    core = await world.core(fabric)

    outcome = await core.manager.postcommit("fabric", batch, 30.0)

    assert outcome["b"] == Failed("retry", "x" * 63, "", "", None, "maybe")


GARBAGE = {
    "bytes": b"\xff\xff\xff\xff",
    "missing": respond(done("a", 1)),
    "unknown": respond(done("a", 1), done("b", 5), done("c", 1)),
    "doubled": respond(done("a", 1), done("b", 5), done("a", 1)),
    "no outcome": respond(done("a", 1), mechanism_pb2.PostcommitResult(change_id="b")),
    "lower revision": respond(done("a", 1), done("b", 4)),
    "endless state": respond(done("a", 1, state=change_pb2.DriverState(version=1, data=b"x" * 16385)), done("b", 5)),
}


async def test_higher_revision_may_be_somebody_elses(world, batch):
    """A driver that holds a higher revision says so; whether there is one, the ledger knows."""
    fabric = await world.driver("fabric")
    fabric.answers("Postcommit", respond(done("a", 1), done("b", 6)))
    core = await world.core(fabric)

    outcome = await core.manager.postcommit("fabric", batch, 30.0)

    assert outcome == {"a": Done(), "b": Superseded(6)}


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_discards_the_whole_answer(world, batch, answer):
    """One wrong result and nothing of the answer counts; the driver stays connected."""
    fabric = await world.driver("fabric")
    fabric.answers("Postcommit", answer)
    core = await world.core(fabric)

    with pytest.raises(Garbage):
        await core.manager.postcommit("fabric", batch, 30.0)

    fabric.behaves()
    assert set(await core.manager.postcommit("fabric", batch, 30.0)) == {"a", "b"}


async def test_silence_ends_with_the_deadline(world, batch):
    """A call that hangs ends after its timeout, with an unknown outcome."""
    fabric = await world.driver("fabric")
    fabric.hangs("Postcommit")
    core = await world.core(fabric)

    patient = asyncio.create_task(core.manager.postcommit("fabric", batch, 600.0))
    (granted,) = await world.eventually(lambda: fabric.granted("Postcommit"))
    # gRPC rounds a time-out up when it writes it into a header, by one per cent at most.
    assert granted <= 600 * 1.01
    patient.cancel()

    with pytest.raises(NoVerdict) as caught:
        await core.manager.postcommit("fabric", batch, 0.2)

    assert (caught.value.code, caught.value.attempted, caught.value.has_error_info) == (
        "DEADLINE_EXCEEDED",
        True,
        False,
    )


async def test_too_large_a_request_is_told_apart(world, batch, rows):
    """A message that is too large says so, so that the dispatcher can halve the batch."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric)
    change = rows.create_network(rows.tree())
    batch.add(change, change_id="c", action=Action.CREATE, attributes={"acme": b"x" * (17 << 20)})

    with pytest.raises(NoVerdict) as caught:
        await core.manager.postcommit("fabric", batch, 30.0)

    assert caught.value.code == "RESOURCE_EXHAUSTED"
    assert not caught.value.has_error_info


async def test_only_the_drivers_own_error_info_counts(world, batch):
    """ErrorInfo of the driver's domain is its word, with its wish for the next call; that of others is noise."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric)

    def spoken_by(domain):
        status = status_pb2.Status(code=8, message="busy")
        status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=7)))
        status.details.add().Pack(error_details_pb2.ErrorInfo(domain=domain, reason="BUSY"))
        return [("grpc-status-details-bin", status.SerializeToString())]

    async def answer():
        with pytest.raises(NoVerdict) as caught:
            await core.manager.postcommit("fabric", batch, 30.0)
        return caught.value.has_error_info, caught.value.reason, caught.value.retry_after

    fabric.aborts("Postcommit", grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", spoken_by("fabric"))
    assert await answer() == (True, "BUSY", 7.0)
    fabric.aborts("Postcommit", grpc.StatusCode.RESOURCE_EXHAUSTED, "busy", spoken_by("envoy"))
    assert await answer() == (False, "", None)
    fabric.aborts("Postcommit", grpc.StatusCode.UNAVAILABLE, "busy", [("grpc-status-details-bin", b"\xff\xff")])
    assert await answer() == (False, "", None)


async def test_fields_that_the_driver_cannot_take_reach_the_operator(world, batch):
    """BadRequest is read with the driver's ErrorInfo, on one line; a wish to be left alone for ever is cut to a day."""
    fabric = await world.driver("fabric")
    core = await world.core(fabric)
    status = status_pb2.Status(code=3, message="no")
    status.details.add().Pack(error_details_pb2.ErrorInfo(domain="fabric", reason="MALFORMED"))
    violation = error_details_pb2.BadRequest.FieldViolation(field="changes[0].kind", description="not\x00 served")
    status.details.add().Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=10**9)))
    details = [("grpc-status-details-bin", status.SerializeToString())]
    fabric.aborts("Postcommit", grpc.StatusCode.INVALID_ARGUMENT, "no", details)

    with pytest.raises(NoVerdict) as caught:
        await core.manager.postcommit("fabric", batch, 30.0)

    assert caught.value.text == "INVALID_ARGUMENT: no; changes[0].kind: not  served"
    assert (caught.value.reason, caught.value.retry_after) == ("MALFORMED", 86400.0)


async def test_driver_that_is_not_there_is_not_attempted(world, batch):
    """Without a connection nothing is tried, and the dispatcher learns that."""
    fabric = await world.driver("fabric", start=False)
    core = await world.core(fabric, wait=False)

    with pytest.raises(NoVerdict) as caught:
        await core.manager.postcommit("fabric", batch, 30.0)

    assert not caught.value.attempted
