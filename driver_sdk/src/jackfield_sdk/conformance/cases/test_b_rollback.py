"""Group B, part two: what was judged and then rolled back, which the driver never learns."""

from __future__ import annotations

from jackfield_sdk.conformance.core import Core
from jackfield_sdk.conformance.model import Resource, copy_of
from jackfield_sdk.conformance.owned import require_true
from jackfield_sdk.conformance.rules import case, each_kind
from jackfield_sdk.conformance.verdict import Broken


@case(
    "B10",
    "rolled-back",
    "What was judged and rolled back leaves nothing in the driver: no content, no revision, no state.",
    "Duties of a driver 5",
    needs=("precommit", "postcommit"),
    since="1.2",
)
@each_kind
async def test_rolled_back(core: Core, kind: str) -> None:
    """Roll back a create, an update and a delete; commit other content at the same revision, and the old one again."""
    resource = await core.stand(kind)
    try:
        await _roll_back(core, resource)
        await _commit(core, resource)
        await _roll_back(core, resource)
        await _commit(core, resource)
        resource.edit()
        await _commit(core, resource)
        await _roll_back(core, resource, delete=True)
        await _commit(core, resource)
        resource.edit()
        await _commit(core, resource)
    except Broken as broken:
        # A revision that was only judged is one too many because it was rolled back.
        broken.rule = None if broken.rule == "C18" else broken.rule
        raise


async def _roll_back(core: Core, resource: Resource, *, delete: bool = False) -> None:
    """Have a change judged that never comes, of the revision that the next one has."""
    spec, revision = resource.spec, resource.revision
    if not delete:
        never = copy_of(spec)
        never.name = f"{spec.name} rolled back"
        resource.become(never, revisions=1 if resource.acknowledged_revision else 0)
    change = core.change(resource, delete=delete)
    if core.facts.judges(change):
        await core.precommit([change])
    resource.spec, resource.revision = spec, revision
    resource.highest_sent = resource.acknowledged_revision


async def _commit(core: Core, resource: Resource) -> None:
    await core.settle(resource)
    await require_true(core, resource)
    await core.expect_listing()
