"""What a driver's devices should hold, before anybody has looked.

The ledger is read page by page, and of each resource that the driver has
acknowledged as it is now a mark is kept: the revision, and the digest that the
driver was given with it. That is a hundred bytes for each, whatever a port is
made of, so a hundred thousand ports fit into a process that serves meanwhile.
What is owed anyway is known, and not judged.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence

from jackfield_core.audit.subject import Subject
from jackfield_core.db.claim import Due
from jackfield_core.db.drift import LedgerRow, list_ledger
from jackfield_core.db.engine import Database
from jackfield_core.db.spread import Spread, SpreadTable
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.mechanism import translate
from jackfield_core.mechanism.listing import Owned
from jackfield_core.mechanism.loading import Item, describe
from jackfield_core.types import Action, Kind

PAGE = 250
"""Rows that are read, and resources that are encoded, before others get their turn."""

_KINDS = {kind.value: kind for kind in Kind}
_NOT_JUDGED = b""
_REVISION_BYTES = 8


class Expectation:
    """Marks by kind and id."""

    def __init__(self) -> None:
        self._marks: dict[Kind, dict[str, bytes]] = {kind: {} for kind in Kind}
        self.held: dict[Kind, dict[str, int]] = {kind: {} for kind in Kind}
        """Revisions of orphans that wait for an operator, by id."""
        self.spread: Sequence[Spread] = ()
        """What was on several backends at the last audit."""
        self.judged = 0
        """How many resources are compared with what is listed."""

    def add(self, row: LedgerRow, mark: bytes) -> None:
        """Expect what a row of the ledger says."""
        kind = _KINDS[row.kind]
        self._marks[kind][row.resource_id] = mark
        self.judged += mark != _NOT_JUDGED
        if row.is_held:
            self.held[kind][row.resource_id] = row.desired_revision - 1

    def knows(self, owned: Owned) -> bool:
        """Return whether the ledger has a row for what is listed."""
        return owned.id in self._marks[owned.kind]

    def differs(self, owned: Owned) -> bool:
        """Return whether what is listed is not what was acknowledged, as far as that is judged."""
        mark = self._marks[owned.kind][owned.id]
        if mark == _NOT_JUDGED:
            return False
        digest = mark[_REVISION_BYTES:]
        is_same = owned.digest == digest if digest else owned.digest != b""
        return not is_same or owned.revision != _revision(mark)

    def judged_of(self, kind: Kind) -> Iterator[tuple[str, int]]:
        """Yield id and acknowledged revision of what is judged of a kind."""
        for id, mark in self._marks[kind].items():
            if mark != _NOT_JUDGED:
                yield id, _revision(mark)

    def revision(self, kind: Kind, id: str) -> int:
        """Return the acknowledged revision of something that is judged."""
        return _revision(self._marks[kind][id])

    def find_revision(self, kind: Kind, id: str) -> int | None:
        """Return the acknowledged revision of something, or None if it is not judged."""
        mark = self._marks[kind].get(id, _NOT_JUDGED)
        return None if mark == _NOT_JUDGED else _revision(mark)


async def expect(database: Database, subject: Subject, share: float) -> Expectation:
    """Read what a driver has acknowledged; pause *share* times as long as that takes, for others to go on."""
    expectation = Expectation()
    async with database.reading() as connection:
        expectation.spread = await SpreadTable(connection).list(subject.name)
    after = "", ""
    while True:
        began = time.monotonic()
        async with database.reading() as connection:
            rows = await list_ledger(connection, subject.name, after=after, limit=PAGE)
            marks = await _marks(Tables(connection), subject, rows)
        if not rows:
            return expectation
        for row in rows:
            expectation.add(row, marks.get((row.kind, row.resource_id), _NOT_JUDGED))
        after = rows[-1].kind, rows[-1].resource_id
        await asyncio.sleep(share * (time.monotonic() - began))


async def _marks(tables: Tables, subject: Subject, rows: Sequence[LedgerRow]) -> Mapping[tuple[str, str], bytes]:
    """Return the marks of what is acknowledged and could be told again, by kind and id."""
    tells = {kind: subject.hears(kind) & {Action.CREATE, Action.UPDATE} for kind in Kind}
    debts = [_as_debt(row) for row in rows if row.is_clean and tells[_KINDS[row.kind]]]
    items, _ = await describe(tables, subject.name, debts, subject.creates, subject.attributes)
    return {(item.debt.kind, item.debt.resource_id): _mark(subject, item) for item in items}


def _mark(subject: Subject, item: Item) -> bytes:
    """Return the revision, and the digest that the driver was given with it if that is known.

    A driver that hears of no updates was told what is long out of date. And
    attributes that only the driver sets it may have set after it was told, so
    nobody knows any more with which ones that was. Then only the revision says
    something, and an empty digest.
    """
    mark = item.debt.desired_revision.to_bytes(_REVISION_BYTES)
    change = item.change
    if change is None or Action.UPDATE not in subject.hears(change.kind):
        return mark
    if any(attribute.is_read_only for attribute in subject.attributes.get(change.kind, {}).values()):
        return mark
    return mark + translate.digest(change.current, change.tree, change.levels, item.attributes)


def _as_debt(row: LedgerRow) -> Due:
    return Due(
        row.kind, row.resource_id, row.network_id, row.desired_revision, row.desired_revision,
        tombstone=False, age=None, original=None, state_version=None, state=None, attempts=0,
    )  # fmt: skip


def _revision(mark: bytes) -> int:
    return int.from_bytes(mark[:_REVISION_BYTES])
