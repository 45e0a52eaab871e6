"""Turns what an audit found into debts; the lanes pay them, on the same path as everything else.

What is missing is owed as if the driver had never heard of it, what was changed
is owed once more. Nothing is owed that has been touched since the listing began,
so it does no harm to repair what somebody else repairs too, or to do it late.
Orphans are removed if they are few. Many of them mean more often that the core
has forgotten something than that a device has made something up, so those are
held for an operator, one by one: they stay so when they have become few.
"""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from jackfield_core import config
from jackfield_core.audit.findings import Difference, Finding, Findings
from jackfield_core.audit.subject import Subject
from jackfield_core.audit.suspects import batches
from jackfield_core.db.attempts import retried
from jackfield_core.db.drift import owe_differing
from jackfield_core.db.engine import Database
from jackfield_core.db.orphan import Orphan, OrphanTable
from jackfield_core.db.spread import SpreadTable
from jackfield_core.types import Action, Kind


class Repair(Struct, frozen=True):
    """How many resources are owed again for what was found, and how many orphans wait for an operator."""

    missing: int
    changed: int
    orphans: int
    held_orphans: int

    @property
    def owed(self) -> int:
        """How many debts there are more than before."""
        return self.missing + self.changed + self.orphans


async def apply(database: Database, subject: Subject, findings: Findings, settings: config.Audit) -> Repair:
    """Owe a driver what differs; the caller wakes its lane."""
    missing = await _owe(database, subject, findings, Difference.MISSING)
    changed = await _owe(database, subject, findings, Difference.CHANGED)
    orphans = findings.of(Difference.ORPHAN)
    removes = are_few(findings, settings)
    await _drop(database, findings)
    await _raise(database, findings)
    await _note(database, subject.name, orphans, owed=removes)
    await _store_spread(database, findings)
    removed = len(orphans) if removes else 0
    return Repair(missing, changed, removed, len(orphans) - removed + len(findings.held))


def are_few(findings: Findings, settings: config.Audit) -> bool:
    """Return whether the orphans, with those that are held already, are so few that nobody has to be asked."""
    count = len(findings.of(Difference.ORPHAN)) + len(findings.held)
    return count <= settings.orphan_limit or count * 100 <= settings.orphan_percent * findings.listed


async def _owe(database: Database, subject: Subject, findings: Findings, difference: Difference) -> int:
    owed = 0
    for kind, found in _by_kind(findings.of(difference)).items():
        as_new = difference is Difference.MISSING or Action.UPDATE not in subject.hears(kind)
        for batch in batches(found):
            owed += await _owe_batch(database, findings, kind, batch, as_new=as_new)
    return owed


@retried
async def _owe_batch(
    database: Database, findings: Findings, kind: Kind, batch: Sequence[Finding], *, as_new: bool
) -> int:
    compared = [(finding.resource_id, finding.revision) for finding in batch]
    async with database.writing() as connection:
        return await owe_differing(connection, findings.driver, kind, compared, since=findings.since, as_new=as_new)


@retried
async def _note(database: Database, driver: str, orphans: Sequence[Finding], *, owed: bool) -> None:
    for batch in batches(orphans):
        noted = [Orphan(finding.kind, finding.resource_id, finding.revision) for finding in batch]
        async with database.writing() as connection:
            await OrphanTable(connection).add(driver, noted, owed=owed)


@retried
async def _drop(database: Database, findings: Findings) -> None:
    """Forget orphans that waited for an operator and have gone by themselves."""
    for kind, gone in _by_kind(findings.gone).items():
        for batch in batches(gone):
            async with database.writing() as connection:
                await OrphanTable(connection).drop_held(
                    findings.driver, kind, [finding.resource_id for finding in batch]
                )


@retried
async def _store_spread(database: Database, findings: Findings) -> None:
    """Note what is on which backends; after what was gone from one of them is owed, or nobody would miss it again."""
    for batch in batches(findings.spread):
        async with database.writing() as connection:
            await SpreadTable(connection).save(findings.driver, batch)
    for kind in Kind:
        for ids in batches([id for of, id in findings.not_spread if of == kind]):
            async with database.writing() as connection:
                await SpreadTable(connection).drop(findings.driver, kind, ids)


@retried
async def _raise(database: Database, findings: Findings) -> None:
    """Note the revisions of orphans that wait for an operator, if they have grown meanwhile."""
    for batch in batches(findings.grown):
        grown = [Orphan(finding.kind, finding.resource_id, finding.revision) for finding in batch]
        async with database.writing() as connection:
            await OrphanTable(connection).raise_held(findings.driver, grown)


def _by_kind(findings: Sequence[Finding]) -> Mapping[Kind, Sequence[Finding]]:
    """Return findings by kind, parents first."""
    by_kind: dict[Kind, list[Finding]] = {}
    for finding in findings:
        by_kind.setdefault(finding.kind, []).append(finding)
    return by_kind
