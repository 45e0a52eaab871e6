"""A page of a list reads its rows, however many others there are between them."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from jackfield_core.db.address import table as address_table
from jackfield_core.db.address import with_address
from jackfield_core.db.engine import Database
from jackfield_core.db.port import PortTable
from jackfield_core.db.port_tables import binding_table, table
from jackfield_core.db.query import ListQuery
from jackfield_core.db.statement import driver_connection
from jackfield_core.db.unit_of_work import UnitOfWork

PORTS = 12_000
PROJECTS = 80
SHARE = PORTS // PROJECTS
LIMIT = 20
PAGES = (
    (ListQuery({"project_id": ["project-7"]}, limit=LIMIT), "ix_port_project_id_id"),
    (ListQuery({"device_owner": ["owner-7"]}, limit=LIMIT), "ix_port_device_owner_id"),
    (ListQuery(sorts=(("name", False),), limit=LIMIT), "ix_port_name_id"),
    (ListQuery({"binding:host_id": ["host-7"]}, limit=LIMIT), "ix_port_binding_host_port_id"),
)
"""Pages of a project, of an owner, by name, and of a host, each with the index that it follows."""


@pytest.fixture
async def crowded(database: Database, unit_of_work: UnitOfWork, rows: Any) -> Database:
    """Give a database with many ports, those of a project and those of a host far between all others."""
    async with unit_of_work() as tx:
        tree = await rows.tree(tx)
        await tx.subnets.add(*(rows.subnet(tree.network, id=f"subnet-{number}") for number in range(PROJECTS)))
        await tx.ports.add(rows.port(tree.network, id="first"))
        numbers = sa.select(sa.literal(1).label("n")).cte("numbers", recursive=True)
        numbers = numbers.union_all(sa.select(numbers.c.n + 1).where(numbers.c.n < PORTS))
        number, share = sa.cast(numbers.c.n, sa.Text), sa.cast(numbers.c.n % PROJECTS, sa.Text)
        # A number times a prime, modulo a prime, is one number for each, in an order of its own.
        shuffled = sa.cast(numbers.c.n * 7919 % 1_000_003 + 1_000_000, sa.Text)
        of_whom = {"project_id": "project-" + share, "device_owner": "owner-" + share}
        port = {"id": "port-" + number, "name": shuffled, "mac_address": shuffled, **of_whom}
        binding = {"port_id": "port-" + number, "host": "host-" + share}
        for one, changed in ((table, port), (binding_table, binding)):
            columns = [changed.get(column.name, column) for column in one.c]
            is_first = one.c[next(iter(changed))] == "first"
            copies = sa.select(*columns).select_from(one.join(numbers, sa.true())).where(is_first)
            await tx.connection.execute(sa.insert(one).from_select([column.name for column in one.c], copies))
        addresses = sa.select("subnet-" + share, shuffled, "port-" + number, numbers.c.n)
        await tx.connection.execute(sa.insert(address_table).from_select([*address_table.c.keys()], addresses))
        if database.is_postgresql:
            await tx.connection.execute(sa.text("ANALYZE"))
    return database


async def _explained(database: Database, query: ListQuery, explain: str) -> list[Any]:
    """Return what the database says of the statement for a page."""
    async with database.reading() as connection:
        statement = await PortTable(connection).page(query)
        text = str(statement.compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True}))
        driver = driver_connection(connection)
        fetch: Callable[[str], Any] = driver.fetch if database.is_postgresql else driver.execute_fetchall
        return [*await fetch(f"{explain} {text}")]


@pytest.mark.planner
async def test_a_page_reads_its_own_rows(crowded: Database) -> None:
    """Neither rows of others are passed between two that are wanted, nor their bindings."""
    for query, index in PAGES:
        if not crowded.is_postgresql:
            plan = [row[3] for row in await _explained(crowded, query, "EXPLAIN QUERY PLAN")]
            assert any(index in line for line in plan), plan
            continue
        ((found,),) = await _explained(crowded, query, "EXPLAIN (ANALYZE, FORMAT JSON)")
        scans = [node for node in _nodes(found[0]["Plan"]) if "Scan" in node["Node Type"] and "Plans" not in node]
        assert index in [node.get("Index Name") for node in scans]
        # Each row of the page is found in its own table, and its binding beside it.
        assert sum(map(_rows_read, scans)) <= 2 * (LIMIT + 1), scans


@pytest.mark.planner
async def test_a_page_of_a_subnet_reads_no_other_subnets(crowded: Database) -> None:
    """The ports of a subnet are known by its addresses, and no others are passed on the way to them."""
    query = ListQuery(conditions=[with_address([("subnet_id", "subnet-7")], crowded.dialect)], limit=LIMIT)
    async with crowded.reading() as connection:
        found = await PortTable(connection).list(query)
    assert [port.id for port in found] == sorted(f"port-{7 + PROJECTS * number}" for number in range(SHARE))[:LIMIT]
    if not crowded.is_postgresql:
        return

    ((explained,),) = await _explained(crowded, query, "EXPLAIN (ANALYZE, FORMAT JSON)")

    scans = [node for node in _nodes(explained[0]["Plan"]) if "Scan" in node["Node Type"] and "Plans" not in node]
    assert sum(map(_rows_read, scans)) <= 2 * SHARE + 2 * (LIMIT + 1), scans


async def test_pages_follow_each_other(crowded: Database) -> None:
    """All that is wanted is on the pages, complete and in order, whatever way they were read."""
    async with crowded.reading() as connection:
        ports = PortTable(connection)
        for query, _ in PAGES:
            whole = await ports.list(ListQuery(query.filters, query.sorts))
            first = await ports.list(query)
            behind = await ports.list(ListQuery(query.filters, query.sorts, LIMIT, first[-1].id))
            before = await ports.list(ListQuery(query.filters, query.sorts, LIMIT, behind[0].id, page_reverse=True))

            assert [*first, *behind] == whole[: 2 * LIMIT]
            assert before == first


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _rows_read(node: dict[str, Any]) -> int:
    read: int = (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    return read
