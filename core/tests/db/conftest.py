"""Looks behind the tables: which statements a call costs, and single stories for hypothesis."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from jackfield_core import config
from jackfield_core.db.address import Address
from jackfield_core.db.address import table as address_table
from jackfield_core.db.engine import Database
from jackfield_core.db.unit_of_work import UnitOfWork
from sqlalchemy.ext.asyncio import AsyncConnection


@pytest.fixture
def statements() -> Callable[[AsyncConnection], Any]:
    """Collect the statements of a connection inside of a ``with`` block."""

    @contextlib.contextmanager
    def collect(connection: AsyncConnection) -> Iterator[list[str]]:
        seen: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
            seen.append(statement)

        sa.event.listen(connection.sync_connection, "before_cursor_execute", note)
        yield seen
        sa.event.remove(connection.sync_connection, "before_cursor_execute", note)

    return collect


@pytest.fixture
def story(database_url: str) -> Iterator[Callable[..., Any]]:
    """Run a coroutine function with a unit of work, in one loop for all examples of a test."""
    with asyncio.Runner() as runner:

        async def open_database() -> Database:
            return Database(config.Database(url=database_url))

        database = runner.run(open_database())
        work = UnitOfWork(database, None, None, lambda: None)  # type: ignore[arg-type]
        yield lambda function, *arguments: runner.run(function(work, *arguments))
        runner.run(database.close())


@pytest.fixture
def gaps_of(story: Callable[..., Any], rows: Any) -> Callable[..., Any]:
    """Put certain positions of a subnet in use and ask for its gaps."""

    async def prepare(work: UnitOfWork) -> tuple[Any, Any]:
        async with work() as tx:
            tree = await rows.tree(tx, "192.0.2.0/24")
            port = rows.port(tree.network)
            await tx.ports.add(port)
        return tree.subnets[0], port

    async def ask(work: UnitOfWork, used: set[int], low: int, high: int, limit: int) -> list[tuple[int, int]]:
        async with work() as tx:
            await tx.connection.execute(sa.delete(address_table))
            wanted = [(Address(subnet.id, f"192.0.2.{place}", place), port.id) for place in used]
            if wanted:
                await tx.addresses.reserve(wanted)
            return await tx.addresses.gaps(subnet.id, low, high, limit=limit)

    subnet, port = story(prepare)
    return lambda *arguments: story(ask, *arguments)
