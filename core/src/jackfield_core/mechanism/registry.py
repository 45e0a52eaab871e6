"""Who the mechanism drivers are, and what they want to hear.

Interests come from the last handshake, of this process or of the one that wrote
it to the database, so that debts are written down while a driver is away. A
driver that nobody ever heard of is owed everything, and told later what of it
it wants; but it is not asked to judge, because it never said that it wants to.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

import structlog
from prometheus_client import Counter

from jackfield_core import config
from jackfield_core.attributes.catalogue import Catalogue, load_declarations
from jackfield_core.db.deployment import DeploymentTable
from jackfield_core.db.driver import DriverRecord, Interest
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.mechanism.answers import Garbage, Handshake
from jackfield_core.mechanism.endpoint import USUAL, HealthChecks
from jackfield_core.mechanism.entry import DriverEntry
from jackfield_core.mechanism.handshake import introduction
from jackfield_core.mechanism.keeper import Keeper
from jackfield_core.mechanism.memory import INTERVAL, Memory
from jackfield_core.types import Action, Kind

log = structlog.get_logger()

GARBAGE = Counter("jackfield_driver_garbage", "Answers that break the contract.", ["driver"])

OnReady = Callable[[str, Handshake], Awaitable[None]]
"""Called with the name of a driver that has introduced itself, before it counts as ready."""

_EVERYTHING = tuple(Interest(kind, tuple(Action), ("postcommit",)) for kind in Kind)


class Registry:
    """All configured drivers, in order.

    Drivers mark what they own with the mark of the deployment, which the settings
    or the database tell.
    """

    def __init__(
        self,
        settings: config.Settings,
        *,
        memory: Memory | None = None,
        health: HealthChecks = USUAL,
    ) -> None:
        self._memory = memory or Memory()
        self._settings = settings.mechanism
        self._health = health
        self._deployment_id = settings.deployment_id
        self._instance_id = str(uuid.uuid4())
        self._entries = tuple(
            DriverEntry(driver, position, settings.mechanism) for position, driver in enumerate(settings.drivers)
        )
        self._by_name = {entry.name: entry for entry in self._entries}
        self.attributes = Catalogue([entry.name for entry in self._entries])
        """What drivers have declared for users to set."""
        self._subscribers: list[OnReady] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._strangers: dict[str, Sequence[Interest]] = {}
        self._index()

    def entries(self) -> Sequence[DriverEntry]:
        """Return all drivers in the configured order."""
        return self._entries

    def entry(self, name: str) -> DriverEntry:
        """Return the driver called *name*; KeyError if it is not configured."""
        return self._by_name[name]

    def owed(self, kind: Kind, action: Action) -> Sequence[str]:
        """Return the drivers that want to hear of this after the commit, in order."""
        return self._owed.get((kind, action), ())

    def declined(self, kind: Kind, action: Action) -> Sequence[str]:
        """Return the drivers that have said that they do not want to hear of this after the commit.

        Also those that are not in the settings of this process: they may be in those of another one.
        """
        return self._declined.get((kind, action), ())

    def interested(self, kind: Kind, action: Action) -> Sequence[DriverEntry]:
        """Return the drivers that want to judge this before the commit, in order."""
        return self._judges.get((kind, action), ())

    def required(self) -> Sequence[str]:
        """Return the drivers without whose acknowledgement a port is not ACTIVE."""
        return tuple(entry.name for entry in self._entries if entry.is_required)

    def attributed(self) -> Collection[Kind]:
        """Return the kinds of which resources may have vendor attributes."""
        return self.attributes.kinds

    def binders(self) -> Sequence[DriverEntry]:
        """Return the drivers that bind ports, in order, whether they can be asked now or not."""
        return self._binders

    def subscribe(self, callback: OnReady) -> None:
        """Call *callback* at every handshake, before the driver counts as ready.

        An exception of *callback* keeps the driver from becoming ready; the
        handshake is repeated after a pause.
        """
        self._subscribers.append(callback)

    async def load(self, tables: Tables) -> None:
        """Read who we are, and what drivers said of themselves when they were last seen."""
        self._deployment_id = self._deployment_id or await DeploymentTable(tables.connection).id()
        self.attributes.load(await load_declarations(tables))
        records = await tables.drivers.list()
        for entry in self._entries:
            entry.record = records.get(entry.name)
        self._know_strangers(records)
        self._index()

    async def start(self) -> None:
        """Start to keep the drivers connected; return at once, whether they are there or not."""
        # Without a database, as in a test of connections, nothing outlives the process.
        hello = introduction(self._instance_id, self._deployment_id or str(uuid.uuid4()))
        for entry in self._entries:
            keeper = Keeper(entry, self._settings, hello, self._introduced, self.refresh, self._health)
            self._tasks.append(asyncio.create_task(keeper.run(), name=f"driver {entry.name}"))
        self._tasks.append(asyncio.create_task(self._keep_refreshing(), name="records of drivers"))

    async def stop(self) -> None:
        """Close all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self._memory.stop()

    def note_garbage(self, error: Garbage) -> None:
        """Count an answer that breaks the contract; too many in a short time mean quarantine."""
        GARBAGE.labels(error.driver).inc()
        log.error("driver.garbage", driver=error.driver, reason=error.text)
        self._memory.garbled(self._by_name[error.driver], error)

    async def refresh(self) -> None:
        """Take note of what other processes of the core and operators have noted."""
        async with self._memory.turn:
            records = await self._memory.recall()
            for name, record in records.items():
                if entry := self._by_name.get(name):
                    entry.recalled(record)
        if any(self.attributes.digest(name) != record.schema_digest for name, record in records.items()):
            await self._memory.recall_declarations(self.attributes)
        self._know_strangers(records)
        self._index()

    async def _keep_refreshing(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            await self.refresh()

    async def _introduced(self, entry: DriverEntry, handshake: Handshake) -> None:
        # New debts follow the new interests before anybody is told: whoever then
        # looks for resources without a debt misses none that is created meanwhile.
        entry.introduced(handshake)
        self._index()
        for callback in self._subscribers:
            await callback(entry.name, handshake)
        if handshake.schemas is not None:
            self.attributes.replace(entry.name, handshake.schema_digest, handshake.schemas)
        await self.refresh()

    def _know_strangers(self, records: Mapping[str, DriverRecord]) -> None:
        """Take note of what drivers want that only others call."""
        for name, record in records.items():
            if name not in self._by_name:
                self._strangers[name] = record.interests

    def _index(self) -> None:
        """Work out once who is told of what: every change asks."""
        owed: dict[tuple[Kind, Action], list[str]] = {}
        judges: dict[tuple[Kind, Action], list[DriverEntry]] = {}
        for entry in self._entries:
            self._index_attributes(entry)
            interests = _EVERYTHING if entry.interests is None else entry.interests
            for kind, action, phase in _told(interests):
                if phase == "postcommit":
                    owed.setdefault((kind, action), []).append(entry.name)
                else:
                    judges.setdefault((kind, action), []).append(entry)
        self._owed = {key: tuple(names) for key, names in owed.items()}
        self._judges = {key: tuple(entries) for key, entries in judges.items()}
        known = {entry.name: entry.interests for entry in self._entries if entry.interests is not None}
        self._declined = _declined({**self._strangers, **known})
        self._binders = tuple(entry for entry in self._entries if entry.bind is not None)

    def _index_attributes(self, entry: DriverEntry) -> None:
        """Work out which attributes a driver is told of; a process that did not name the feature has none."""
        has_attributes = entry.handshake is not None and "attributes" in entry.handshake.features
        kinds = tuple(Kind) if has_attributes else ()
        entry.attributes = {kind: own for kind in kinds if (own := self.attributes.of_driver(entry.name, kind))}
        entry.settable = {kind: own for kind in kinds if (own := self.attributes.settable_by(entry.name, kind))}


def _declined(known: Mapping[str, Sequence[Interest]]) -> dict[tuple[Kind, Action], Sequence[str]]:
    """Return who does not want to hear of what after the commit."""
    wanted = {name: _told(interests) for name, interests in known.items()}
    return {
        (kind, action): tuple(name for name, told in wanted.items() if (kind, action, "postcommit") not in told)
        for kind in Kind
        for action in Action
    }


def _told(interests: Sequence[Interest]) -> set[tuple[Kind, Action, str]]:
    return {
        (Kind(interest.kind), Action(action), phase)
        for interest in interests
        for action in interest.actions
        for phase in interest.phases
    }
