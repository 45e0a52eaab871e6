"""Group C, part two: many changes at once, and whole lives."""

from __future__ import annotations

import asyncio

from jackfield.driver.v1 import change_pb2

from jackfield_sdk.conformance.core import Core, not_judged_without
from jackfield_sdk.conformance.model import Resource
from jackfield_sdk.conformance.refusals import require_too_large
from jackfield_sdk.conformance.residents import listing_after
from jackfield_sdk.conformance.rules import KINDS, case
from jackfield_sdk.conformance.verdict import require

_POSTCOMMIT = ("postcommit",)


@case(
    "C10",
    "one-result-each",
    "Every change gets exactly one result, under the id that was sent, and the result has an outcome.",
    "Duties of a driver 6",
    needs=_POSTCOMMIT,
)
async def test_one_result_each(core: Core) -> None:
    """Send creates, updates and deletes in one call, under ids that sort differently."""
    first = await core.stand(core.facts.kinds("postcommit")[-1])
    held = [first, *[core.sibling(first) for _ in range(5)]]
    await core.settle(*held)
    for each in held[:3]:
        each.edit()
    unborn = [core.sibling(first) for _ in range(3)]
    changes = [core.change(each) for each in [*held[:3], *unborn]]
    changes += [core.change(each, delete=True) for each in held[3:]]
    for number, change in enumerate(changes):
        change.change_id = f"{7 * number % len(changes)}/{change.change_id}"
    for size in {1, 2, core.facts.batch}:
        for start in range(0, len(changes), size):
            await core.send(changes[start : start + size])


@case(
    "C11",
    "batch-not-atomic",
    "A change that fails does not keep the others of its call from being made true.",
    "Duties of a driver 6",
    needs=_POSTCOMMIT,
)
async def test_batch_not_atomic(core: Core) -> None:
    """Put a change of an unknown kind, and one without its resource, between good ones."""
    not_judged_without(core.facts.batch >= 4, "max_batch is below 4")
    first = await core.stand(core.facts.kinds("postcommit")[-1])
    good = [first, core.sibling(first)]
    changes = [core.change(each) for each in good]
    foreign, hollow = _copy(changes[0], "foreign"), _copy(changes[0], "hollow")
    foreign.kind = 99  # type: ignore[assignment]
    foreign.id = hollow.id = core.mint.id()
    hollow.ClearField("current")
    results = await core.send([changes[0], foreign, hollow, changes[1]])
    for each, change in zip(good, changes, strict=True):
        result = results[change.change_id]
        came = result.WhichOneof("outcome")
        later = result.failed.disposition == change_pb2.DISPOSITION_RETRY
        said = f"a good change beside a bad one: failed {result.failed.reason}"
        require(came != "failed" or later, said, "done")
        if came == "done":
            core.acknowledge(each, change, result)
    await core.settle(*good)
    await core.expect_listing()


@case(
    "C12",
    "max-batch",
    "A call with as many changes as the handshake allows is answered in time.",
    "Handshake, and Limits of time",
    needs=_POSTCOMMIT,
)
async def test_max_batch(core: Core) -> None:
    """Create and delete max_batch resources, at most 1000, with one call each."""
    resources = await _many(core, core.facts.batch)
    await core.settle(*resources)
    # All of them were called done: what a long listing lacks was lost by the listing.
    await core.expect_listing(rule="G1")
    await core.remove(*resources)
    await core.expect_listing()


@case(
    "C13",
    "batch-too-large",
    "More changes than max_batch are refused with INVALID_ARGUMENT, BATCH_TOO_LARGE, and none is made.",
    "Errors",
    needs=_POSTCOMMIT,
)
async def test_batch_too_large(core: Core) -> None:
    """Send one change more than the handshake allows."""
    first = await core.stand(core.facts.kinds("postcommit")[-1])
    changes = [_copy(core.change(first), str(number)) for number in range(core.facts.max_batch + 1)]
    for change in changes:
        change.id = core.mint.id() if change.kind == change_pb2.RESOURCE_KIND_PORT else change.id
    require_too_large(await core.wire.refused("Postcommit", core.request(changes)), core)
    await core.expect_listing()


@case(
    "C14",
    "in-progress",
    "A change that takes longer is answered with a time to ask again, and is true in the end.",
    "MechanismService, Postcommit",
    needs=_POSTCOMMIT,
)
async def test_in_progress(core: Core) -> None:
    """Create, change and delete, and ask again as long as the driver wants."""
    for kind in core.facts.kinds("postcommit"):
        resource = await core.stand(kind)
        await core.settle(resource)
        resource.edit()
        await core.settle(resource)
        await core.settle(resource, delete=True)


@case(
    "C17",
    "no-cross-talk",
    "Changes of different resources that are made at the same time do not disturb each other.",
    "Duties of the core 4 and 5",
    needs=_POSTCOMMIT,
)
async def test_no_cross_talk(core: Core) -> None:
    """Take 64 resources through three revisions each, as many at once as the handshake allows."""
    resources = await _many(core, 64)

    async def live(resource: Resource) -> None:
        for _ in range(3):
            await core.settle(resource)
            resource.edit()
        await core.settle(resource)

    await asyncio.gather(*[live(each) for each in resources])
    await core.expect_listing()
    await asyncio.gather(*[core.settle(each, delete=True) for each in resources[::2]])
    await core.expect_listing()


@case(
    "C18",
    "revision-sent",
    "Done names the revision that was sent, and never one that was not sent yet.",
    "MechanismService, Postcommit, and Errors",
    needs=_POSTCOMMIT,
)
async def test_revision_sent(core: Core) -> None:
    """Create, change and delete each kind."""
    for kind in core.facts.kinds("postcommit"):
        resource = await core.stand(kind)
        for revisions in (4, 1):
            resource.edit(revisions=revisions)
            await core.settle(resource)
        await core.settle(resource, delete=True)


@case(
    "C19",
    "life",
    "A network, a subnet and a port live: parents are made first, children are deleted first.",
    "Duties of the core 5",
    needs=_POSTCOMMIT,
)
async def test_life(core: Core) -> None:
    """Create, change and delete one of each kind, and compare the listing at each step."""
    port = await core.stand("port")
    await core.settle_if_taken(port)
    family = sorted([*port.stands_on, port], key=lambda each: KINDS.index(each.kind))
    await core.expect_listing()
    for resource in family:
        resource.edit()
        await core.settle_if_taken(resource)
        await core.expect_listing()
    for resource in reversed(family):
        await core.remove(resource)
        await core.expect_listing()


test_listing = listing_after("C")


async def _many(core: Core, number: int) -> list[Resource]:
    """Make resources of the last kind that the driver takes; networks as far as there are numbers for them."""
    kind = core.facts.kinds("postcommit")[-1]
    first = await core.stand(kind)
    if kind == "network":
        number = min(number, core.mint.free_networks())
    return [first, *[core.sibling(first) for _ in range(number - 1)]]


def _copy(change: change_pb2.Change, suffix: str) -> change_pb2.Change:
    copy = change_pb2.Change()
    copy.CopyFrom(change)
    copy.change_id = f"{change.change_id}-{suffix}"
    return copy
