"""Networks and ports in ERROR: what cannot become true as it stands.

A required driver that has never had a resource refuses it, or the host of a port
cannot wire it. Whoever learns of such a thing, or that it is over, has the
resource judged anew; it is a question to the few rows that have failed.

A failure that passes is none, and neither is silence. A resource that a driver
has acknowledged before keeps its status: what was true stays true, and that its
newest revision is refused is told with the delivery.
"""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db import delivery, network, port
from jackfield_core.db.delivery_state import REFUSED
from jackfield_core.db.statement import Statement, among
from jackfield_core.types import Kind, Status, Wiring

_TABLES = {Kind.NETWORK: network.table, Kind.PORT: port.table}
"""Subnets have no status."""
_AFTER = {Kind.NETWORK: Status.ACTIVE, Kind.PORT: Status.DOWN}
"""What a resource is when nothing is wrong any more; a port that is wired turns ACTIVE by another judgement."""


class FaultTable:
    """Resources in ERROR, seen through one connection; a driver's refusal counts if it is *required*."""

    def __init__(self, connection: AsyncConnection, required: Sequence[str]) -> None:
        self._connection = connection
        self._required = [*required]

    async def refresh(self, kind: Kind, ids: Iterable[str]) -> None:
        """Judge resources anew; the caller holds them."""
        if kind in _REFRESH:
            await _REFRESH[kind].run(self._connection, {"ids": [*ids], "required": self._required})

    async def refresh_all(self) -> None:
        """Judge everything anew that is in ERROR: who is required may have changed."""
        for statement in _CLEAR.values():
            await statement.run(self._connection, {"required": self._required})


def _is_faulty(kind: Kind, dialect: str) -> sa.ColumnElement[bool]:
    table, debts = _TABLES[kind], delivery.table
    is_refused = sa.exists().where(
        debts.c.kind == kind,
        debts.c.resource_id == table.c.id,
        among(debts.c.driver, "required", dialect),
        debts.c.acknowledged_revision.is_(None),
        # The condition of the index of what has failed.
        debts.c.disposition != sa.literal_column("''"),
        debts.c.disposition.in_([sa.literal_column(f"'{one}'") for one in REFUSED]),
    )
    if kind is Kind.NETWORK:
        return is_refused
    cannot_be_wired = sa.exists().where(
        port.binding_table.c.port_id == table.c.id, port.binding_table.c.wiring == Wiring.ERROR
    )
    return table.c.admin_state_up & (is_refused | cannot_be_wired)


def _refresh(kind: Kind, dialect: str) -> sa.Update:
    table, is_faulty = _TABLES[kind], _is_faulty(kind, dialect)
    is_error = table.c.status == Status.ERROR
    is_well = table.c.status == _AFTER[kind]
    return (
        sa.update(table)
        .where(
            among(table.c.id, "ids", dialect),
            table.c.deleted_at.is_(None),
            (is_error & ~is_faulty) | (is_well & is_faulty),
        )
        .values(status=sa.case((is_error, _AFTER[kind]), else_=Status.ERROR))
    )


def _clear(kind: Kind, dialect: str) -> sa.Update:
    table = _TABLES[kind]
    return (
        sa.update(table).where(table.c.status == Status.ERROR, ~_is_faulty(kind, dialect)).values(status=_AFTER[kind])
    )


_REFRESH = {
    Kind.NETWORK: Statement(lambda dialect: _refresh(Kind.NETWORK, dialect)),
    Kind.PORT: Statement(lambda dialect: _refresh(Kind.PORT, dialect)),
}
_CLEAR = {
    Kind.NETWORK: Statement(lambda dialect: _clear(Kind.NETWORK, dialect)),
    Kind.PORT: Statement(lambda dialect: _clear(Kind.PORT, dialect)),
}
