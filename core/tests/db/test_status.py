"""Lists of deliveries: states as conditions, pages, and the indexes that they walk."""

import itertools
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
from jackfield_core.db import driver_audit
from jackfield_core.db.base import now
from jackfield_core.db.delivery import FORGOTTEN, RANK, table
from jackfield_core.db.delivery_state import DeliveryState, Doubt, Hearing, delivery_state
from jackfield_core.db.driver_audit import UnreachableBackend
from jackfield_core.db.engine import Database
from jackfield_core.db.state_condition import Judged, in_states, judged
from jackfield_core.db.status import (
    Place,
    StatusTable,
    is_owed,
    of_drivers,
    of_kinds,
    of_resource_ids,
    on_networks,
)
from jackfield_core.db.unit_of_work import UnitOfWork
from jackfield_core.types import Kind

AWAY = Doubt("DRIVER_AWAY", "nobody listens")
DOWN = Doubt("BACKEND_UNREACHABLE", "leaf1")
HEARINGS = {
    "well": Hearing(),
    "away": Hearing(silence=AWAY),
    "unwell": Hearing(unwell=DOWN),
    "unread": Hearing(),
    "unaudited": Hearing(is_audited=False),
}
"""What is heard of each driver; of one in the ledger nothing is."""
OTHERS = [f"other-{number}" for number in range(7)] + ["well"]
DRIVERS = Judged(silent=["away"], doubtful=[], well=OTHERS)
DISPOSITIONS = ("", "superseded", "in_progress", "retry", "bug", "unknown", "infeasible", "conflict")


@pytest.fixture
def narrow(database: Database) -> Callable[..., Any]:
    """Make the condition that a delivery is in one of some states."""

    async def condition(*states: DeliveryState) -> Any:
        async with database.reading() as connection:
            return in_states(states, await judged(connection, HEARINGS), database.dialect)

    return condition


def a_row(driver: str, id: str, kind: Kind = Kind.NETWORK, **columns: Any) -> dict[str, Any]:
    at = now()
    return {
        "kind": kind,
        "resource_id": id,
        "driver": driver,
        "rank": RANK[kind],
        "network_id": id,
        "desired_revision": 1,
        "acknowledged_revision": 1,
        "tombstone": False,
        "owed": False,
        "due_at": at,
        "attempts": 0,
        "disposition": "",
        "reason": "",
        "message": "",
        "orphan": False,
        **columns,
    }


async def insert(unit_of_work: UnitOfWork, rows: Sequence[dict[str, Any]], unread: Sequence[str] = ()) -> None:
    async with unit_of_work() as tx:
        await tx.connection.execute(sa.insert(table), rows)
        for driver in unread:
            values = {"driver": driver, "unreachable": (UnreachableBackend("leaf1", "no route"),)}
            await tx.connection.execute(sa.insert(driver_audit.table).values(**values))


async def listed(unit_of_work: UnitOfWork, *conditions: Any, **page: Any) -> list[Any]:
    async with unit_of_work.reading() as tables:
        return await StatusTable(tables.connection).page(conditions, **page)


def keys(deliveries: Sequence[Any]) -> list[tuple[str, str, str]]:
    return [(one.kind, one.resource_id, one.driver) for one in deliveries]


async def test_state_of_a_row_and_state_as_a_condition_are_the_same(
    unit_of_work: UnitOfWork, narrow: Callable[..., Any]
) -> None:
    """Every row that there can be is found under its state, and under no other."""
    shapes = [
        {"owed": owed, "tombstone": tombstone, "orphan": orphan, "disposition": disposition}
        for owed, (tombstone, orphan), disposition in itertools.product(
            (False, True), ((False, False), (True, False), (True, True)), DISPOSITIONS
        )
        # What is paid has no failure, and a tombstone that is paid is gone.
        if owed or ((not tombstone or orphan) and not disposition)
    ]
    shapes.append({"owed": False, "tombstone": False, "orphan": False, "disposition": FORGOTTEN})
    drivers = [*HEARINGS, "gone"]
    rows = [a_row(driver, f"n{number}", **shape) for driver in drivers for number, shape in enumerate(shapes)]
    await insert(unit_of_work, rows, unread=["unread", "unaudited"])

    found = {state: await listed(unit_of_work, await narrow(state)) for state in DeliveryState}

    assert sum(map(len, found.values())) == len(rows)
    for state, deliveries in found.items():
        assert deliveries, state
        for one in deliveries:
            assert delivery_state(one, HEARINGS.get(one.driver), one.unreachable) is state
    either = await listed(unit_of_work, await narrow(DeliveryState.HELD, DeliveryState.PENDING, DeliveryState.HELD))
    assert len(either) == len(found[DeliveryState.HELD]) + len(found[DeliveryState.PENDING])


@pytest.mark.parametrize(
    ("driver", "columns", "state"),
    [
        ("well", {}, "in_sync"),
        ("away", {}, "unknown"),
        ("unwell", {}, "unknown"),
        ("unread", {}, "unknown"),
        ("unaudited", {}, "in_sync"),
        ("gone", {}, "unknown"),
        ("away", {"owed": True}, "unknown"),
        # A driver that answers tells itself what becomes of what it is owed.
        ("unwell", {"owed": True}, "pending"),
        ("well", {"owed": True, "disposition": "unknown"}, "retrying"),
        ("well", {"owed": True, "disposition": "conflict"}, "refused"),
        ("away", {"owed": True, "tombstone": True}, "ending"),
        ("away", {"orphan": True, "tombstone": True}, "held"),
        ("well", {"orphan": True, "tombstone": True, "owed": True}, "ending"),
    ],
)
async def test_state(unit_of_work: UnitOfWork, driver: str, columns: dict[str, Any], state: str) -> None:
    """What a row of the ledger is called."""
    await insert(unit_of_work, [a_row(driver, "n1", **columns)], unread=["unread", "unaudited"])

    (one,) = await listed(unit_of_work)

    assert delivery_state(one, HEARINGS.get(driver), one.unreachable) == state


async def test_pages_follow_each_other_both_ways(unit_of_work: UnitOfWork) -> None:
    """A marker is a place: what it names may be gone, and nothing comes twice or not at all."""
    ids = [f"n{number}" for number in range(5)]
    await insert(unit_of_work, [a_row(driver, id, kind) for kind in Kind for id in ids for driver in ("b", "a")])
    everything = keys(await listed(unit_of_work))
    assert len(everything) == 30
    assert everything == sorted(everything)

    seen: list[Any] = []
    while page := await listed(unit_of_work, limit=7, marker=Place(*seen[-1]) if seen else None):
        seen += keys(page)
    assert seen == everything

    back: list[Any] = []
    while page := await listed(unit_of_work, limit=7, marker=Place(*back[0]) if back else None, is_backwards=True):
        back = keys(page) + back
    assert back == everything

    nowhere = Place("network", "n2", "aa")
    assert keys(await listed(unit_of_work, limit=1, marker=nowhere)) == [("network", "n2", "b")]
    assert keys(await listed(unit_of_work, limit=1, marker=nowhere, is_backwards=True)) == [("network", "n2", "a")]


async def test_filters(database: Database, unit_of_work: UnitOfWork, rows: Any) -> None:
    """By driver, kind, resource, network, and whether anything is owed; several values match either."""
    async with unit_of_work() as tx:
        tree = await rows.tree(tx, "192.0.2.0/24")
        other = await rows.tree(tx)
        port = rows.port(tree.network)
        await tx.ports.add(port)
    network, subnet = tree.network.id, tree.subnets[0].id
    there = [
        a_row("a", network),
        a_row("b", network, owed=True),
        a_row("a", subnet, Kind.SUBNET, network_id=network),
        a_row("a", port.id, Kind.PORT, network_id=network),
    ]
    elsewhere = a_row("a", other.network.id)
    # Nobody knows the network of an orphan; it is called by its own id.
    orphan = a_row("a", "o1", Kind.PORT, orphan=True, tombstone=True)
    await insert(unit_of_work, [*there, elsewhere, orphan])

    async def found(*conditions: Any) -> set[tuple[str, str, str]]:
        return {*keys(await listed(unit_of_work, *conditions))}

    def these(*wanted: dict[str, Any]) -> set[tuple[str, str, str]]:
        return {(one["kind"], one["resource_id"], one["driver"]) for one in wanted}

    assert await found(of_drivers(["b"])) == these(there[1])
    assert await found(of_drivers(["b", "a", "\0"])) == these(*there, elsewhere, orphan)
    assert await found(of_kinds(["port"])) == these(there[3], orphan)
    assert await found(of_resource_ids([network, port.id])) == these(there[0], there[1], there[3])
    assert await found(of_resource_ids([network]), of_drivers(["a"])) == these(there[0])
    assert await found(on_networks([network], database.dialect)) == these(*there)
    assert await found(on_networks([network, other.network.id.upper()], database.dialect)) == these(*there, elsewhere)
    assert await found(is_owed([True])) == these(there[1])
    assert await found(is_owed([False])) == these(there[0], *there[2:], elsewhere, orphan)
    assert await found(is_owed([False, True])) == these(*there, elsewhere, orphan)


async def test_deliveries_of_resources_and_one_by_its_place(unit_of_work: UnitOfWork) -> None:
    """What all drivers hold of some resources is one question."""
    await insert(unit_of_work, [a_row(driver, id) for driver in ("a", "unread") for id in ("n1", "n2")], ["unread"])

    async with unit_of_work.reading() as tables:
        deliveries = StatusTable(tables.connection)
        found = await deliveries.of_resources(Kind.NETWORK, ["n2", "n3"])
        one = await deliveries.find(Place("network", "n1", "unread"))
        assert await deliveries.find(Place("port", "n1", "unread")) is None

    assert sorted(keys(found)) == [("network", "n2", "a"), ("network", "n2", "unread")]
    assert isinstance(found[0].due_at, datetime)
    assert one is not None
    assert one.unreachable == (UnreachableBackend("leaf1", "no route"),)


@pytest.mark.parametrize(
    ("condition", "index"),
    [
        (lambda dialect: in_states([DeliveryState.REFUSED], DRIVERS, dialect), "ix_delivery_failed"),
        (lambda dialect: in_states([DeliveryState.HELD], DRIVERS, dialect), "ix_delivery_orphan"),
        (lambda dialect: in_states([DeliveryState.IN_SYNC], DRIVERS, dialect), "delivery"),
        (lambda dialect: in_states([DeliveryState.UNKNOWN], DRIVERS, dialect), "ix_delivery_driver"),
        (lambda dialect: on_networks(["n7"], dialect), "delivery"),
        (lambda _: of_resource_ids(["n7"]), "delivery"),
        (lambda _: of_drivers(["well"]), "delivery"),
    ],
    ids=["refused", "held", "in_sync", "unknown", "network", "resource", "driver"],
)
@pytest.mark.planner
async def test_lists_walk_an_index(
    database: Database, unit_of_work: UnitOfWork, condition: Callable[[str], Any], index: str
) -> None:
    """What is asked for is found without a look at everything, and nothing is sorted that is many."""
    rows = [a_row(driver, f"n{number:05}") for number in range(500) for driver in OTHERS]
    await insert(unit_of_work, rows)
    async with unit_of_work() as tx:
        await tx.connection.execute(sa.text("ANALYZE"))

    async with database.reading() as connection:
        plan = await _plan(connection, [condition(database.dialect)])

    scans = [line for line in plan if "Seq Scan on delivery" in line or "SCAN delivery" in line]
    assert [line for line in scans if "USING INDEX" not in line] == [], plan
    assert any(index in line for line in plan), plan


async def test_where_every_driver_is_heard_nothing_is_unknown(database: Database, unit_of_work: UnitOfWork) -> None:
    """To find that out no row is looked at: the drivers of the ledger are enough."""
    await insert(unit_of_work, [a_row(driver, "n1") for driver in ("well", "unread", "unaudited")], ["unaudited"])

    async with database.reading() as connection:
        drivers = await judged(connection, HEARINGS)

    assert drivers == Judged(silent=[], doubtful=[], well=["unaudited", "unread", "well"])
    assert str(in_states([DeliveryState.UNKNOWN], drivers, database.dialect)) == "false"


async def test_the_drivers_of_a_ledger_are_found_by_a_step_for_each(
    database: Database, unit_of_work: UnitOfWork
) -> None:
    """Who is away, and who cannot be sure, is told of drivers that the ledger knows, and of no others."""
    async with database.reading() as connection:
        assert await judged(connection, HEARINGS) == Judged([], [], [])
    rows = [a_row(driver, f"n{number}") for driver in ("gone", "unread", "unwell", "well") for number in range(3)]
    await insert(unit_of_work, rows, ["unread"])

    async with database.reading() as connection:
        assert await judged(connection, HEARINGS) == Judged(["gone"], ["unread", "unwell"], ["well"])


async def _plan(connection: Any, conditions: Any) -> list[str]:
    """Return the plan of a page as the database would run it."""
    seen: list[Any] = []

    class Looked(Exception):
        pass

    class Looker:
        async def execute(self, statement: Any) -> Any:
            seen.append(statement)
            raise Looked

    with pytest.raises(Looked):
        await StatusTable(Looker()).page(conditions, limit=100)  # type: ignore[arg-type]
    text = str(seen[0].compile(dialect=connection.dialect, compile_kwargs={"literal_binds": True}))
    explain = "EXPLAIN " if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
    return [str(row[-1]) for row in await connection.exec_driver_sql(explain + text)]
