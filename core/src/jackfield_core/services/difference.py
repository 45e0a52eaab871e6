"""A dry run: what differs between a driver's devices and the database, and what would be done about it.

What differs is found by the comparison of an audit, which writes nothing here,
and to it comes what the driver is owed anyway. What would be done, and on which
device, only the driver can say. A driver may be able to do one of these, or
neither; then the report says so, and is not the worse for the rest.
"""

from collections.abc import AsyncIterator, Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from jackfield_core import config
from jackfield_core.audit.compare import compare
from jackfield_core.audit.findings import Findings
from jackfield_core.audit.preview import Sample, owed, preview, resource, samples
from jackfield_core.audit.subject import DIFF, LIST_OWNED, Subject, visit
from jackfield_core.db.driver_audit import DriverAuditTable, UnreachableBackend
from jackfield_core.db.engine import Database
from jackfield_core.mechanism.answers import NoVerdict
from jackfield_core.mechanism.listing import Foreseen

Progress = Callable[[int, int], None]
"""Told how many resources were listed so far, and how many are expected."""

OWED = "owed"
"""Said of what differs because it is not delivered yet."""


class Step(Struct, frozen=True):
    """What would be done to one *backend*, in the driver's words; its name is empty if the driver does not tell."""

    backend: str
    lines: Sequence[str]


class Different(Struct, frozen=True):
    """A resource that is not on the devices as it should be.

    *difference* is ``missing``, ``changed``, ``orphan`` (on a device and known
    to nobody) or ``owed``; of a resource that was asked for by its id it is
    empty. Without *steps* nothing would be done, or nobody can say what.
    """

    kind: str
    id: str
    difference: str
    steps: Sequence[Step] = ()


class Report(Struct, frozen=True):
    """What a dry run found; *notes* say what it could not find out, as sentences.

    *listed* is how many resources the driver named, None if it was not asked to.
    """

    driver: str
    listed: int | None
    differences: Sequence[Different]
    unreachable: Sequence[UnreachableBackend]
    notes: Sequence[str]

    @property
    def is_in_sync(self) -> bool:
        """True if everything could be compared, and nothing would be done."""
        return not (self.differences or self.unreachable or self.notes)


async def report(
    database: Database, settings: config.Settings, driver: config.Driver, id: str | None, progress: Progress
) -> Report:
    """Return what differs on a driver's devices, or with *id*, what would be done for that resource.

    Raises:
        NoVerdict: No process of the driver serves, or its listing did not come to its end.
    """
    async with visit(database, driver, settings) as subject:
        if id is None:
            found, notes = await _compared(database, subject, settings.nodes.agent_down_time, progress)
            shown = _shown(found, await owed(database, driver.name))
        else:
            found, notes = None, []
            # Our ids are lower-case, those that only a device knows need not be.
            shown = await resource(database, driver.name, id) or await resource(database, driver.name, id.lower())
            notes += [] if shown else [f"driver {driver.name} is not told of {id}"]
        steps, unsaid = await _foreseen(database, subject, shown, settings.nodes.agent_down_time)
    differences = [_different(sample, id, steps.get((sample.kind, sample.resource_id), ())) for sample in shown]
    if id is not None:
        differences = [one for one in differences if one.steps]
    return Report(
        driver.name,
        found.listed if found else None,
        differences,
        found.unreachable if found else (),
        [*notes, *unsaid],
    )


async def _compared(
    database: Database, subject: Subject, agent_down_time: float, progress: Progress
) -> tuple[Findings | None, list[str]]:
    """Return what a comparison finds, and why there is none."""
    if LIST_OWNED not in subject.features:
        return None, ["the driver cannot list what its devices hold: only what it is owed is known"]
    async with database.reading() as connection:
        audit = await DriverAuditTable(connection).find(subject.name)
    kinds = audit.listed_kinds if audit else ()
    found = await compare(database, subject, agent_down_time=agent_down_time, listed_kinds=kinds, progress=progress)
    return found, []


def _shown(found: Findings | None, debts: Sequence[Sample]) -> Sequence[Sample]:
    """Return what is to be shown: what differs, and what is owed besides."""
    differing = samples([*found.found, *found.held]) if found else []
    known = {(sample.kind, sample.resource_id) for sample in differing}
    return [*differing, *(debt for debt in debts if (debt.kind, debt.resource_id) not in known)]


async def _foreseen(
    database: Database, subject: Subject, shown: Sequence[Sample], agent_down_time: float
) -> tuple[dict[tuple[str, str], list[Step]], list[str]]:
    """Return what would be done, by kind and id, and why that is not all."""
    steps: dict[tuple[str, str], list[Step]] = {}
    if not shown:
        return steps, []
    if DIFF not in subject.features:
        return steps, ["the driver does not say what it would do"]
    try:
        async for one in _lines(preview(database, subject, shown, agent_down_time=agent_down_time)):
            steps.setdefault((one.kind, one.id), []).append(Step(one.backend, one.lines))
    except NoVerdict as error:
        return steps, [f"the driver did not come to the end of what it would do: {error.text}"]
    return steps, []


async def _lines(foreseen: AsyncIterator[Foreseen]) -> AsyncIterator[Foreseen]:
    """Leave out what nothing would be done for."""
    async for one in foreseen:
        if one.lines:
            yield one


def _different(sample: Sample, id: str | None, steps: Sequence[Step]) -> Different:
    difference = sample.difference.value if sample.difference else OWED
    found = Different(sample.kind, sample.resource_id, difference, steps)
    return replace(found, difference="") if id is not None else found
