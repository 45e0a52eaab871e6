"""Stories on a database that hypothesis can repeat."""

import asyncio
import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from jackfield_core import config
from jackfield_core.db import redelivery
from jackfield_core.db.address import Address
from jackfield_core.db.address import table as address_table
from jackfield_core.db.delivery import table as delivery_table
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


@pytest.fixture
def ledger(unit_of_work):
    """Do one thing with the ledger, in a transaction of its own."""

    class Ledger:
        def __getattr__(self, name):
            async def call(*args, **kwargs):
                async with unit_of_work() as tx:
                    method = getattr(tx.deliveries, name, None) or getattr(tx.claims, name, None)
                    method = method or functools.partial(getattr(redelivery, name), tx.connection)
                    return await method(*args, **kwargs)

            return call

        async def claim(self, driver="ovs", *, name="c1", limit=100, lease=60.0, earlier=(), later=(), hold=3600.0):
            async with unit_of_work() as tx:
                return await tx.claims.claim(
                    driver, name=name, limit=limit, lease=lease, earlier=earlier, later=later, hold=hold
                )

        async def one(self, resource_id, driver="ovs"):
            (debt,) = await self.list(driver=driver, resource_id=resource_id, owed=None)
            return debt

        async def pay(self, driver="ovs", **kwargs):
            claimed = await self.claim(driver, **kwargs)
            await self.acknowledge(kwargs.get("name", "c1"))
            return claimed

        async def shift(self, **columns):
            """Move times of all rows, as if time had passed."""
            async with unit_of_work() as tx:
                await tx.connection.execute(sa.update(delivery_table).values(**columns))

    return Ledger()
