"""States of deliveries as conditions of SQL; they say what ``delivery_state`` says of one row.

What depends on the driver, such as whether it is heard of, is said of drivers by
name. Which ones the ledger tells of is read before, by a step of an index for
each: if nobody is silent, then nothing is unknown for that, and no row has to be
looked at to find that out.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db import driver_audit
from jackfield_core.db.delivery import FORGOTTEN, table
from jackfield_core.db.delivery_state import IN_PROGRESS, NOT_TRIED, REFUSED, DeliveryState, Hearings
from jackfield_core.db.statement import Statement

_audit = driver_audit.table


class Judged(NamedTuple):
    """The drivers of a ledger by what is known of their devices.

    Of the *silent* nothing is; of the *doubtful* not whether what they have
    acknowledged is true, because a backend cannot be reached, as they say
    themselves or their last audit does.
    """

    silent: Sequence[str]
    doubtful: Sequence[str]
    well: Sequence[str]


async def judged(connection: AsyncConnection, hearings: Hearings) -> Judged:
    """Return what can be said of the drivers that the ledger tells of; reads one place of it for each."""
    silent, doubtful, well = [], [], []
    for name, is_unread in await _DRIVERS.rows(connection, {}):
        hearing = hearings.get(name)
        if hearing is None or hearing.silence:
            silent.append(name)
        elif hearing.unwell or (hearing.is_audited and is_unread):
            doubtful.append(name)
        else:
            well.append(name)
    return Judged(silent, doubtful, well)


def in_states(states: Sequence[DeliveryState], drivers: Judged, dialect: str) -> sa.ColumnElement[bool]:
    """Return the condition that a delivery is in one of *states*."""
    return sa.or_(sa.false(), *(_in_state(state, drivers, dialect) for state in dict.fromkeys(states)))


def _in_state(state: DeliveryState, drivers: Judged, dialect: str) -> sa.ColumnElement[bool]:
    owed, is_live = table.c.owed, ~table.c.tombstone
    is_asked = _is_of([*drivers.doubtful, *drivers.well], drivers, dialect)
    is_certain = _is_of(drivers.well, drivers, dialect)
    # Written out, because a partial index is used only where its own condition is said. What has failed is owed.
    has_failed = table.c.disposition != sa.literal_column("''")
    match state:
        case DeliveryState.HELD:
            return table.c.tombstone & table.c.orphan & ~owed
        case DeliveryState.ENDING:
            return table.c.tombstone & (owed | ~table.c.orphan)
        case DeliveryState.UNKNOWN:
            return is_live & _is_unknown(drivers, dialect)
        case DeliveryState.IN_SYNC:
            return is_live & is_certain & ~owed & (table.c.disposition != FORGOTTEN)
        case DeliveryState.FORGOTTEN:
            return is_live & is_certain & ~owed & has_failed & (table.c.disposition == FORGOTTEN)
        case DeliveryState.PENDING:
            return is_live & is_asked & owed & table.c.disposition.in_(NOT_TRIED)
        case DeliveryState.REFUSED:
            return is_live & is_asked & has_failed & table.c.disposition.in_(REFUSED)
        case DeliveryState.IN_PROGRESS:
            return is_live & is_asked & has_failed & (table.c.disposition == IN_PROGRESS)
        case DeliveryState.RETRYING:
            others = (*NOT_TRIED, *REFUSED, IN_PROGRESS, FORGOTTEN)
            return is_live & is_asked & has_failed & table.c.disposition.not_in(others)


def _is_unknown(drivers: Judged, dialect: str) -> sa.ColumnElement[bool]:
    # SQLite reads every row for an alternative, even if that is "or false".
    alternatives = []
    if drivers.silent:
        alternatives.append(_is_of(drivers.silent, drivers, dialect))
    if drivers.doubtful:
        alternatives.append(_is_of(drivers.doubtful, drivers, dialect) & ~table.c.owed)
    return sa.or_(*alternatives) if alternatives else sa.false()


def _is_of(names: Sequence[str], drivers: Judged, dialect: str) -> sa.ColumnElement[bool]:
    """Return the condition that a delivery is for one of *names*; where that says nothing, nothing has to be read.

    A page for one driver walks the index by driver, and one for several that of the key.
    """
    if not names:
        return sa.false()
    if len(names) == sum(map(len, drivers)):
        return sa.true()
    if len(names) == 1:
        return table.c.driver == names[0]
    # SQLite knows nothing of how many rows have them: it would walk the index by driver, all of it, and out of order.
    driver = sa.func.coalesce(table.c.driver, "") if dialect == "sqlite" else table.c.driver
    return driver.in_(names)


def _drivers() -> sa.Select[Any]:
    """Return the statement for the drivers in the ledger, and whether their last audit could not read something."""
    first = sa.select(sa.func.min(table.c.driver).label("name")).cte("driver", recursive=True)
    next_one = sa.select(sa.func.min(table.c.driver)).where(table.c.driver > first.c.name).scalar_subquery()
    names = first.union_all(sa.select(next_one).where(first.c.name.is_not(None)))
    is_unread = sa.type_coerce(_audit.c.unreachable, sa.Text) != "[]"
    found = sa.select(names.c.name, sa.func.coalesce(is_unread, sa.false()))
    found = found.outerjoin(_audit, _audit.c.driver == names.c.name).where(names.c.name.is_not(None))
    return found.order_by(names.c.name)


_DRIVERS = Statement(_drivers())
