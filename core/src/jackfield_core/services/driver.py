"""Mechanism drivers, for operators: how far behind, what differs, and what can be done about it.

Everything here works on the database and on the addresses of the drivers, so
the command line does the same as the API, also while no core runs. Nothing here
talks to a device: a resync is asked for and a debt is made due, and the lanes of
the dispatcher do the rest. Whatever changes something leaves a line in the
table of operators' actions, in the same transaction.
"""

import re
from collections.abc import Callable, Collection, Sequence

from msgspec import Struct

from jackfield_core import config
from jackfield_core.context import RequestContext
from jackfield_core.db.base import now
from jackfield_core.db.delivery_state import DeliveryState, Hearings
from jackfield_core.db.driver import DriverRecord
from jackfield_core.db.driver_audit import DriverAudit
from jackfield_core.db.engine import Database, sweep
from jackfield_core.db.forgetting import Given, force_forget
from jackfield_core.db.lag import Lag, LagTable
from jackfield_core.db.operator_action import OperatorAction
from jackfield_core.db.status import StatusTable, in_states, is_waiting, of_drivers, of_resource_ids
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.errors import Conflict, DriverUnavailable, Forbidden, NotFound
from jackfield_core.mechanism import record
from jackfield_core.mechanism.answers import NoVerdict
from jackfield_core.services import difference
from jackfield_core.services.finalize import Outcome, Progress, finalize_driver
from jackfield_core.services.hearing import hearing_of_notifiers
from jackfield_core.services.inspection import LISTS, Inspection, hearing_of, inspect
from jackfield_core.services.status import DeliveryStatus, status_of

_NAME = re.compile(r"[a-z0-9-]{1,63}")
SHOWN_ACTIONS = 20
"""Actions of operators that are shown of a driver."""


class DriverDetail(Struct, frozen=True):
    """All that there is to know of a driver; *held* orphans wait for an operator."""

    inspection: Inspection
    lag: Lag
    held: int
    audit: DriverAudit | None
    actions: Sequence[OperatorAction]


class DriverService:
    """What operators can do with mechanism drivers.

    *wake* is called with the drivers that have something to do after a commit.
    *heard* returns what this process hears of drivers; without it they are
    looked at when that is asked for.
    """

    def __init__(
        self,
        database: Database,
        settings: config.Settings,
        wake: Callable[[Collection[str]], None] = lambda _drivers: None,
        heard: Callable[[], Hearings] | None = None,
    ) -> None:
        self._database = database
        self._settings = settings
        self._wake = wake
        self._heard = heard
        self._names = [driver.name for driver in settings.drivers]
        self._notifiers = settings.notifier_names
        self._required = [driver.name for driver in settings.drivers if driver.policy == "required"]

    async def list(self, ctx: RequestContext) -> Sequence[Inspection]:
        """Look at every driver, those that are owed something and not in the settings included."""
        _expect_admin(ctx, "get_driver")
        return await self._look(self._settings.drivers, others=True)

    async def get(self, ctx: RequestContext, name: str) -> DriverDetail:
        """Look at one driver, its debts, its last audit, and what operators did to it.

        Raises:
            NotFound: It is neither in the settings nor owed anything.
        """
        _expect_admin(ctx, "get_driver")
        drivers = [one for one in self._settings.drivers if one.name == name]
        seen = await self._look(drivers, others=not drivers)
        inspection = next((one for one in seen if one.name == name), None)
        if inspection is None:
            raise _unknown(name)
        async with self._database.reading() as connection:
            tables, lags = Tables(connection), LagTable(connection)
            return DriverDetail(
                inspection,
                (await lags.list()).get(name, Lag(name)),
                await lags.held(name),
                (await tables.audits.list()).get(name),
                await tables.operator_actions.list(driver=name, limit=SHOWN_ACTIONS),
            )

    async def lag(self, ctx: RequestContext, name: str | None = None) -> Sequence[Lag]:
        """Return how far behind drivers are: one, or all of the settings and whoever else is owed something."""
        _expect_admin(ctx, "get_driver")
        async with self._database.reading() as connection:
            lags = await LagTable(connection).list()
        known = {name: Lag(name) for name in (*self._names, *self._notifiers)} | lags
        if name is not None and name not in known:
            raise _unknown(name)
        return [*known.values()] if name is None else [known[name]]

    async def pending(
        self,
        ctx: RequestContext,
        name: str | None = None,
        *,
        id: str | None = None,
        states: Sequence[DeliveryState] = (),
        limit: int,
    ) -> Sequence[DeliveryStatus]:
        """Return what one driver is owed, or all, the oldest debt first; then orphans that wait for an operator.

        Only of the resource *id*, or only what is in one of *states*, if they are given.
        """
        _expect_admin(ctx, "get_driver")
        if name is not None:
            await self._expect_known(name)
        heard = await self._hearings()
        conditions = [
            in_states(states, heard) if states else is_waiting(),
            *([of_drivers([name])] if name is not None else []),
            *([of_resource_ids([id])] if id is not None else []),
        ]
        async with self._database.reading() as connection:
            found = await StatusTable(connection).oldest(conditions, limit=limit)
        at = now()
        return [status_of(one, heard, at) for one in found]

    async def diff(
        self,
        ctx: RequestContext,
        name: str,
        id: str | None = None,
        progress: difference.Progress = lambda _listed, _expected: None,
    ) -> difference.Report:
        """Return what differs on a driver's devices and what would be done about it; with *id* for one resource.

        Nothing is changed, not even the ledger.

        Raises:
            DriverUnavailable: It cannot be asked, or did not come to the end of its listing.
        """
        _expect_admin(ctx, "get_driver")
        driver = next((one for one in self._settings.drivers if one.name == name), None)
        if driver is None:
            raise _unknown(name)
        try:
            return await difference.report(self._database, self._settings, driver, id, progress)
        except NoVerdict as error:
            raise DriverUnavailable(str(error), driver=name) from None

    async def audit(self, ctx: RequestContext, name: str) -> DriverAudit:
        """Return what the last comparison with a driver's devices found; an empty one if there was none."""
        _expect_admin(ctx, "get_driver")
        async with self._database.reading() as connection:
            return await Tables(connection).audits.find(name) or DriverAudit(name)

    async def resync(
        self, ctx: RequestContext, name: str, *, remove_orphans: bool = False, everything: bool = False
    ) -> DriverAudit:
        """Ask for a comparison with a driver's devices, which repairs what differs; return the last one before.

        A dispatcher begins at once. With *remove_orphans* it removes what nobody
        knows, however much that is. With *everything* the driver is owed all of
        it again from the start, whatever its devices hold.

        Raises:
            Conflict: The driver is in quarantine, or cannot list what its devices hold and is not owed everything.
        """
        self._expect_configured(ctx, name)
        async with self._database.writing() as connection:
            tables = Tables(connection)
            known = await self._introduced(tables, name)
            _expect_comparable(known, everything=everything)
            before = await tables.audits.find(name) or DriverAudit(name)
            await sweep(connection)
            count = await tables.deliveries.owe_all_again(name) if everything else 0
            if LISTS in known.features:
                await tables.audits.request(name, remove_orphans=remove_orphans)
            detail = ", ".join(
                filter(None, [f"{count} debts" if everything else "", "removes orphans" * remove_orphans])
            )
            await tables.operator_actions.add("resync", name, request_id=ctx.request_id, detail=detail)
        self._wake([name])
        return before

    async def quarantine(self, ctx: RequestContext, name: str, reason: str) -> None:
        """Forbid every call to a driver until it is released; what it is owed is kept.

        Raises:
            Conflict: It has never introduced itself, or is in quarantine already.
        """
        self._expect_configured(ctx, name)
        async with self._database.writing() as connection:
            tables = Tables(connection)
            known = await self._introduced(tables, name)
            if known.quarantined_at is not None:
                raise Conflict(f'Driver "{name}" is in quarantine already: {record.why_quarantined(known)}.')
            await tables.drivers.save(record.quarantined(known, reason, now()))
            await tables.operator_actions.add("quarantine", name, request_id=ctx.request_id, detail=reason)

    async def release(self, ctx: RequestContext, name: str) -> str | None:
        """End the quarantine of a driver; return why it was in quarantine, or None if it was not."""
        self._expect_configured(ctx, name)
        async with self._database.writing() as connection:
            tables = Tables(connection)
            known = await tables.drivers.find_for_update(name)
            if known is None or known.quarantined_at is None:
                return None
            reason = record.why_quarantined(known)
            await tables.drivers.save(record.released(known))
            await tables.operator_actions.add("release", name, request_id=ctx.request_id, detail=reason)
        self._wake([name])
        return reason

    async def finalize(
        self, ctx: RequestContext, name: str, progress: Progress = lambda _seen, _total: None
    ) -> Outcome:
        """End the upgrade of a driver: its stored states go over to its newest version.

        Raises:
            NotFinalized: Nothing was changed; the text says why.
            DriverUnavailable: The driver went away; what is rewritten so far stays so.
        """
        self._expect_configured(ctx, name)
        try:
            return await finalize_driver(self._database, self._settings, name, progress, request_id=ctx.request_id)
        except NoVerdict as error:
            raise DriverUnavailable(str(error), driver=name) from None

    async def forget(self, ctx: RequestContext, name: str, kind: str = "", id: str = "") -> Given:
        """Give up what a driver is owed, all of it or that of one kind or resource; what only waited for it goes.

        Also for a driver that is not in the settings any more.

        Raises:
            NotFound: It is owed nothing of that, and not in the settings either.
        """
        _expect_admin(ctx, "update_driver")
        await self._expect_known(name)
        async with self._database.writing() as connection:
            await sweep(connection)
            given = await force_forget(
                Tables(connection),
                name,
                required=self._required,
                kind=kind,
                resource_id=id,
                request_id=ctx.request_id,
            )
        self._wake(self._names)
        return given

    async def retry(self, ctx: RequestContext, name: str | None = None, kind: str = "", id: str = "") -> int:
        """Make debts due now that wait for their next attempt; return how many.

        Those of one driver or of all, and of these those of a kind or resource.
        """
        _expect_admin(ctx, "update_driver")
        if name is not None:
            await self._expect_known(name)
        async with self._database.writing() as connection:
            await sweep(connection)
            tables = Tables(connection)
            count = await tables.deliveries.retry(name, kind=kind or None, resource_id=id or None)
            await tables.operator_actions.add(
                "retry", name or "", kind=kind, resource_id=id, request_id=ctx.request_id, detail=f"{count} debts"
            )
        self._wake([*self._names, *self._notifiers] if name is None else [name])
        return count

    async def _look(self, drivers: Sequence[config.Driver], *, others: bool) -> Sequence[Inspection]:
        seen = await inspect(self._database, drivers, self._settings.mechanism.handshake_timeout, others=others)
        # They are owed something too, and are no drivers.
        return [one for one in seen if one.name not in self._notifiers]

    async def _hearings(self) -> Hearings:
        if self._heard is not None:
            return self._heard()
        drivers = await self._look(self._settings.drivers, others=False)
        return {one.name: hearing_of(one) for one in drivers} | hearing_of_notifiers(self._notifiers)

    async def _introduced(self, tables: Tables, name: str) -> DriverRecord:
        known = await tables.drivers.find_for_update(name)
        if known is None:
            raise Conflict(f'Driver "{name}" has never introduced itself: nobody calls it.')
        return known

    def _expect_configured(self, ctx: RequestContext, name: str) -> None:
        _expect_admin(ctx, "update_driver")
        if name not in self._names:
            raise _unknown(name)

    async def _expect_known(self, name: str) -> None:
        """Return if *name* is that of a driver in the settings, or of one that has left something in the database."""
        if name in self._names or name in self._notifiers:
            return
        if not _NAME.fullmatch(name):
            raise _unknown(name)
        async with self._database.reading() as connection:
            tables = Tables(connection)
            has_rows = await tables.deliveries.list(driver=name, owed=None, limit=1)
            if not has_rows and name not in await tables.drivers.list():
                raise _unknown(name)


def _expect_comparable(known: DriverRecord, *, everything: bool) -> None:
    if known.quarantined_at is not None:
        raise Conflict(f'Driver "{known.name}" is in quarantine: {record.why_quarantined(known)}.')
    if LISTS not in known.features and not everything:
        raise Conflict(
            f'Driver "{known.name}" cannot list what its devices hold (it has no feature "{LISTS}"); '
            f"it can only be owed everything again."
        )


def _expect_admin(ctx: RequestContext, rule: str) -> None:
    if not ctx.is_admin:
        raise Forbidden(f"{rule} is disallowed by policy: drivers are for administrators.")


def _unknown(name: str) -> NotFound:
    return NotFound(f'there is no driver "{name}" in the settings', type="DriverNotFound")
