"""Mechanism drivers as operators look at them: how far behind, what differs, and what was done about it.

Nothing here changes anything, neither in the database nor on a device.
"""

import re
from collections.abc import Callable, Sequence

from msgspec import Struct

from jackfield_core import config
from jackfield_core.context import RequestContext
from jackfield_core.db.base import now
from jackfield_core.db.delivery_state import DeliveryState, Hearings
from jackfield_core.db.driver_audit import DriverAudit
from jackfield_core.db.engine import Database
from jackfield_core.db.lag import Lag, LagTable
from jackfield_core.db.operator_action import OperatorAction
from jackfield_core.db.state_condition import in_states, judged
from jackfield_core.db.status import StatusTable, is_waiting, of_drivers, of_resource_ids
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.errors import Conflict, DriverUnavailable, Forbidden, NotFound
from jackfield_core.mechanism.answers import NoVerdict
from jackfield_core.services import difference
from jackfield_core.services.finalization import Finalization
from jackfield_core.services.hearing import hearing_of_notifiers
from jackfield_core.services.inspection import Inspection, hearing_of, inspect, inspection_of_notifier
from jackfield_core.services.status import DeliveryStatus, status_of

_NAME = re.compile(r"[a-z0-9-]{1,63}")
SHOWN_ACTIONS = 20
"""Actions of operators that are shown of a driver."""


class DriverDetail(Struct, frozen=True):
    """All that there is to know of a driver; *held* orphans wait for an operator.

    *finalization* is the newest that this process was asked for.
    """

    inspection: Inspection
    lag: Lag
    held: int
    audit: DriverAudit | None
    actions: Sequence[OperatorAction]
    finalization: Finalization | None = None


class DriverLooks:
    """What operators can see of mechanism drivers.

    *heard* returns what this process hears of drivers; without it they are
    looked at when that is asked for.
    """

    def __init__(
        self, database: Database, settings: config.Settings, heard: Callable[[], Hearings] | None = None
    ) -> None:
        self._database = database
        self._settings = settings
        self._heard = heard
        self._names = [driver.name for driver in settings.drivers]
        self._notifiers = settings.notifier_names

    async def list(self, ctx: RequestContext) -> Sequence[Inspection]:
        """Look at every driver, those that are owed something and not in the settings included."""
        expect_admin(ctx, "get_driver")
        return await self._look(self._settings.drivers, others=True)

    async def get(self, ctx: RequestContext, name: str) -> DriverDetail:
        """Look at one driver, or notifier: its debts, its last audit, and what operators did to it.

        Raises:
            NotFound: It is neither in the settings nor owed anything.
        """
        expect_admin(ctx, "get_driver")
        looked = None if name in self._notifiers else await self._inspection(name)
        async with self._database.reading() as connection:
            tables, lags = Tables(connection), LagTable(connection)
            lag = (await lags.list()).get(name, Lag(name))
            return DriverDetail(
                looked or inspection_of_notifier(name, lag),
                lag,
                await lags.held(name),
                (await tables.audits.list()).get(name),
                await tables.operator_actions.list(driver=name, limit=SHOWN_ACTIONS),
            )

    async def lag(self, ctx: RequestContext, name: str | None = None) -> Sequence[Lag]:
        """Return how far behind drivers are: one, or all of the settings and whoever else is owed something."""
        expect_admin(ctx, "get_driver")
        async with self._database.reading() as connection:
            lags = await LagTable(connection).list()
        known = {name: Lag(name) for name in (*self._names, *self._notifiers)} | lags
        if name is not None and name not in known:
            raise unknown(name)
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
        expect_admin(ctx, "get_driver")
        if name is not None:
            await self._expect_known(name)
        heard = await self._hearings()
        narrow = [
            *([of_drivers([name])] if name is not None else []),
            *([of_resource_ids([id])] if id is not None else []),
        ]
        async with self._database.reading() as connection:
            drivers = await judged(connection, heard)
            wanted = in_states(states, drivers, self._database.dialect) if states else is_waiting()
            found = await StatusTable(connection).oldest([wanted, *narrow], limit=limit)
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
        expect_admin(ctx, "get_driver")
        self._expect_driver(name)
        driver = next(one for one in self._settings.drivers if one.name == name)
        try:
            return await difference.report(self._database, self._settings, driver, id, progress)
        except NoVerdict as error:
            raise DriverUnavailable(str(error), driver=name) from None

    async def audit(self, ctx: RequestContext, name: str) -> DriverAudit:
        """Return what the last comparison with a driver's devices found; an empty one if there was none."""
        expect_admin(ctx, "get_driver")
        async with self._database.reading() as connection:
            return await Tables(connection).audits.find(name) or DriverAudit(name)

    async def _inspection(self, name: str) -> Inspection:
        drivers = [one for one in self._settings.drivers if one.name == name]
        seen = await self._look(drivers, others=not drivers)
        found = next((one for one in seen if one.name == name), None)
        if found is None:
            raise unknown(name)
        return found

    async def _look(self, drivers: Sequence[config.Driver], *, others: bool) -> Sequence[Inspection]:
        seen = await inspect(self._database, drivers, self._settings, others=others)
        # They are owed something too, and are no drivers.
        return [one for one in seen if one.name not in self._notifiers]

    async def _hearings(self) -> Hearings:
        if self._heard is not None:
            return self._heard()
        drivers = await self._look(self._settings.drivers, others=False)
        return {one.name: hearing_of(one) for one in drivers} | hearing_of_notifiers(self._notifiers)

    def _expect_driver(self, name: str) -> None:
        """Return if *name* is that of a driver in the settings."""
        if name in self._notifiers:
            raise Conflict(f'"{name}" is a notifier and no driver: it has no devices, and nobody upgrades it.')
        if name not in self._names:
            raise unknown(name)

    async def _expect_known(self, name: str) -> None:
        """Return if *name* is that of a driver in the settings, or of one that has left something in the database."""
        if name in self._names or name in self._notifiers:
            return
        if not _NAME.fullmatch(name):
            raise unknown(name)
        async with self._database.reading() as connection:
            tables = Tables(connection)
            if not await tables.deliveries.knows(name) and name not in await tables.drivers.list():
                raise unknown(name)


def expect_admin(ctx: RequestContext, rule: str) -> None:
    """Return if the caller may do what *rule* is about.

    Raises:
        Forbidden: He is no administrator.
    """
    if not ctx.is_admin:
        raise Forbidden(f"{rule} is disallowed by policy: drivers are for administrators.")


def unknown(name: str) -> NotFound:
    """Return the error for a driver that nobody has."""
    return NotFound(f'there is no driver "{name}" in the settings', type="DriverNotFound")
