"""Finalises the upgrade of a driver: its states are written, and then kept, in its newest version.

Until then everything is stored in the version of the release before, so that
going back costs nothing; afterwards there is no way back. First the new version
is noted in the database. Every process of the core sees that within a second and
tells the driver. Then what is stored is rewritten, batch by batch, by the driver
itself. Each state is exchanged only if it still is what was read, so this can be
interrupted, repeated, and done while everything serves. A state that the driver
cannot read is kept as it is, and told by name.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from jackfield_core import config
from jackfield_core.db.deployment import deployment_id
from jackfield_core.db.driver import DriverRecord, DriverTable
from jackfield_core.db.engine import Database
from jackfield_core.db.operator_action import OperatorActionTable
from jackfield_core.db.state import StateTable, StoredState
from jackfield_core.errors import Conflict
from jackfield_core.mechanism import handshake, states
from jackfield_core.mechanism.answers import Handshake, NoVerdict, Unfit
from jackfield_core.mechanism.client import HANDSHAKE, DriverClient
from jackfield_core.mechanism.dial import MAX_MESSAGE_BYTES
from jackfield_core.mechanism.kept import Terms
from jackfield_core.mechanism.look import Sight, look
from jackfield_core.mechanism.states import Rewritten

SETTLE = 7.0
"""Seconds until all processes of the core have told the driver: they look every second, and speak every five."""
TIMEOUT = 30.0
"""Seconds for one batch."""

Progress = Callable[[int, int], None]
"""Told how many states have been looked at, of how many."""


class NotFinalized(Conflict):
    """Raised when nothing was changed; the text says why."""


class Begun(Struct, frozen=True):
    """A version that is pinned: *version* instead of *before*; a process of that release serves at *endpoint*."""

    driver: str
    before: int
    version: int
    endpoint: str


class Kept(Struct, frozen=True):
    """A state that the driver could not read; it stays as it is."""

    kind: str
    resource_id: str
    version: int
    reason: str


class Outcome(Struct, frozen=True):
    """What finalising has done; *before* and *version* are those of states, the former and the one from now on."""

    driver: str
    before: int
    version: int
    rewritten: int
    kept: Sequence[Kept]


async def finalize_driver(
    database: Database,
    settings: config.Settings,
    name: str,
    progress: Progress,
    *,
    request_id: str = "",
    settle: float = SETTLE,
) -> Outcome:
    """Pin the version of state that the driver writes, and rewrite what is stored.

    *settle* is in seconds; *request_id* is that of who asked for it.

    Raises:
        NotFinalized: No process of the driver serves, or it keeps no states.
        NoVerdict: The driver went away or answered garbage; what is rewritten so far stays so.
    """
    begun = await begin(database, settings, name, request_id=request_id)
    return await finish(database, settings, begun, progress, settle=settle)


async def begin(database: Database, settings: config.Settings, name: str, *, request_id: str = "") -> Begun:
    """Pin the version of state that the driver writes; from here on there is no way back.

    Raises:
        NotFinalized: No process of the driver serves, or it keeps no states.
    """
    record = await _record(database, name)
    sight = await _serving(database, settings, record)
    version = sight.writes_state_version
    if version is None or record.state_version is None or "states" not in record.features:
        raise NotFinalized(f'driver "{name}" keeps no states in the core: there is nothing to finalise')
    await _pin(database, name, version, request_id)
    return Begun(name, record.state_version, version, sight.endpoint)


async def finish(
    database: Database, settings: config.Settings, begun: Begun, progress: Progress, *, settle: float = SETTLE
) -> Outcome:
    """Rewrite what is stored, once all processes know the version; *settle* is how long that takes, in seconds.

    Raises:
        NoVerdict: The driver went away or answered garbage; what is rewritten so far stays so.
    """
    name, version = begun.driver, begun.version
    if version != begun.before:
        await asyncio.sleep(settle)
    client = DriverClient(name, begun.endpoint, _driver(settings, name).tls)
    try:
        introduced = await _introduce(database, settings, client, name, version)
        rewritten, kept = await _Run(database, client, introduced, name, version).rewrite(progress)
    finally:
        await client.close()
    return Outcome(name, begun.before, version, rewritten, kept)


async def _record(database: Database, name: str) -> DriverRecord:
    async with database.reading() as connection:
        record = (await DriverTable(connection).list()).get(name)
    if record is None:
        raise NotFinalized(f'driver "{name}" has never introduced itself')
    return record


async def _serving(database: Database, settings: config.Settings, record: DriverRecord) -> Sight:
    """Return the process that the cores call."""
    driver = _driver(settings, record.name)
    hello = handshake.introduction(str(uuid.uuid4()), await deployment_id(database, settings.deployment_id))
    seen = await look(driver, record, hello, settings.mechanism.handshake_timeout)
    for sight in seen:
        if sight.serves:
            return sight
    reasons = "; ".join(f"{sight.endpoint} is {sight.condition}: {sight.reason}" for sight in seen)
    raise NotFinalized(f'no process of driver "{record.name}" serves: {reasons}')


def _driver(settings: config.Settings, name: str) -> config.Driver:
    return next(one for one in settings.drivers if one.name == name)


async def _pin(database: Database, name: str, version: int, request_id: str) -> None:
    """Note the version that counts from now on, and who said so."""
    async with database.writing() as connection:
        drivers = DriverTable(connection)
        known = await drivers.find_for_update(name)
        if known is not None and known.state_version != version:
            await drivers.save(replace(known, state_version=version))
            before = f"from version {known.state_version} to {version}"
        else:
            before = f"again, in version {version}"
        await OperatorActionTable(connection).add("finalize", name, request_id=request_id, detail=before)


async def _introduce(
    database: Database, settings: config.Settings, client: DriverClient, name: str, version: int
) -> Handshake:
    """Introduce each other, as on every connection; the driver hears the version that counts from now on."""
    own_mark = await deployment_id(database, settings.deployment_id)
    request = handshake.told(handshake.introduction(str(uuid.uuid4()), own_mark), version)
    response = await client.call(HANDSHAKE, request, settings.mechanism.handshake_timeout)
    try:
        return handshake.read(name, request, response)
    except Unfit as error:
        raise NoVerdict(name, str(error), code="FAILED_PRECONDITION") from None


class _Run:
    """One walk through the states of a driver."""

    def __init__(
        self, database: Database, client: DriverClient, introduced: Handshake, name: str, version: int
    ) -> None:
        self._database = database
        self._client = client
        self._name = name
        self._version = version
        limits = introduced.limits
        self._batch = max(1, min(limits.max_batch, MAX_MESSAGE_BYTES // 2 // limits.max_state_bytes))
        self._terms = Terms(name, limits.max_state_bytes, frozenset({version}))

    async def rewrite(self, progress: Progress) -> tuple[int, list[Kept]]:
        """Rewrite all states of other versions; return how many, and those that could not be."""
        async with self._database.reading() as connection:
            total = await StateTable(connection).count_other(self._name, self._version)
        seen = rewritten = 0
        kept: list[Kept] = []
        progress(seen, total)
        async for batch in self._batches():
            results = await states.rewrite(self._client, self._terms, self._version, batch, TIMEOUT)
            rewritten += await self._store(batch, results)
            kept += [_kept(old, new) for old, new in zip(batch, results, strict=True) if isinstance(new, str)]
            seen += len(batch)
            progress(seen, max(seen, total))
        return rewritten, kept

    async def _batches(self) -> AsyncIterator[Sequence[StoredState]]:
        last: StoredState | None = None
        while True:
            async with self._database.reading() as connection:
                batch = await StateTable(connection).list_other(
                    self._name, self._version, after=last, limit=self._batch
                )
            if not batch:
                return
            yield batch
            last = batch[-1]

    async def _store(self, batch: Sequence[StoredState], results: Sequence[Rewritten]) -> int:
        """Exchange states for rewritten ones; return how many were still there."""
        async with self._database.writing() as connection:
            table = StateTable(connection)
            done = [
                await table.exchange(self._name, old, *new)
                for old, new in zip(batch, results, strict=True)
                if not isinstance(new, str)
            ]
        return sum(done)


def _kept(state: StoredState, reason: str) -> Kept:
    return Kept(state.kind, state.resource_id, state.version, reason)
