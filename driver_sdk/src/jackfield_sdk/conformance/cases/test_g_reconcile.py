"""Group G: what is listed, and what would be done."""

from __future__ import annotations

import grpc
from jackfield.driver.v1 import change_pb2, reconcile_pb2

from jackfield_sdk.conformance.core import Core, not_judged_without
from jackfield_sdk.conformance.facts import KIND_NUMBERS
from jackfield_sdk.conformance.foreign import output_of
from jackfield_sdk.conformance.model import Listing, Resource, orphaned
from jackfield_sdk.conformance.owned import lines_of, require_nothing_happened, require_true, snapshot
from jackfield_sdk.conformance.residents import listing_after
from jackfield_sdk.conformance.rules import case, each_kind
from jackfield_sdk.conformance.verdict import Broken, require


@case(
    "G3",
    "listing-whole",
    "A listing names each resource once for each backend that has it, one of the handshake, and only wanted kinds.",
    "ReconcileService, ListOwned",
    needs=("list_owned",),
)
async def test_listing_whole(core: Core) -> None:
    """List everything twice, and each kind alone."""
    for kind in core.facts.kinds("postcommit"):
        await core.settle_if_taken(await core.stand(kind))
    whole = await core.owned()
    require(whole == await core.owned(), "two listings differ, and nothing happened between them", "the same")
    apart: Listing = {}
    for kind in KIND_NUMBERS:
        narrow = await core.owned([kind])
        foreign = [key for key in narrow if key[0] != kind]
        require(not foreign, f"{foreign[:3]} in a listing of {kind}s", f"{kind}s only")
        apart |= narrow
    require(apart == whole, "the listings of the kinds are not the whole listing", "the same resources")
    await _require_known_backends(core)


@case(
    "G4",
    "diff-no-side-effect",
    "Diff tells what would be done, for each change that was asked for, and does none of it.",
    "ReconcileService, Diff, and Duties of a driver 5",
    needs=("diff",),
)
async def test_diff_no_side_effect(core: Core) -> None:
    """Ask for creates, updates and deletes."""
    kinds = core.facts.kinds("postcommit")
    not_judged_without(kinds, "no interest in postcommit")
    held = await core.stand(kinds[-1])
    await core.settle(held)
    held.edit()
    unborn = core.sibling(held)
    before = await snapshot(core, [held, unborn])
    changes = [core.change(unborn), core.change(held), core.change(held, delete=True)]
    for _ in range(10):
        lines = await lines_of(core, changes)
        asked = [change.id for change in changes]
        require({id for id, _ in lines} <= set(asked), f"lines for {[id for id, _ in lines]}", "what was asked for")
    await require_nothing_happened(core, before)


@case(
    "G5",
    "diff-of-the-true",
    "Diff of what is true tells nothing, and Diff of what is not there yet tells something.",
    "ReconcileService, Diff",
    needs=("diff",),
)
async def test_diff_of_the_true(core: Core) -> None:
    """Ask before and after a create, and after a delete."""
    resources = [await core.stand(kind) for kind in core.facts.kinds("postcommit")]
    not_judged_without(resources, "no interest in postcommit")
    for resource in resources:
        before = await _said(core, resource)
        # What leaves nothing on a device is nothing to do, before and after.
        if core.listable([resource]):
            require(before, f"no lines for a {resource.kind} that is not there", "what would be done")
        await core.settle(resource)
        after = await _said(core, resource)
        require(not after, f"{after} for a {resource.kind} that is true", "no lines")


@case(
    "G10",
    "diff-of-a-delete",
    "Diff of a delete tells what would go, of all that is known or as an orphan, and nothing of what is gone.",
    "ReconcileService, Diff",
    needs=("diff", "postcommit"),
    since="1.1",
)
@each_kind
async def test_diff_of_a_delete(core: Core, kind: str) -> None:
    """Ask for a delete before a create, after it, and when it is made."""
    resource = await core.stand(kind)
    not_judged_without(core.listable([resource]), f"a {kind} leaves nothing to list")
    await _require_nothing_to_delete(core, resource)
    await core.settle(resource)
    delete = core.change(resource, delete=True)
    for change in (delete, orphaned(delete)):
        require(await _told(core, change), f"no lines for the delete of a {kind} that is there", "what would go")
    await core.settle(resource, delete=True)
    await _require_nothing_to_delete(core, resource)
    require(await _said(core, resource), f"no lines for a {kind} that was deleted", "what would be done")


@case(
    "G6",
    "diff-unknown-kind",
    "Diff of a kind that is not served is refused with INVALID_ARGUMENT, UNSUPPORTED.",
    "ReconcileService, Diff",
    needs=("diff",),
)
async def test_diff_unknown_kind(core: Core) -> None:
    """Ask for kind 99."""
    change = core.change(await core.stand("network"))
    change.kind = 99  # type: ignore[assignment]
    refusal = await core.wire.refused("Diff", reconcile_pb2.DiffRequest(changes=[change]))
    fits = (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "UNSUPPORTED")
    require(fits, str(refusal), "INVALID_ARGUMENT with ErrorInfo(reason=UNSUPPORTED)")


@case(
    "G7",
    "orphan-removed",
    "DELETE with nothing in current but its id removes what is there, as if the core had never known it.",
    "Duties of a driver 3",
    needs=("list_owned", "postcommit"),
)
@each_kind
async def test_orphan_removed(core: Core, kind: str) -> None:
    """Make a resource true, and delete it as an orphan; then delete it as one that is gone."""
    resource = await core.stand(kind)
    not_judged_without(core.listable([resource]), f"a {kind} leaves nothing to list")
    await core.settle(resource)
    for _ in range(2):
        await core.settle(resource, delete=True, as_orphan=True)
        require((kind, resource.id) not in await core.owned([kind]), f"the {kind} is still listed", "it is gone")


@case(
    "G8",
    "changed-by-hand",
    "What somebody else changed on the device is listed with an empty digest, and the same change makes it right.",
    "ReconcileService, ListOwned",
    needs=("list_owned", "postcommit"),
)
@each_kind
async def test_changed_by_hand(core: Core, kind: str) -> None:
    """Make a resource true, have --params' change_command change it, and send the same revision again."""
    not_judged_without(core.params.change_command, "needs change_command in --params")
    resource, listed = await _made(core, kind)
    await _at_the_device(core.params.change_command, resource)
    found = (await core.owned([kind])).get((kind, resource.id))
    require(found is not None, f"the {kind} is listed no more, and it was only changed", "listed, with an empty digest")
    assert found is not None
    require(found[1] == b"", f"listed with digest {found[1].hex()[:16]}", "an empty digest")
    if core.facts.names("diff"):
        require(await _said(core, resource), "Diff tells of nothing to do", "what would be done to make it right")
    await core.settle(resource)
    repaired = (await core.owned([kind])).get((kind, resource.id))
    require(repaired == listed, f"listed as {repaired} after the same change again", f"as before: {listed}")


@case(
    "G9",
    "removed-by-hand",
    "What somebody else removed from the device is not listed, and the same change makes it again.",
    "ReconcileService, ListOwned",
    needs=("list_owned", "postcommit"),
)
@each_kind
async def test_removed_by_hand(core: Core, kind: str) -> None:
    """Make a resource true, have --params' remove_command remove it, and send it as CREATE again."""
    not_judged_without(core.params.remove_command, "needs remove_command in --params")
    resource, listed = await _made(core, kind)
    await _at_the_device(core.params.remove_command, resource)
    require((kind, resource.id) not in await core.owned([kind]), f"the {kind} is still listed", "what is there")
    resource.forget()
    await core.settle(resource)
    made = (await core.owned([kind])).get((kind, resource.id))
    require(made == listed, f"listed as {made} after it was made again", f"as before: {listed}")


@case(
    "G11",
    "updated-after-removal",
    "An update of what somebody else removed from the device makes all of it again.",
    "MechanismService, Postcommit",
    needs=("list_owned", "postcommit"),
    since="1.1",
)
@each_kind
async def test_updated_after_removal(core: Core, kind: str) -> None:
    """Make a resource true, have --params' remove_command remove it, and change it before anybody has noticed."""
    not_judged_without(core.params.remove_command, "needs remove_command in --params")
    resource, _ = await _made(core, kind)
    await _at_the_device(core.params.remove_command, resource)
    resource.edit()
    await core.settle(resource)
    await core.expect_listing()
    await require_true(core, resource)


test_listing = listing_after("G")


async def _made(core: Core, kind: str) -> tuple[Resource, tuple[int, bytes]]:
    """Make a resource true; return it, and how it is listed."""
    resource = await core.stand(kind)
    not_judged_without(core.listable([resource]), f"a {kind} leaves nothing to list")
    await core.settle(resource)
    listed = (await core.owned([kind])).get((kind, resource.id))
    if listed is None:
        raise Broken(f"the {kind} is not listed, and was acknowledged", "what is there", rule="G1")
    return resource, listed


async def _at_the_device(command: str, resource: Resource) -> None:
    await output_of(command.replace("{kind}", resource.kind).replace("{id}", resource.id))


async def _said(core: Core, resource: Resource) -> list[str]:
    return await _told(core, core.change(resource))


async def _told(core: Core, change: change_pb2.Change) -> list[str]:
    return [line for _, lines in await lines_of(core, [change]) for line in lines]


async def _require_nothing_to_delete(core: Core, resource: Resource) -> None:
    said = await _told(core, core.change(resource, delete=True))
    require(not said, f"{said} for the delete of a {resource.kind} that is not there", "no lines")


async def _require_known_backends(core: Core) -> None:
    known = set(core.facts.epochs)
    for page in await core.wire.listed("ListOwned", reconcile_pb2.ListOwnedRequest()):
        named = {each.backend for each in page.owned} | {each.backend for each in page.unreachable}
        unknown = sorted(named - known - {""})
        require(not unknown, f"backends {unknown} in a listing", f"those of the handshake: {sorted(known)}")
