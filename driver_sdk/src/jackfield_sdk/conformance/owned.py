"""Seeing whether something happened: by what is listed, and by what would still be done.

Not every driver can list, and not every one can tell what it would do. What there is of the two is
looked at before and after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jackfield.driver.v1 import change_pb2, reconcile_pb2

from jackfield_sdk.conformance.core import Core
from jackfield_sdk.conformance.model import Listing, Resource, differences
from jackfield_sdk.conformance.verdict import require

Lines = list[tuple[str, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is listed, and what the given changes would still do."""

    listing: Listing
    changes: list[change_pb2.Change]
    lines: Lines


async def snapshot(core: Core, resources: Sequence[Resource] = ()) -> Snapshot:
    """Look at everything that is listed, and at the changes that these resources are owed."""
    wanted = [each for each in resources if core.takes(each.kind)]
    changes = [each.change(f"diff-{number}") for number, each in enumerate(wanted)]
    return Snapshot(await _listing(core), changes, await lines_of(core, changes))


async def require_nothing_happened(core: Core, before: Snapshot) -> None:
    """Compare with how it was; `Broken` says what is different."""
    said = differences(await _listing(core), before.listing)
    require(not said, "; ".join(said[:5]), "nothing changed on the device")
    lines = await lines_of(core, before.changes)
    require(lines == before.lines, f"Diff told {before.lines}, and tells {lines} now", "nothing changed on the device")


async def lines_of(core: Core, changes: Sequence[change_pb2.Change]) -> Lines:
    """Ask what the changes would do; nothing without the feature."""
    if not core.facts.names("diff") or not changes:
        return []
    parts = await core.wire.listed("Diff", reconcile_pb2.DiffRequest(changes=changes))
    return [(part.id, tuple(part.lines)) for part in parts]


async def require_true(core: Core, resource: Resource) -> None:
    """Look at a resource that was acknowledged; `Broken` if it is listed otherwise, or something is still to do.

    As it is now it may leave nothing on the device, and is not listed then.
    """
    key = (resource.kind, resource.id)
    listed = (await _listing(core)).get(key)
    if listed is not None:
        said = differences({key: listed}, {key: (resource.acknowledged_revision, resource.acknowledged_digest)})
        require(not said, "; ".join(said), "the listing equals what was acknowledged")
    lines = [line for _, part in await lines_of(core, [core.change(resource)]) for line in part]
    require(not lines, f"Diff tells {lines} for what was acknowledged", "nothing is left to do")


async def _listing(core: Core) -> Listing:
    return await core.owned() if core.facts.names("list_owned") else {}
