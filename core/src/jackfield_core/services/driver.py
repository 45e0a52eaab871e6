"""Mechanism drivers, for operators: what can be done about one that is behind, differs, or does harm.

Everything here works on the database and on the addresses of the drivers, so
the command line does the same as the API, also while no core runs. Nothing here
talks to a device: a resync is asked for and a debt is made due, and the lanes of
the dispatcher do the rest. Whatever changes something leaves a line in the
table of operators' actions, in the same transaction.
"""

from collections.abc import Callable, Collection

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core import config
from jackfield_core.context import RequestContext
from jackfield_core.db.attempts import retried
from jackfield_core.db.base import now
from jackfield_core.db.delivery_state import Hearings
from jackfield_core.db.driver import DriverRecord
from jackfield_core.db.driver_audit import DriverAudit
from jackfield_core.db.engine import Database, sweep
from jackfield_core.db.forgetting import START, Given, Place, count_debts, force_forget
from jackfield_core.db.lag import LagTable
from jackfield_core.db.orphan import OrphanTable
from jackfield_core.db.redelivery import owe_all_again, retry
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.errors import Conflict, DriverUnavailable, Invalid
from jackfield_core.mechanism import record
from jackfield_core.mechanism.answers import NoVerdict
from jackfield_core.mechanism.verdicts import clean
from jackfield_core.services.driver_looks import DriverDetail, DriverLooks, expect_admin
from jackfield_core.services.finalization import Finalization, Finalizations
from jackfield_core.services.finalize import Outcome, Progress, begin, finalize_driver
from jackfield_core.services.inspection import LISTS

LONGEST_REASON = 1000
"""Characters of what an operator says."""


class Asked(Struct, frozen=True):
    """A resync that was asked for: the last audit *before*, and whether another one follows.

    *agreed_orphans* were held, and are removed now, because the operator has agreed to it.
    """

    before: DriverAudit
    is_compared: bool
    agreed_orphans: int = 0


class DriverService(DriverLooks):
    """What operators can do with mechanism drivers, besides looking at them.

    *wake* is called with the drivers that have something to do after a commit.
    """

    def __init__(
        self,
        database: Database,
        settings: config.Settings,
        wake: Callable[[Collection[str]], None] = lambda _drivers: None,
        heard: Callable[[], Hearings] | None = None,
    ) -> None:
        super().__init__(database, settings, heard)
        self._wake = wake
        self._finalizations = Finalizations(database, settings)
        self._required = [driver.name for driver in settings.drivers if driver.policy == "required"]

    @retried
    async def resync(
        self, ctx: RequestContext, name: str, *, remove_orphans: bool = False, everything: bool = False
    ) -> Asked:
        """Ask for a comparison with a driver's devices, which repairs what differs.

        A dispatcher begins at once. With *remove_orphans* the operator agrees to
        the removal of the orphans that are held at this moment, and of no others:
        what the comparison finds is held again if it is much. With *everything* the driver is owed all of
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
            count = await owe_all_again(connection, name) if everything else 0
            if is_compared := LISTS in known.features:
                await tables.audits.request(name)
            agreed = await OrphanTable(connection).agree(name) if remove_orphans else 0
            said = [f"{count} debts" if everything else "", f"removes {agreed} orphans" if remove_orphans else ""]
            detail = ", ".join(filter(None, said))
            await tables.operator_actions.add("resync", name, request_id=ctx.request_id, detail=detail)
        self._wake([name])
        return Asked(before, is_compared, agreed)

    @retried
    async def quarantine(self, ctx: RequestContext, name: str, reason: str) -> None:
        """Forbid every call to a driver until it is released; what it is owed is kept.

        Raises:
            Invalid: There is no *reason*.
            Conflict: It has never introduced itself, or is in quarantine already.
        """
        self._expect_configured(ctx, name)
        reason = clean(reason, LONGEST_REASON)
        if not reason:
            raise Invalid(f'Driver "{name}" is not put in quarantine without a reason.')
        async with self._database.writing() as connection:
            tables = Tables(connection)
            known = await self._introduced(tables, name)
            if known.quarantined_at is not None:
                raise Conflict(f'Driver "{name}" is in quarantine already: {record.why_quarantined(known)}.')
            await tables.drivers.save(record.quarantined(known, reason, now()))
            await OrphanTable(connection).hold(name)
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

    async def begin_finalize(self, ctx: RequestContext, name: str) -> Finalization:
        """Do the same, but return as soon as the new version counts; the states are rewritten in the background.

        If that is under way it is returned. Looking at the driver tells how far it is.

        Raises:
            NotFinalized: Nothing was changed; the text says why.
        """
        self._expect_configured(ctx, name)
        running = self._finalizations.find(name)
        if running is not None and running.is_running:
            return running
        begun = await begin(self._database, self._settings, name, request_id=ctx.request_id)
        return self._finalizations.start(begun, ctx.request_id)

    async def get(self, ctx: RequestContext, name: str) -> DriverDetail:
        """Look at one driver as ever, and tell what this process finalises of it."""
        return replace(await super().get(ctx, name), finalization=self._finalizations.find(name))

    async def stop(self) -> None:
        """Break off what runs in the background."""
        await self._finalizations.stop()

    async def forget(
        self,
        ctx: RequestContext,
        name: str,
        kind: str = "",
        id: str = "",
        progress: Progress = lambda _seen, _total: None,
    ) -> Given:
        """Give up what a driver is owed, all of it or that of one kind or resource; what only waited for it goes.

        Also for a driver that is not in the settings any more. Much is given up
        page by page, each in a transaction of its own.

        Raises:
            NotFound: It is owed nothing of that, and not in the settings either.
        """
        expect_admin(ctx, "update_driver")
        await self._expect_known(name)
        async with self._database.reading() as connection:
            id, total = await _found(connection, name, kind, id)
        given = Given()
        after: Place | None = START
        progress(0, total)
        while after is not None:
            page, after = await self._forget_page(ctx, name, kind, id, after)
            given += page
            progress(given.debts, max(given.debts, total))
        self._wake(self._names)
        return given

    @retried
    async def retry(self, ctx: RequestContext, name: str | None = None, kind: str = "", id: str = "") -> int:
        """Make debts due now that wait for their next attempt; return how many.

        Those of one driver or of all, and of these those of a kind or resource.
        """
        expect_admin(ctx, "update_driver")
        if name is not None:
            await self._expect_known(name)
        async with self._database.writing() as connection:
            await sweep(connection)
            names = [name] if name is not None else sorted(await LagTable(connection).list())
            counts = {one: await _retried(Tables(connection), one, kind, id, ctx.request_id) for one in names}
        self._wake(names)
        return sum(counts.values())

    @retried
    async def _forget_page(
        self, ctx: RequestContext, name: str, kind: str, id: str, after: Place
    ) -> tuple[Given, Place | None]:
        async with self._database.writing() as connection:
            await sweep(connection)
            return await force_forget(
                Tables(connection),
                name,
                required=self._required,
                kind=kind,
                resource_id=id,
                request_id=ctx.request_id,
                after=after,
            )

    async def _introduced(self, tables: Tables, name: str) -> DriverRecord:
        known = await tables.drivers.find_for_update(name)
        if known is None:
            raise Conflict(f'Driver "{name}" has never introduced itself: nobody calls it.')
        return known

    def _expect_configured(self, ctx: RequestContext, name: str) -> None:
        expect_admin(ctx, "update_driver")
        self._expect_driver(name)


def _expect_comparable(known: DriverRecord, *, everything: bool) -> None:
    if known.quarantined_at is not None:
        raise Conflict(f'Driver "{known.name}" is in quarantine: {record.why_quarantined(known)}.')
    if LISTS not in known.features and not everything:
        raise Conflict(
            f'Driver "{known.name}" cannot list what its devices hold (it has no feature "{LISTS}"); '
            f"it can only be owed everything again."
        )


async def _found(connection: AsyncConnection, driver: str, kind: str, id: str) -> tuple[str, int]:
    """Return the id under which a driver is owed something, and how many debts that are."""
    count = await count_debts(connection, driver, kind=kind, resource_id=id)
    if not count and id != id.lower():
        # Our own ids are lower-case; those that only a device knows may be anything.
        return await _found(connection, driver, kind, id.lower())
    return id, count


async def _retried(tables: Tables, driver: str, kind: str, id: str, request_id: str) -> int:
    """Make debts to one driver due and note that, if there were any; return how many."""
    count = await retry(tables.connection, driver, kind=kind or None, resource_id=id or None)
    if not count and id != id.lower():
        return await _retried(tables, driver, kind, id.lower(), request_id)
    if count:
        await tables.operator_actions.add(
            "retry", driver, kind=kind, resource_id=id, request_id=request_id, detail=f"{count} due now"
        )
    return count
