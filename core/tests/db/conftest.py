"""Stories on a database that hypothesis can repeat."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from jackfield_core import config
from jackfield_core.db.address import Address
from jackfield_core.db.address import table as address_table
from jackfield_core.db.engine import Database
from jackfield_core.db.unit_of_work import UnitOfWork


@pytest.fixture
def story(database_url: str) -> Iterator[Callable[..., Any]]:
    """Run a coroutine function with a unit of work, in one loop for all examples of a test."""
    with asyncio.Runner() as runner:

        async def open_database() -> Database:
            return Database(config.Database(url=database_url))

        database = runner.run(open_database())
        work = UnitOfWork(database, None, None, lambda _: None)  # type: ignore[arg-type]
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
