"""A driver has introduced itself: what it is owed follows what it says.

What it does not want to hear of is forgotten. What existed before it did is
owed from now on. And if one of its backends may have lost what it was told (a
wiped switch, a restored controller: the epoch is another one) everything is
owed again from the start, and an audit looks for what a restored backend has
brought back.
"""

import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence

import structlog

from jackfield_core.attributes.catalogue import Catalogue
from jackfield_core.db.attempts import retried
from jackfield_core.db.backfill import owe_what_exists
from jackfield_core.db.base import now
from jackfield_core.db.engine import Database, sweep
from jackfield_core.db.forgetting import forget_kinds
from jackfield_core.db.redelivery import owe_all_again
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.mechanism.answers import Handshake, NoVerdict
from jackfield_core.mechanism.record import introduced
from jackfield_core.types import Action, Kind

log = structlog.get_logger()

OFTEN = 4
WITHIN = 15.0
"""Seconds in which a driver is owed everything again :data:`OFTEN` times at most."""


class Reception:
    """Receives handshakes."""

    def __init__(
        self, database: Database, attributes: Catalogue, required: Callable[[], Collection[str]] = lambda: ()
    ) -> None:
        self._database = database
        self._required = required
        self._attributes = attributes
        self._owed_again: dict[str, deque[float]] = {}

    async def welcome(self, name: str, handshake: Handshake) -> None:
        """Store what the driver called *name* said, and bring the ledger in line with it.

        Raises:
            Unfit: It cannot read or write the states that the core holds.
            NoVerdict: It has lost everything too often; it is told nothing for a while.
        """
        # Who is about to commit may have looked at what the driver wanted before; what they create is to be found.
        await self._database.until_written()
        again, new = await self._receive(name, handshake)
        if again is not None:
            # Counted here, because a transaction that was run again is no second loss.
            self._owed_again[name].append(time.monotonic())
            log.warning("driver.owed_all_again", driver=name, changes=again, epochs=handshake.epochs)
        if new:
            log.info("driver.owed_what_exists", driver=name, changes=new)

    @retried
    async def _receive(self, name: str, handshake: Handshake) -> tuple[int | None, int]:
        """Do so in one transaction; return how much is owed again, None if nothing was lost, and how much is new."""
        again = None
        async with self._database.writing() as connection:
            await sweep(connection)
            tables = Tables(connection)
            before = await tables.drivers.find_for_update(name)
            await tables.drivers.save(introduced(name, handshake, now(), before))
            if handshake.schemas is not None:
                await tables.attribute_schemas.save(name, handshake.schemas)
            await _forget_unwanted(tables, name, handshake, self._attributes.kinds, self._required())
            if before and (_may_have_lost(before.epochs, handshake) or _was_delivered_elsewhere(handshake)):
                self._check_patience(name)
                again = await owe_all_again(connection, name)
                await tables.audits.request(name)
            new = await owe_what_exists(connection, name, _kinds(handshake, Action.CREATE))
        return again, new

    def _check_patience(self, name: str) -> None:
        """Refuse to owe a driver everything as often as it forgets: that would keep the database from others."""
        now = time.monotonic()
        times = self._owed_again.setdefault(name, deque(maxlen=OFTEN))
        if len(times) == OFTEN and now - times[0] < WITHIN:
            text = f"its backends have lost everything {OFTEN} times in {WITHIN:g} s; it is told nothing for a while"
            raise NoVerdict(name, text, code="FAILED_PRECONDITION")


def _may_have_lost(before: Mapping[str, str], handshake: Handshake) -> bool:
    """Return whether a backend is not the one that it was, or is new."""
    return any(before.get(id) != epoch for id, epoch in handshake.epochs.items())


def _was_delivered_elsewhere(handshake: Handshake) -> bool:
    """Return whether this process of the core has delivered until now to backends that are not those of the handshake.

    Another process of the core may have moved to the new one before, and what was
    acknowledged here meanwhile is not known there.
    """
    return handshake.left_epochs is not None and _may_have_lost(handshake.left_epochs, handshake)


async def _forget_unwanted(
    tables: Tables, name: str, handshake: Handshake, attributed: Collection[Kind], required: Collection[str]
) -> None:
    wanted = {kind for action in Action for kind in _kinds(handshake, action)}
    endless = [kind for kind in wanted if kind not in _kinds(handshake, Action.DELETE)]
    await forget_kinds(tables, name, [kind for kind in Kind if kind not in wanted], endless, attributed, required)


def _kinds(handshake: Handshake, action: Action) -> Sequence[Kind]:
    """Return the kinds of which a driver wants to hear *action* after the commit, parents first."""
    told = {
        interest.kind
        for interest in handshake.interests
        if action in interest.actions and "postcommit" in interest.phases
    }
    return [kind for kind in Kind if kind in told]
