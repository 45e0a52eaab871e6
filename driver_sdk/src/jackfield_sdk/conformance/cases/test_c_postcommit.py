"""Group C, part one: what is repeated, lost, doubled or overtaken on the way."""

from __future__ import annotations

import asyncio
import time

from jackfield.driver.v1 import change_pb2

from jackfield_sdk.conformance.core import Core
from jackfield_sdk.conformance.model import Resource
from jackfield_sdk.conformance.proxy import Fault, disturbed
from jackfield_sdk.conformance.rules import case, each_kind
from jackfield_sdk.conformance.verdict import Broken, require
from jackfield_sdk.conformance.wire import PATIENCE, Wire

_POSTCOMMIT = ("postcommit",)


@case(
    "C1",
    "repeat",
    "A change that is repeated changes nothing, and is answered with done each time.",
    "Duties of a driver 2",
    needs=_POSTCOMMIT,
)
@each_kind
async def test_repeat(core: Core, kind: str) -> None:
    """Send a create ten times, then an update ten times."""
    resource = await core.stand(kind)
    for _ in range(2):
        await core.settle(resource)
        await core.expect_listing()
        for _ in range(9):
            await core.settle(resource)
        await core.expect_listing()
        resource.edit()


@case(
    "C2",
    "lost-answer",
    "A change whose answer was lost is sent again, and is true once.",
    "Duties of a driver 2",
    needs=_POSTCOMMIT,
)
@each_kind
async def test_lost_answer(core: Core, kind: str) -> None:
    """Lose the answer to a create, an update and a delete, and the connection in the middle of another."""
    resource = await core.stand(kind)
    async with disturbed(core) as (proxy, wire):
        for fault in (Fault.DROP_ANSWER, Fault.CUT, Fault.DELAY):
            proxy.set("Postcommit", fault)
            await _until_true(core, resource, wire)
            await core.expect_listing()
            resource.edit()
        proxy.set("Postcommit", Fault.DROP_ANSWER)
        await _until_true(core, resource, wire, delete=True)
        await core.expect_listing()


@case(
    "C3",
    "duplicate-at-once",
    "A change that arrives twice at the same time is true once.",
    "Duties of a driver 2",
    needs=_POSTCOMMIT,
)
@each_kind
async def test_duplicate_at_once(core: Core, kind: str) -> None:
    """Double a create, an update and a delete on the way."""
    resource = await core.stand(kind)
    async with disturbed(core) as (proxy, wire):
        for _ in range(3):
            proxy.set("Postcommit", Fault.DUPLICATE)
            await core.settle(resource, wire=wire)
            await core.expect_listing()
            resource.edit()
        proxy.set("Postcommit", Fault.DUPLICATE)
        await core.settle(resource, delete=True, wire=wire)
        await core.expect_listing()


@case(
    "C4",
    "lower-revision",
    "A revision lower than the one held is answered with done and the held one, and the device is not touched.",
    "Duties of a driver 4",
    needs=_POSTCOMMIT,
)
@each_kind
async def test_lower_revision(core: Core, kind: str) -> None:
    """Send revision 2, then 1, after revision 5 is true; then a delete from the past."""
    resource = await core.stand(kind)
    old = core.change(resource)
    resource.edit()
    older = core.change(resource)
    resource.edit(revisions=3)
    await core.settle(resource)
    past = core.change(resource, delete=True, revision=3)
    for change in (older, old, past):
        held = (await core.final(change)).done.revision
        came = f"done with revision {held} to revision {change.revision}"
        require(held == resource.revision, came, f"done with revision {resource.revision}, the one held")
        await core.expect_listing()


@case(
    "C5",
    "skipped-revisions",
    "Revisions in between may be missing; the one that comes is made true.",
    "Duties of the core 4",
    needs=_POSTCOMMIT,
)
@each_kind
async def test_skipped_revisions(core: Core, kind: str) -> None:
    """Begin at revision 7, go on with 40, and with numbers that need all of their 64 bits."""
    resource = await core.stand(kind)
    for revisions in (6, 33, 2**32, 2**53):
        resource.edit(revisions=revisions)
        await core.settle(resource)
        await core.expect_listing()


@case(
    "C6",
    "epochs-apart",
    "The epochs of different resources are not compared.",
    "MechanismService, Postcommit",
    needs=_POSTCOMMIT,
)
async def test_epochs_apart(core: Core) -> None:
    """Send one resource with the epoch of now, then another with one of an hour ago."""
    kind = core.facts.kinds("postcommit")[-1]
    first = await core.stand(kind)
    await core.settle(first)
    second = core.sibling(first)
    change = core.change(second)
    ago = time.time_ns() // 1_000 - 3_600_000_000
    result = (await core.send([change], epoch=ago))[change.change_id]
    require(result.failed.reason != "STALE_EPOCH", "STALE_EPOCH for a resource never seen before", "done")
    if result.WhichOneof("outcome") == "done":
        core.acknowledge(second, change, result)


@case(
    "C7",
    "delete-unknown",
    "A delete of a resource that the driver does not know is done.",
    "Duties of a driver 3",
    needs=_POSTCOMMIT,
)
@each_kind
async def test_delete_unknown(core: Core, kind: str) -> None:
    """Delete what was never created."""
    resource = await core.stand(kind)
    await core.final(core.change(resource, delete=True))
    await core.expect_listing()


@case(
    "C8",
    "delete",
    "A deleted resource is gone, and a delete that is repeated is done.",
    "Duties of a driver 2 and 3",
    needs=_POSTCOMMIT,
)
@each_kind
async def test_delete(core: Core, kind: str) -> None:
    """Create, then delete ten times."""
    resource = await core.stand(kind)
    await core.settle(resource)
    for _ in range(10):
        await core.settle(resource, delete=True)
        await core.expect_listing()


@case(
    "C9",
    "delete-after-lost-create",
    "A resource whose create was lost, or its answer, can be deleted.",
    "Duties of a driver 3",
    needs=_POSTCOMMIT,
)
@each_kind
async def test_delete_after_lost_create(core: Core, kind: str) -> None:
    """Lose a create, or the answer to it, and delete without another try."""
    async with disturbed(core) as (proxy, wire):
        for fault in (Fault.DROP_REQUEST, Fault.DROP_ANSWER):
            resource = await core.stand(kind)
            proxy.set("Postcommit", fault)
            await _try(core, core.change(resource), wire)
            await core.settle(resource, delete=True)
            await core.expect_listing()


@case(
    "C16",
    "abandoned-call",
    "A call that the core gave up on does no harm: the change is sent again, and is true once.",
    "Limits of time",
    needs=_POSTCOMMIT,
)
async def test_abandoned_call(core: Core) -> None:
    """Give up on updates after ever longer times, then send the newest."""
    resource = await core.stand(core.facts.kinds("postcommit")[-1])
    await core.settle(resource)
    for number in range(20):
        resource.edit()
        await _try(core, core.change(resource), core.wire, timeout=0.0002 * (number + 1))
    await core.settle(resource)
    await core.expect_listing()
    await asyncio.sleep(0.2)
    await core.expect_listing()


async def _until_true(core: Core, resource: Resource, wire: Wire, *, delete: bool = False) -> None:
    """Send until there is an answer, as the core does after an unknown outcome."""
    for _ in range(3):
        try:
            await core.settle(resource, delete=delete, wire=wire)
        except Broken as broken:
            if "proxy:" not in broken.came:
                raise
            continue
        return
    raise Broken("no answer in three tries", "done")


async def _try(core: Core, change: change_pb2.Change, wire: Wire, *, timeout: float = PATIENCE) -> None:
    """Send a change, and do not care for the answer."""
    await wire.attempt("Postcommit", core.request([change]), timeout)
