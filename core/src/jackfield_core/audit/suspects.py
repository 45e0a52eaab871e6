"""A second look at what seems to differ, because the ledger and the devices have gone on.

What has been owed since the listing began is left alone. What is not listed may
need nothing on a device, as a port whose host hangs on another switch; only the
driver knows, so one that can is asked what it would do, and if that is nothing,
nothing is missing. And what is listed and not in the ledger may be the trace of
something that was created and deleted again meanwhile. So the driver lists once
more: what was gone from the ledger before the second listing began, and is
listed in it, is nobody's.
"""

import asyncio
import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TypeVar

import structlog

from jackfield_core.audit.findings import Difference, Finding
from jackfield_core.audit.preview import preview, samples
from jackfield_core.audit.subject import DIFF, Subject
from jackfield_core.audit.tally import Suspects, Tally
from jackfield_core.db.drift import find_unchanged
from jackfield_core.db.engine import Database
from jackfield_core.db.orphan import OrphanTable
from jackfield_core.mechanism.answers import NoVerdict
from jackfield_core.mechanism.listing import list_owned
from jackfield_core.types import Action, Kind

log = structlog.get_logger()

BATCH = 500
"""Resources that one statement is about."""

ItemT = TypeVar("ItemT")


async def still_differing(
    database: Database, subject: Subject, tally: Tally, difference: Difference, kind: Kind, suspects: Suspects
) -> Sequence[Finding]:
    """Return which *suspects* of a kind are acknowledged as they were when the listing began."""
    found = []
    for batch in batches(suspects):
        async with database.reading() as connection:
            unchanged = await find_unchanged(connection, subject.name, kind, batch, since=tally.since)
        found += [Finding(difference, kind, id, revision) for id, revision in batch if id in unchanged]
    return found


async def missed(
    database: Database, subject: Subject, missing: Sequence[Finding], agent_down_time: float
) -> Sequence[Finding]:
    """Return those *missing* for which the driver would do something; all of them if it does not tell."""
    if not missing or DIFF not in subject.features:
        return missing
    wanted: set[tuple[Kind, str]] = set()
    try:
        async for foreseen in preview(database, subject, samples(missing), agent_down_time=agent_down_time):
            if foreseen.lines:
                wanted.add((foreseen.kind, foreseen.id))
    except NoVerdict as error:
        # To repeat what is true does no harm.
        log.warning("audit.no_dry_run", driver=subject.name, missing=len(missing), code=error.code, reason=error.text)
        return missing
    return [finding for finding in missing if (finding.kind, finding.resource_id) in wanted]


async def orphans(database: Database, subject: Subject, tally: Tally) -> Sequence[Finding]:
    """Return what is listed and known to nobody, of kinds whose end the driver wants to hear of."""
    unknown: dict[Kind, set[str]] = {}
    for kind, revisions in tally.unknown.items():
        if revisions and Action.DELETE in subject.hears(kind):
            unknown[kind] = await _unknown(database, subject, kind, [*revisions])
    suspects = {kind: ids for kind, ids in unknown.items() if ids}
    there = await _still_there(subject, suspects) if suspects else {}
    return [Finding(Difference.ORPHAN, kind, id, tally.unknown[kind][id]) for kind, ids in there.items() for id in ids]


def batches(items: Sequence[ItemT]) -> Iterator[Sequence[ItemT]]:
    """Yield *items*, :data:`BATCH` at a time."""
    for start in range(0, len(items), BATCH):
        yield items[start : start + BATCH]


async def _unknown(database: Database, subject: Subject, kind: Kind, ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for batch in batches(ids):
        async with database.reading() as connection:
            found |= await OrphanTable(connection).find_unknown(subject.name, kind, batch)
    return found


async def _still_there(subject: Subject, ids: Mapping[Kind, Collection[str]]) -> Mapping[Kind, Collection[str]]:
    """Return which of *ids* are listed now."""
    there: dict[Kind, set[str]] = {kind: set() for kind in ids}
    async with contextlib.aclosing(list_owned(subject.client, [*ids])) as pages:
        async for page in pages:
            for owned in page.owned:
                if owned.id in ids.get(owned.kind, ()):
                    there[owned.kind].add(owned.id)
            await asyncio.sleep(0)
    return there
