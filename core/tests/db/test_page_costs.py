"""What goes through many rows page by page reads its page, whatever the database expects to find."""

from typing import Any

import pytest
import sqlalchemy as sa
from jackfield_core.db import forgetting, leaving, orphan
from jackfield_core.db.delivery import NOTICE_RANK, Entry
from jackfield_core.db.engine import Database
from jackfield_core.db.statement import Statement, driver_connection
from jackfield_core.db.unit_of_work import UnitOfWork
from jackfield_core.types import Kind


@pytest.fixture
async def paid(database: Database, unit_of_work: UnitOfWork) -> Database:
    """Give a PostgreSQL that has counted a ledger in which nothing is owed, and an orphan is rare."""
    if not database.is_postgresql:
        pytest.skip("knows nothing of how many there are")
    async with unit_of_work() as tx:
        entries = [Entry(Kind.PORT, f"port-{number}", f"network-{number % 7}", "ovs", 1) for number in range(3000)]
        await tx.deliveries.record_new(entries)
        await tx.connection.execute(sa.text("UPDATE delivery SET owed = false"))
        await tx.connection.execute(sa.text("ANALYZE"))
    return database


async def _plan(database: Database, statement: Statement, **values: Any) -> str:
    async with database.reading() as connection:
        compiled = statement.compiled(connection.dialect)
        rows = await driver_connection(connection).fetch(f"EXPLAIN {compiled.text}", *compiled.arguments(values))
        return "\n".join(row[0] for row in rows)


@pytest.mark.planner
async def test_what_is_given_up_is_found_by_its_key(paid: Database) -> None:
    """A page of what is given up is not looked for among all that is owed, row by row."""
    plan = await _plan(paid, forgetting.QUITS, a_driver="ovs", ids=["port-1"], network_ids=["network-1"])

    assert "ix_delivery_due" not in plan
    assert "pk_delivery" in plan or "ix_delivery_driver" in plan


@pytest.mark.planner
async def test_orphans_that_have_gone_are_found_by_their_key(paid: Database) -> None:
    """A page of orphans is not looked for among all of them."""
    plan = await _plan(paid, orphan.DROP, a_driver="ovs", a_kind=Kind.PORT, ids=["port-1"])

    assert "ix_delivery_orphan" not in plan
    assert "pk_delivery" in plan or "ix_delivery_driver" in plan


@pytest.mark.planner
async def test_what_leaves_is_judged_by_its_own_debts(paid: Database) -> None:
    """Neither all that is owed is read for each thing that leaves, nor once for all of them."""
    plan = await _plan(paid, leaving.SETTLE, ids=["port-1"], rank_1=NOTICE_RANK)

    assert "ix_delivery_due" not in plan
    assert "hashed SubPlan" not in plan
