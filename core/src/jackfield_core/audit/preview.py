"""What paying debts would do to devices, told by the driver itself and done by nobody.

The driver is shown the very changes that a delivery would bring: those that an
audit found, those that it is owed, or those of one resource, whether anything is
owed of it or not.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from jackfield_core.audit.findings import Difference, Finding
from jackfield_core.audit.subject import DIFF, Subject
from jackfield_core.db.claim import Due
from jackfield_core.db.drift import list_debts, list_owed
from jackfield_core.db.engine import Database
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.mechanism.answers import NoVerdict
from jackfield_core.mechanism.batch import Batch
from jackfield_core.mechanism.listing import Foreseen, diff
from jackfield_core.mechanism.loading import load
from jackfield_core.types import Action, Kind

BATCH = 100
"""Changes that a driver is shown at once at most."""


class Sample(Struct, frozen=True):
    """A resource whose delivery is to be shown; *difference* is what an audit found, None if that is not why."""

    kind: Kind
    resource_id: str
    difference: Difference | None = None
    revision: int = 0
    """That of the listing, if it is an orphan."""


def samples(findings: Sequence[Finding]) -> Sequence[Sample]:
    """Return what an audit found, to be shown."""
    return [Sample(found.kind, found.resource_id, found.difference, found.revision) for found in findings]


async def owed(database: Database, driver: str) -> Sequence[Sample]:
    """Return what a driver is owed, to be shown, parents first."""
    async with database.reading() as connection:
        return [Sample(Kind(kind), id) for kind, id in await list_owed(connection, driver)]


async def resource(database: Database, driver: str, resource_id: str) -> Sequence[Sample]:
    """Return one resource, to be shown; nothing if the driver is not told of it."""
    async with database.reading() as connection:
        return [Sample(kind, resource_id) for kind in Kind if await list_debts(connection, driver, kind, [resource_id])]


async def preview(
    database: Database, subject: Subject, shown: Sequence[Sample], *, agent_down_time: float
) -> AsyncGenerator[Foreseen, None]:
    """Yield what delivering *shown* would do, backend by backend; nothing of it is done.

    *agent_down_time* is that of the settings, in seconds. What nothing would be
    done for comes without lines, or not at all.

    Raises:
        NoVerdict: The driver cannot tell, or did not come to the end; what came is not all.
        Garbage: An answer cannot be decoded.
    """
    if DIFF not in subject.features:
        raise NoVerdict(subject.name, "it does not tell what it would do", code="UNIMPLEMENTED", attempted=False)
    size = min(BATCH, subject.max_batch)
    for start in range(0, len(shown), size):
        batch = await _batch(database, subject, shown[start : start + size], agent_down_time)
        async for foreseen in diff(subject.client, batch):
            yield foreseen


async def _batch(database: Database, subject: Subject, shown: Sequence[Sample], agent_down_time: float) -> Batch:
    async with database.reading() as connection:
        tables = Tables(connection)
        debts = await _debts(tables, subject, shown)
        loaded = await load(tables, subject.name, debts, subject.creates, subject.attributes, agent_down_time)
    # Nobody has claimed anything, so there is no epoch.
    batch = Batch(0, loaded.hosts)
    for index, item in enumerate(loaded.items):
        item.tell(batch, str(index))
    return batch


async def _debts(tables: Tables, subject: Subject, shown: Sequence[Sample]) -> Sequence[Due]:
    by_key = {(sample.kind.value, sample.resource_id): sample for sample in shown}
    debts = [_orphan(sample) for sample in shown if sample.difference is Difference.ORPHAN]
    for kind, ids in _ids(shown).items():
        rows = await list_debts(tables.connection, subject.name, kind, ids)
        debts += [_as_delivered(subject, row, by_key[row.kind, row.resource_id]) for row in rows]
    return debts


def _ids(shown: Sequence[Sample]) -> Mapping[Kind, Sequence[str]]:
    """Return the ids of what has a row in the ledger, by kind."""
    ids: dict[Kind, list[str]] = {}
    for sample in shown:
        if sample.difference is not Difference.ORPHAN:
            ids.setdefault(sample.kind, []).append(sample.resource_id)
    return ids


def _as_delivered(subject: Subject, row: Due, sample: Sample) -> Due:
    """Return a row as it would be delivered; what is missing, or cannot be updated, comes as if it were new."""
    is_new = sample.difference is Difference.MISSING or Action.UPDATE not in subject.hears(row.kind)
    return replace(row, acknowledged_revision=None) if is_new else row


def _orphan(sample: Sample) -> Due:
    return Due(
        sample.kind, sample.resource_id, sample.resource_id, sample.revision + 1, None,
        tombstone=True, age=None, original=None, state_version=None, state=None, attempts=0, orphan=True,
    )  # fmt: skip
