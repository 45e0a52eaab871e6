"""Devices that hold more than the database knows of.

A driver may answer that it holds a higher revision than it was sent. Mostly
another dispatcher has just delivered that one. If nobody ever asked for it, the
database was restored from an older copy, or the driver lies. The database is the
truth in either case, so the resource is raised above what the device holds, and
delivered again: a device that really was ahead is true after that. One that is
ahead once more, and again, is a driver that makes revisions up, and so is one
that is ahead by more than any copy is old: that is garbage as ever, and three of
those mean quarantine.
"""

from collections.abc import Collection, Mapping

import structlog
from prometheus_client import Counter

from jackfield_core.db.delivery import DeliveryTable
from jackfield_core.db.engine import Database
from jackfield_core.db.raising import Ahead, raise_revisions
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.dispatch.settlement import Outcome
from jackfield_core.mechanism.answers import PLAINLY_DONE, Done, Garbage, Superseded
from jackfield_core.mechanism.loading import Item

log = structlog.get_logger()

AHEAD = Counter(
    "jackfield_delivery_ahead", "Resources that were raised above a revision that only a device knew.", ["driver"]
)
MOST_TIMES = 3
"""Times in a row that one resource is raised for one driver; a device that was ahead is so once."""
MOST_AHEAD = 1_000_000
"""Revisions that a device may be ahead: those of eleven days with a change every second."""
_NAMED = 10


class Overtaken:
    """What the devices of the driver called *name* are ahead of, and how often that was so."""

    def __init__(self, name: str, database: Database) -> None:
        self._name = name
        self._database = database
        self._times: dict[str, int] = {}

    async def find(self, items: Mapping[str, Item], outcomes: Mapping[str, Outcome]) -> list[Ahead]:
        """Return what is to be raised, of *items* that were sent, by resource id.

        Raises:
            Garbage: The driver makes revisions up.
        """
        held = {id: outcome.revision for id, outcome in outcomes.items() if isinstance(outcome, Superseded)}
        if not held:
            return []
        async with self._database.reading() as connection:
            minted = await DeliveryTable(connection).desired_revisions(self._name, [*held])
        ahead = {id: revision for id, revision in held.items() if revision > minted.get(id, revision)}
        for id, revision in ahead.items():
            self._expect_plausible(id, revision, minted[id])
        return [Ahead(items[id].debt.kind, id, items[id].debt.network_id, revision) for id, revision in ahead.items()]

    async def overtake(self, tables: Tables, ahead: list[Ahead]) -> None:
        """Raise what the devices are ahead of."""
        await raise_revisions(tables, self._name, ahead)

    def note_overtaken(self, ahead: list[Ahead]) -> None:
        """Say so, and count it."""
        for one in ahead:
            self._times[one.resource_id] = self._times.get(one.resource_id, 0) + 1
        AHEAD.labels(self._name).inc(len(ahead))
        log.error(
            "delivery.device_ahead",
            driver=self._name,
            resources=len(ahead),
            ids=[one.resource_id for one in ahead[:_NAMED]],
            hint="was the database restored from an older copy? it is the truth, and delivered again",
        )

    @property
    def is_on_guard(self) -> bool:
        """True while a device was ahead and may be so again."""
        return bool(self._times)

    def note_done(self, sent: Collection[str], outcomes: Mapping[str, Outcome]) -> None:
        """Forget how often a device was ahead in what it has now acknowledged, of what was *sent*."""
        for id in [id for id in self._times if id in sent and isinstance(outcomes.get(id, PLAINLY_DONE), Done)]:
            del self._times[id]

    def _expect_plausible(self, id: str, revision: int, newest: int) -> None:
        said = f"it answered revision {revision} of {id}, and {newest} is the newest"
        if revision - newest > MOST_AHEAD:
            raise Garbage(self._name, said)
        if (times := self._times.get(id, 0)) >= MOST_TIMES:
            raise Garbage(self._name, f"{said}, after it was raised {times} times")
