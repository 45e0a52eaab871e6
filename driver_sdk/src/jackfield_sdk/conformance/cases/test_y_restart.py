"""What a restart must not change, and what a drain must have ended: rules of groups A and C."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from google.protobuf.duration_pb2 import Duration
from jackfield.driver.v1 import change_pb2, driver_pb2, mechanism_pb2

from jackfield_sdk.conformance.core import Core, not_judged_without
from jackfield_sdk.conformance.rules import case
from jackfield_sdk.conformance.transcript import Refusal
from jackfield_sdk.conformance.verdict import require

_DRAIN = driver_pb2.DrainRequest(grace=Duration(seconds=20))
# Seconds after which a drain follows a call; one that was faster than the call is tried again with the next.
_PAUSES = (0.01, 0.5, 3.0)
# Seconds for an answer that has left the driver to arrive.
_ON_THE_WAY = 1.0


@case(
    "A16",
    "drain-waits",
    "Drain is answered with in_flight 0 once all calls have been: the process may end then, and nothing is lost.",
    "DriverService, Drain",
    needs=("kill", "postcommit"),
    since="1.2",
)
async def test_drain_waits(core: Core) -> None:
    """Drain while a full batch is on the way, and kill the driver once it has answered."""
    first = await core.stand(core.facts.kinds("postcommit")[-1])
    number = min(core.facts.batch, 200, core.mint.free_networks() if first.kind == "network" else 200)
    resources = [first, *[core.sibling(first) for _ in range(number - 1)]]
    for pause in _PAUSES:
        drained, answer = await _drain_and_kill(core, [core.change(each) for each in resources], pause)
        if not (isinstance(answer, Refusal) and answer.domain):
            break
    unknown = isinstance(answer, Refusal) and not answer.domain
    require(drained.in_flight or not unknown, "in_flight 0, and a call had no answer", "its answer before that")
    await core.settle(*resources)
    await core.expect_listing()


@case(
    "C24",
    "lower-after-restart",
    "A revision lower than the one on the device is answered with that one after a restart, too; nothing is touched.",
    "Duties of a driver 4 and 11",
    needs=("stop", "list_owned", "postcommit"),
    since="1.2",
)
async def test_lower_after_restart(core: Core) -> None:
    """Make revision 5 of each kind true, start the driver anew, and send revision 1, twice."""
    assert core.supervisor is not None
    resources = core.listable([await core.stand(kind) for kind in core.facts.kinds("postcommit")])
    not_judged_without(resources, "nothing that the driver makes can be listed")
    old = {each.id: core.change(each) for each in resources}
    for each in resources:
        each.edit(revisions=4)
        await core.settle(each)
    epochs = core.facts.epochs
    await core.supervisor.stop()
    await core.supervisor.start()
    await core.introduce_again()
    not_judged_without(core.facts.epochs == epochs, "a new process has a new epoch: its backend forgets")
    await core.expect_listing()
    for each in [*resources, *resources]:
        change = old[each.id]
        held = (await core.final(change)).done.revision
        came, wanted = f"done with revision {held} to revision {change.revision} of a {each.kind}", "the one listed"
        require(held == each.revision, came, f"done with revision {each.revision}, {wanted}")
        await core.expect_listing()


async def _drain_and_kill(
    core: Core, changes: Sequence[change_pb2.Change], pause: float
) -> tuple[driver_pb2.DrainResponse, mechanism_pb2.PostcommitResponse | Refusal]:
    """Return what a drain was answered, and what the call that was on its way then."""
    assert core.supervisor is not None
    try:
        working = asyncio.create_task(core.wire.attempt("Postcommit", core.request(changes)))
        await asyncio.sleep(pause)
        drained = await core.wire.call("Drain", _DRAIN)
        # What was answered before is in the socket by now, and is read whatever becomes of the driver.
        await asyncio.wait([working], timeout=_ON_THE_WAY)
        await core.supervisor.kill()
        return drained, await working
    finally:
        await core.supervisor.start()
        await core.introduce_again()
