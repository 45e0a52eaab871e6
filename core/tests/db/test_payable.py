"""What a claim reads: as much as it takes, whatever the database expects to find."""

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from jackfield_core.db.base import now
from jackfield_core.db.claim import Due, Failure
from jackfield_core.db.delivery import Entry
from jackfield_core.db.payable import claim
from jackfield_core.db.statement import Statement, driver_connection
from jackfield_core.types import Kind


@pytest.fixture
async def plan(database, unit_of_work):
    """Return how the database would claim, having seen a ledger in which nothing is owed."""
    async with unit_of_work() as tx:
        entries = [Entry(Kind.PORT, f"port-{number}", f"network-{number % 7}", "ovs", 1) for number in range(300)]
        await tx.deliveries.record_new(entries)
        await tx.connection.execute(sa.text("UPDATE delivery SET owed = false"))
    async with database.reading() as connection:
        await connection.execute(sa.text("ANALYZE"))
        statement = Statement(lambda dialect: claim(dialect, Due.__struct_fields__)).compiled(connection.dialect)
        driver = driver_connection(connection)
        arguments = statement.arguments(_values())
        if not database.is_postgresql:
            rows = await driver.execute_fetchall(f"EXPLAIN QUERY PLAN {statement.text}", arguments)
            return [row[3] for row in rows]
        # In a table as small as this one everything is faster than an index.
        await driver.execute("SET enable_seqscan = off")
        rows = await driver.fetch(f"EXPLAIN {statement.text}", *arguments)
        await driver.execute("RESET enable_seqscan")
        return [row[0] for row in rows]


def _values():
    at = now()
    times = {"at": at, "fresh_since": at, "lease_ends": at + timedelta(seconds=60)}
    return {"a_driver": "ovs", "a_limit": 200, "earlier": ["fabric"], "later": [], "a_claim": "claim", **times}


KEY = ("pk_delivery", "sqlite_autoindex_delivery_1", "ix_delivery_driver")
"""Indexes that name one row: that of the primary key, as either database calls it, and the same by driver."""


@pytest.mark.planner
@pytest.mark.parametrize(
    ("alias", "indexes"),
    [
        ("parent", ("ix_delivery_parent",)),
        ("child", ("ix_delivery_end",)),
        ("other_earlier", KEY),
        ("other_later", KEY),
    ],
)
async def test_what_a_debt_waits_for_is_found_by_its_own_index(plan, alias, indexes):
    """A ledger in which nothing is owed does not make the database plan to read all that is, for every debt."""
    lines = [line for line in plan if re.search(rf" {alias}(_\d+)?( |$)", line)]

    # What was refused is looked for apart from the rest.
    assert len(lines) == 2
    assert all(any(index in line for index in indexes) for line in lines)


@pytest.mark.planner
async def test_parents_that_pause_are_found_by_their_own_index(plan):
    """Mostly there are none, and a look finds that out by an index that is empty."""
    lines = [line for line in plan if re.search(r" paused(_\d+)?( |$)", line)]

    assert len(lines) == 4
    assert all("ix_delivery_never_told" in line for line in lines)


async def test_what_waits_for_a_refused_parent_is_passed_without_a_question(database, unit_of_work, ledger):
    """A hundred ports on a network that pauses are told apart from one that may be paid by that alone."""
    if not database.is_postgresql:
        pytest.skip("does not tell how often it has asked")
    ports = [Entry(Kind.PORT, f"port-{number:03}", "refused", "ovs", 1) for number in range(100)]
    async with unit_of_work() as tx:
        await tx.deliveries.record_new([Entry(Kind.NETWORK, "refused", "refused", "ovs", 1)])
        await tx.deliveries.record_new([*ports, Entry(Kind.PORT, "port-other", "other", "ovs", 1)])
    (network,) = await ledger.claim(limit=1)
    assert network.resource_id == "refused"
    await ledger.postpone("c1", [Failure("refused", 1800.0, "conflict")])

    statement = Statement(lambda dialect: claim(dialect, Due.__struct_fields__))
    async with database.writing() as connection:
        compiled = statement.compiled(connection.dialect)
        explain = f"EXPLAIN (ANALYZE, FORMAT JSON) {compiled.text}"
        (row,) = await driver_connection(connection).fetch(explain, *compiled.arguments(_values()))

    asked = [node for node in _nodes(row[0][0]["Plan"]) if node.get("Alias") in WAITED_FOR]
    assert len(asked) >= 4
    assert sum(node["Actual Loops"] for node in asked) <= 4
    assert (await ledger.one("port-other")).claim == "claim"
    assert (await ledger.one("port-000")).claim is None


WAITED_FOR = {
    f"{name}{number}" for name in ("parent", "child", "other_earlier", "other_later") for number in ("", "_1")
}


def _nodes(node):
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


@pytest.mark.planner
async def test_what_is_due_is_read_in_order(plan):
    """However much is owed, a claim stops reading when it has enough: nothing has to be sorted by age before."""
    sorted_by_age = [line for line in plan if "Sort Key" in line and "due_at" in line]
    assert not sorted_by_age
    assert not [line for line in plan if "TEMP B-TREE FOR ORDER BY" in line]
