"""Revisions that are raised above what a device holds.

A database that was restored from an older copy has forgotten revisions that
devices hold. What it says is the truth all the same, and a driver takes only
what is higher than what it holds: so the resource gets a revision that was never
given before, and everybody who is told of it is owed that one, as after any
change. Its columns stay as they are.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from msgspec import Struct

from jackfield_core.db import network, port, subnet
from jackfield_core.db.base import now
from jackfield_core.db.delivery import NOT_FORGOTTEN, NOTICE_RANK, table
from jackfield_core.db.ending import EndTable
from jackfield_core.db.statement import Statement
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.types import Kind


class Ahead(Struct, frozen=True):
    """A resource of which a device holds a *revision* that the database does not know."""

    kind: str
    resource_id: str
    network_id: str
    revision: int


async def raise_revisions(tables: Tables, driver: str, ahead: Sequence[Ahead]) -> None:
    """Raise what *driver* is owed, and the resources with it, above the revisions that its devices hold.

    The caller takes no other locks before. An orphan has no resource; of what is
    deleted only this driver is owed more than before.
    """
    ordered = sorted(ahead, key=lambda one: (one.kind, one.resource_id))
    # Networks before ports before the ledger, in the order of services.
    await EndTable(tables.connection, ()).hold({one.network_id for one in ordered})
    await tables.ports.hold([one.resource_id for one in ordered if one.kind == Kind.PORT])
    for kind in Kind:
        rows = [{"an_id": one.resource_id, "above": one.revision + 1} for one in ordered if one.kind == kind]
        if rows:
            await _RESOURCES[kind].run_many(tables.connection, rows)
    at = now()
    debts = [
        {
            "a_kind": one.kind,
            "a_resource_id": one.resource_id,
            "a_driver": driver,
            "above": one.revision + 1,
            "at": at,
        }
        for one in ordered
    ]
    await _DEBTS.run_many(tables.connection, debts)


_above = sa.bindparam("above", type_=sa.BigInteger)
_at = sa.bindparam("at", type_=sa.DateTime)


def _resources(resources: sa.Table) -> Statement:
    return Statement(
        sa.update(resources)
        .where(resources.c.id == sa.bindparam("an_id"), resources.c.revision_number < _above)
        .values(revision_number=_above)
    )


_RESOURCES = {
    Kind.NETWORK: _resources(network.table),
    Kind.SUBNET: _resources(subnet.table),
    Kind.PORT: _resources(port.table),
}
_DEBTS = Statement(
    sa.update(table)
    .where(
        table.c.kind == sa.bindparam("a_kind"),
        table.c.resource_id == sa.bindparam("a_resource_id"),
        table.c.rank < NOTICE_RANK,
        table.c.desired_revision < _above,
        # An orphan that is held is owed when an operator agrees, and not before.
        table.c.owed | ~table.c.orphan,
        (table.c.driver == sa.bindparam("a_driver")) | ~(table.c.tombstone | table.c.orphan),
    )
    .values(
        desired_revision=_above,
        owed=True,
        **NOT_FORGOTTEN,
        owed_since=sa.case((table.c.owed, table.c.owed_since), else_=_at),
        # What is owed already has its own pace.
        due_at=sa.case((table.c.owed, table.c.due_at), else_=_at),
    )
)
