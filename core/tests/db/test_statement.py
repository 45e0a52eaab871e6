"""Statements on the database's own driver: the same values and errors as through SQLAlchemy."""

from datetime import datetime
from typing import Any

import pytest
import sqlalchemy as sa
import sqlalchemy.exc
from jackfield_core.db.base import Id, Json
from jackfield_core.db.statement import Insert, Statement, among
from jackfield_core.types import AllocationPool, Kind

things = sa.Table(
    "thing",
    sa.MetaData(),
    sa.Column("id", Id, primary_key=True),
    sa.Column("number", sa.BigInteger),
    sa.Column("flag", sa.Boolean, nullable=False),
    sa.Column("at", sa.DateTime),
    sa.Column("data", sa.LargeBinary),
    sa.Column("pools", Json(tuple[AllocationPool, ...]), nullable=False),
    sa.Column("anything", Json(dict[str, Any])),
)
ADD = Insert(things, lambda insert: insert.on_conflict_do_nothing().returning(things.c.id))
ADD_STRICTLY = Insert(things, lambda insert: insert)
ALL = Statement(sa.select(things).order_by(things.c.id))
AMONG = Statement(lambda dialect: sa.select(things.c.id).where(among(things.c.id, "ids", dialect)))
NOT_AMONG = Statement(lambda dialect: sa.select(things.c.id).where(~among(things.c.id, "ids", dialect)))
RAISE = Statement(
    sa.update(things)
    .where(things.c.number > sa.bindparam("above"), things.c.flag == sa.true())
    .values(number=things.c.number + 1, data=b"constant")
)


@pytest.fixture
async def connection(database):
    """Open a transaction with a table of every type of column."""
    async with database.writing() as connection:
        await connection.run_sync(things.metadata.create_all)
        yield connection


def a_thing(id, **values):
    defaults = {"number": 1, "flag": True, "at": None, "data": None, "pools": (), "anything": None}
    return {"id": id, **defaults, **values}


THINGS = [
    a_thing("a", number=(1 << 63) - 1, flag=False, at=datetime(2026, 1, 2, 3, 4, 5, 678), data=b"\0\xff"),
    a_thing("b", pools=(AllocationPool("10.0.0.2", "10.0.0.9"), AllocationPool("ä", '"')), anything={"x": [None, 1]}),
    a_thing(Kind.PORT, number=None, anything={}),
]


@pytest.mark.parametrize("count", [1, 3])
async def test_values_come_back_as_they_went_in(connection, count):
    """One row or several, every type of column survives, nulls and empty lists too."""
    await ADD.rows(connection, THINGS[:count])

    assert [tuple(row) for row in await ALL.rows(connection, {})] == [
        tuple(thing[column.name] for column in things.c) for thing in THINGS[:count]
    ]


@pytest.mark.parametrize("count", [1, 3])
async def test_rows_in_conflict_are_left_out(connection, count):
    """What comes back names what was inserted."""
    await ADD.rows(connection, THINGS[:1])

    added = await ADD.rows(connection, THINGS[:count])

    assert sorted(row[0] for row in added) == [thing["id"] for thing in THINGS[1:count]]


@pytest.mark.parametrize("others", [[], [a_thing("c")]])
async def test_errors_are_those_of_sqlalchemy(connection, database, others):
    """A duplicate is an integrity error, whichever way the statement went."""
    await ADD_STRICTLY.run(connection, [THINGS[0]])

    with pytest.raises(sqlalchemy.exc.IntegrityError):
        await ADD_STRICTLY.run(connection, [THINGS[0], *others])
    if database.is_postgresql:  # so that the fixture can end the transaction
        await connection.execute(sa.text("ROLLBACK"))
        await connection.execute(sa.text("BEGIN"))


@pytest.mark.parametrize("others", [[], [a_thing("c")]])
async def test_text_that_is_too_long_is_refused_and_not_cut(connection, database, others):
    """PostgreSQL keeps to the length of a column; a cast to it would cut silently."""
    if not database.is_postgresql:
        pytest.skip("SQLite knows no lengths")
    with pytest.raises(sqlalchemy.exc.DBAPIError, match="too long"):
        await ADD_STRICTLY.run(connection, [a_thing("x" * 37), *others])
    await connection.execute(sa.text("ROLLBACK"))
    await connection.execute(sa.text("BEGIN"))


async def test_a_statement_says_how_many_rows_it_changed(connection):
    """Constants of the statement and parameters of the call go together."""
    await ADD.rows(connection, [a_thing("a", number=5), a_thing("b", number=9), a_thing("c", number=9, flag=False)])

    assert await RAISE.run(connection, {"above": 4}) == 2
    assert await RAISE.run(connection, {"above": 100}) == 0

    rows = await ALL.rows(connection, {})
    assert [(row[1], row[4]) for row in rows] == [(6, b"constant"), (10, b"constant"), (9, None)]


async def test_a_statement_runs_for_many_rows_of_parameters(connection):
    """Each set of parameters is one execution."""
    await ADD.rows(connection, [a_thing("a", number=1)])

    await RAISE.run_many(connection, [{"above": 0}, {"above": 1}, {"above": 5}])

    assert (await ALL.row(connection, {}))[1] == 3


async def test_a_forgotten_parameter_is_noticed(connection):
    """Nothing is taken for null that was only forgotten."""
    with pytest.raises(KeyError, match="above"):
        await RAISE.run(connection, {})


async def test_lists_may_have_any_length(connection):
    """One text serves for none, one, and many."""
    await ADD.rows(connection, [a_thing(id) for id in "abcd"])

    async def found(statement, ids):
        return sorted(row[0] for row in await statement.rows(connection, {"ids": ids}))

    assert await found(AMONG, []) == []
    assert await found(AMONG, ["b"]) == ["b"]
    assert await found(AMONG, ["a", "x", "d", 'quote"']) == ["a", "d"]
    assert await found(NOT_AMONG, []) == ["a", "b", "c", "d"]
    assert await found(NOT_AMONG, ["a", "d"]) == ["b", "c"]


async def test_nothing_found_is_none(connection):
    """A row or a value that is not there is None."""
    assert await ALL.row(connection, {}) is None
    assert await ALL.value(connection, {}) is None
