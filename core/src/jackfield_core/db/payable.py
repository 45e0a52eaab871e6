"""Which debts may be paid now, and the statement that claims them.

Due is what is owed, waits for no pause, and is in nobody's hands. Of that stays
behind: what stands on a parent that the driver never acknowledged; the end of a
parent that something still stands on; and for a moment, what a neighbour in the
configured order has yet to do. A parent that somebody gave up before the driver
had heard of it is owed again as soon as nothing but its children is left. Rows that another dispatcher is just about to
claim are skipped and not waited for. What a driver has refused, and what is tried
again only because a change elsewhere may have helped, is claimed when nothing
else is left: ten thousand of those may be due at once, and nobody waits for them.

A claim reads as much as it takes, however long the ledger and however much is
owed. That is more than PostgreSQL does by itself: mostly nothing is owed, so it
expects that of every moment, and once ten thousand debts have piled up it would
read all of them for each of them. So what a debt waits for is not asked for by
``owed``. What is left to find it by are indexes that fit, and no others.

Ten thousand ports may wait for one network that a driver has refused. Each is
passed at every look, so they have to cost next to nothing: the few networks and
subnets that pause and were never told are read first, and whatever stands on one
of them is passed without another question.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from jackfield_core.db import driver
from jackfield_core.db.delivery import FORGOTTEN, PAID, table
from jackfield_core.db.delivery_state import REFUSED
from jackfield_core.db.statement import among, within

_at = sa.bindparam("at", type_=sa.DateTime)
_of_driver = table.c.driver == sa.bindparam("a_driver")
_is_due = sa.and_(
    _of_driver,
    table.c.owed,
    table.c.due_at <= _at,
    sa.or_(table.c.leased_until.is_(None), table.c.leased_until < _at),
)

_is_refused = table.c.disposition.in_([sa.literal_column(f"'{disposition}'") for disposition in REFUSED])


def next_epoch(dialect: str) -> sa.Update:
    """Return the statement that gives the next claim of a driver its epoch, if something is due; and returns that.

    ``clock`` is in microseconds. The epoch is above all before it, and above those
    of a database that was lost and restored, as long as the clock goes forward.
    """
    greatest = sa.func.greatest if dialect == "postgresql" else sa.func.max
    clock = sa.bindparam("clock", type_=sa.BigInteger)
    return (
        sa.update(driver.table)
        .where(driver.table.c.name == sa.bindparam("a_driver"), sa.exists().where(_is_due))
        .values(claim_epoch=greatest(driver.table.c.claim_epoch + 1, clock))
        .returning(driver.table.c.claim_epoch)
    )


def claim(dialect: str, columns: Sequence[str]) -> sa.Update:
    """Return the statement that leases what may be paid, and returns *columns* of it; ``age`` is in seconds."""
    hopeful, refused = _due(dialect, "hopeful", ~_is_refused), _due(dialect, "refused", _is_refused)
    either = sa.union_all(sa.select(hopeful), sa.select(refused)).subquery("either")
    # The refused ones are not read if the others are enough.
    due = sa.select(either).limit(sa.bindparam("a_limit")).cte("due")
    return (
        sa.update(table)
        .where(_of_driver, sa.tuple_(table.c.kind, table.c.resource_id).in_(sa.select(due.c.kind, due.c.resource_id)))
        .values(
            leased_until=sa.bindparam("lease_ends"),
            claim=sa.bindparam("a_claim"),
            claimed_revision=table.c.desired_revision,
        )
        # A time costs as much as ten texts to read, so it is the database that reckons with it.
        .returning(*(_age(dialect) if name == "age" else table.c[name] for name in columns))
    )


def owe_parents(dialect: str) -> sa.Update:
    """Return the statement that owes a driver again what was given up before it heard of it, and children wait for."""
    child = table.alias("child")

    def lanes(rank: int) -> sa.Select[Any]:
        is_due = (child.c.driver == sa.bindparam("a_driver")) & child.c.owed & (child.c.due_at <= _at)
        is_below = ~child.c.tombstone & (child.c.rank > sa.literal_column(str(rank)))
        return sa.select(child.c.network_id).where(is_due, is_below).distinct()

    is_awaited = sa.and_(
        table.c.rank < sa.literal_column("2"),
        within(table.c.network_id, lanes(0), dialect),
        (table.c.rank == sa.literal_column("0")) | table.c.network_id.in_(lanes(1)),
    )
    never_told = table.c.acknowledged_revision.is_(None) & ~table.c.tombstone
    key = (table.c.kind, table.c.resource_id)
    # What somebody else has in hand is skipped: whatever becomes of it, it is no worse off than now.
    given_up = (
        sa.select(*key).where(_of_driver, is_awaited, never_told, _is_given_up(table)).with_for_update(skip_locked=True)
    )
    return (
        sa.update(table)
        .where(_of_driver, sa.tuple_(*key).in_(given_up))
        .values(owed=True, owed_since=_at, due_at=_at, **PAID)
    )


def _due(dialect: str, name: str, condition: sa.ColumnElement[bool]) -> sa.CTE:
    return (
        sa.select(table.c.kind, table.c.resource_id)
        .where(_is_due, condition, ~_is_stuck(), ~(_parent_missing() | _child_left() | _turn_of_others(dialect)))
        .order_by(table.c.due_at, table.c.rank)
        .limit(sa.bindparam("a_limit"))
        .with_for_update(skip_locked=True, of=table)
        .cte(name)
    )


def _age(dialect: str) -> sa.ColumnElement[Any]:
    if dialect == "postgresql":
        # The driver returns it as it is; SQLAlchemy would have to see the answer to know that.
        return sa.type_coerce(sa.cast(sa.extract("epoch", _at - table.c.owed_since), sa.Double), sa.types.NullType())
    return (sa.func.julianday(_at) - sa.func.julianday(table.c.owed_since)) * sa.literal_column("86400.0")


def _is_stuck() -> sa.ColumnElement[bool]:
    """Return the condition that a parent pauses that the driver was never told of; ``_parent_missing`` says more."""
    parent = table.alias("paused")

    def on_parent(rank: int) -> sa.ColumnElement[bool]:
        literal: sa.ColumnElement[int] = sa.literal_column(str(rank))
        # An index has these conditions, and hardly ever an entry.
        never_told = parent.c.owed & (parent.c.rank < sa.literal_column("2")) & parent.c.acknowledged_revision.is_(None)
        pauses = (parent.c.driver == sa.bindparam("a_driver")) & (parent.c.due_at > _at) & ~parent.c.tombstone
        lanes = sa.select(parent.c.network_id).where(never_told, pauses, parent.c.rank == literal)
        return (table.c.rank > literal) & table.c.network_id.in_(lanes)

    return ~table.c.tombstone & (on_parent(0) | on_parent(1))


def _parent_missing() -> sa.ColumnElement[bool]:
    parent = table.alias("parent")
    never_told = parent.c.acknowledged_revision.is_(None) & ~parent.c.tombstone
    # The first comparison follows from the second, and is the condition of an index.
    is_below = (parent.c.rank < sa.literal_column("2")) & (parent.c.rank < table.c.rank)
    will_be_told = _is_owed(parent) | _is_given_up(parent)
    return ~table.c.tombstone & sa.exists().where(_same_lane(parent), is_below, never_told, will_be_told)


def _child_left() -> sa.ColumnElement[bool]:
    child = table.alias("child")
    is_left = (child.c.rank > table.c.rank) & child.c.tombstone & _is_owed(child)
    return table.c.tombstone & sa.exists().where(_same_lane(child), is_left)


def _turn_of_others(dialect: str) -> sa.ColumnElement[bool]:
    before, behind = _has_turn(dialect, "earlier"), _has_turn(dialect, "later")
    return (~table.c.tombstone & before) | (table.c.tombstone & behind)


def _has_turn(dialect: str, neighbours: str) -> sa.ColumnElement[bool]:
    """Return the condition that one of *neighbours*, a parameter, is about to be told of the same resource."""
    other = table.alias(f"other_{neighbours}")
    fresh = (
        sa.select(other.c.driver)
        .where(
            other.c.kind == table.c.kind,
            other.c.resource_id == table.c.resource_id,
            _is_owed(other),
            other.c.attempts == 0,
            other.c.owed_since > sa.bindparam("fresh_since"),
            among(other.c.driver, neighbours, dialect),
        )
        .correlate(table)
        # Keeps PostgreSQL from reading all that is owed to neighbours into a table of its own first.
        .offset(sa.literal_column("0"))
    )
    return sa.exists(fresh)


def _same_lane(other: sa.FromClause) -> sa.ColumnElement[bool]:
    """Same driver, same network: where parents and children of a debt are found."""
    return (other.c.network_id == table.c.network_id) & (other.c.driver == table.c.driver)


def _is_owed(other: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the condition that a row is owed, in words that no partial index has."""
    return other.c.owed.is_not(sa.false())


def _is_given_up(other: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the condition that a row was given up, in words that no partial index has."""
    return other.c.disposition.is_not_distinct_from(sa.literal_column(f"'{FORGOTTEN}'"))
