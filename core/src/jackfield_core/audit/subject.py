"""The process of a driver that an audit asks: how to reach it, and what it said that it wants and can."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from jackfield_core import config
from jackfield_core.attributes.catalogue import Attributes, Catalogue, load_declarations
from jackfield_core.db.deployment import deployment_id
from jackfield_core.db.driver import Interest
from jackfield_core.db.engine import Database
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.mechanism import handshake
from jackfield_core.mechanism.answers import Handshake, NoVerdict, Unfit
from jackfield_core.mechanism.client import HANDSHAKE, DriverClient
from jackfield_core.mechanism.entry import Condition, DriverEntry
from jackfield_core.mechanism.look import look
from jackfield_core.types import Action, Kind

LIST_OWNED = "list_owned"
DIFF = "diff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One process of the driver called *name*.

    *attributes* are the driver's own, by kind and name, of which it is told.
    """

    name: str
    client: DriverClient
    interests: Sequence[Interest]
    features: frozenset[str]
    max_batch: int
    attributes: Mapping[Kind, Attributes]

    def hears(self, kind: str) -> set[str]:
        """Return the actions on a kind that the driver wants to hear after the commit."""
        return {
            action
            for interest in self.interests
            if interest.kind == kind and "postcommit" in interest.phases
            for action in interest.actions
        }

    @property
    def creates(self) -> frozenset[str]:
        """The kinds whose creation the driver wants to hear of."""
        return frozenset(kind for kind in Kind if Action.CREATE in self.hears(kind))


def of(entry: DriverEntry) -> Subject | None:
    """Return the process that serves, as this process of the core knows it; None if none may be asked."""
    client, introduced = entry.client, entry.handshake
    if client is None or introduced is None or entry.condition is not Condition.READY:
        return None
    return Subject(
        name=entry.name,
        client=client,
        interests=introduced.interests,
        features=introduced.features,
        max_batch=introduced.limits.max_batch,
        attributes=entry.attributes,
    )


@contextlib.asynccontextmanager
async def visit(database: Database, driver: config.Driver, settings: config.Settings) -> AsyncIterator[Subject]:
    """Connect to the process that the cores call, as a visitor: nobody takes over and nothing is stored.

    Raises:
        NoVerdict: No process serves, or the driver is in quarantine.
    """
    async with database.reading() as connection:
        tables = Tables(connection)
        record = (await tables.drivers.list()).get(driver.name)
        declarations = await load_declarations(tables)
    if record is not None and record.quarantined_at is not None:
        raise NoVerdict(driver.name, f"it is quarantined: {record.quarantine_reason}", attempted=False)
    own_mark = await deployment_id(database, settings.deployment_id)
    introduction, timeout = handshake.introduction(str(uuid.uuid4()), own_mark), settings.mechanism.handshake_timeout
    seen = await look(driver, record, introduction, timeout)
    serving = next((sight for sight in seen if sight.serves), None)
    if record is None or serving is None:
        reasons = "; ".join(f"{sight.endpoint} is {sight.condition}: {sight.reason}" for sight in seen)
        raise NoVerdict(driver.name, f"no process serves: {reasons}", attempted=False)
    client = DriverClient(driver.name, serving.endpoint, driver.tls)
    try:
        request = handshake.told(introduction, record.state_version)
        introduced = handshake.read(driver.name, request, await client.call(HANDSHAKE, request, timeout))
        catalogue = Catalogue([driver.name])
        catalogue.load(declarations)
        yield _subject(driver.name, client, introduced, catalogue)
    except Unfit as error:
        raise NoVerdict(driver.name, str(error), code="FAILED_PRECONDITION") from None
    finally:
        await client.close()


def _subject(name: str, client: DriverClient, introduced: Handshake, catalogue: Catalogue) -> Subject:
    kinds = tuple(Kind) if "attributes" in introduced.features else ()
    return Subject(
        name=name,
        client=client,
        interests=introduced.interests,
        features=introduced.features,
        max_batch=introduced.limits.max_batch,
        attributes={kind: own for kind in kinds if (own := catalogue.of_driver(name, kind))},
    )
