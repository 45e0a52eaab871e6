"""Errors that pass by themselves, and errors that do not."""

from typing import Any

import asyncpg
import pytest
import sqlalchemy as sa
import sqlalchemy.exc
from jackfield_core.db.engine import Database
from jackfield_core.db.statement import Statement, driver_connection, translated
from jackfield_core.observability.outage import is_outage


async def test_mistake_is_no_outage(database: Database) -> None:
    """A statement that is wrong stays wrong."""
    async with database.reading() as connection:
        with pytest.raises(sqlalchemy.exc.DBAPIError) as caught:
            await connection.execute(sa.text("SELECT colour FROM network"))

    assert not is_outage(caught.value)


async def test_full_disk_is_an_outage(database: Database) -> None:
    """There is room again when the operator has made some."""
    if database.is_postgresql:
        assert is_outage(translated(asyncpg.exceptions.DiskFullError("no space left"), "INSERT"))
        return
    async with database.writing() as connection:
        await connection.execute(sa.text("PRAGMA max_page_count = 1"))
        with pytest.raises(sqlalchemy.exc.DBAPIError) as caught:
            await connection.execute(sa.text("CREATE TABLE large AS SELECT zeroblob(1 << 20) AS content"))

    assert is_outage(caught.value)


async def test_connection_that_broke_between_two_statements_is_an_outage(database: Database) -> None:
    """The rest of a transaction finds its connection closed, which no server has a code for."""
    if not database.is_postgresql:
        pytest.skip("SQLite has no connection that could break")

    async def transaction() -> None:
        async with database.writing() as connection:
            driver_connection(connection).terminate()
            await Statement(sa.select(sa.literal(1))).rows(connection, {})

    with pytest.raises(sqlalchemy.exc.DBAPIError) as caught:
        await transaction()

    assert is_outage(caught.value)


async def test_connection_that_the_server_is_about_to_close_is_an_outage(database: Database) -> None:
    """Who gets it between the server's goodbye and its end is told so, and the next one gets another connection."""
    if not database.is_postgresql:
        pytest.skip("SQLite has no connection that could break")
    found: list[Any] = []

    async def read() -> None:
        async with database.reading() as connection:
            driver = driver_connection(connection)
            # What asyncpg says of a connection on which it has read FATAL, and nothing since.
            found.append(driver)
            raise asyncpg.InternalClientError("cannot switch to state 11; another operation (2) is in progress")

    with pytest.raises(sqlalchemy.exc.DBAPIError) as caught:
        await read()

    assert is_outage(caught.value)
    async with database.reading() as connection:
        assert driver_connection(connection) is not found[0]
