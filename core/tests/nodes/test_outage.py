"""Agents while the database is away."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from jackfield.node.v1 import node_pb2
from jackfield_core.db.engine import Database
from psycopg import sql
from sqlalchemy.engine import make_url


@pytest.fixture
def outage(database: Database, database_url: str) -> Callable[[], contextlib.AbstractContextManager[None]]:
    """Take the database away: connections are ended and new ones refused."""
    if not database.is_postgresql:
        pytest.skip("a file is not away")
    url = make_url(database_url)
    name = sql.Identifier(url.database or "")

    @contextlib.contextmanager
    def away() -> Iterator[None]:
        with psycopg.connect(
            host=str(url.query["host"]), user=url.username, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [url.database]
            )
            try:
                yield
            finally:
                connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))

    return away


async def test_report_during_an_outage_is_stored_afterwards(site: Any, outage: Any) -> None:
    """The stream stays open, and what the agent said meanwhile counts."""
    network = await site.fabric.network()
    port = await site.fabric.port(network, "host1")
    agent = await site.synced("host1")

    with outage():
        await agent.report((port, node_pb2.PORT_STATE_UP))
        assert await agent.is_quiet()

    assert (await site.fabric.wired(port, "up")).status == "ACTIVE"
    added = await site.fabric.port(network, "host1")
    await agent.until(lambda: added.id in agent.ports)


async def test_agent_that_dials_during_an_outage_is_served_afterwards(site: Any, outage: Any) -> None:
    """A hello waits for the database, and the first sync is complete."""
    port = await site.fabric.port(await site.fabric.network(), "host1")
    agent = await site.agent("host1")

    with outage():
        await agent.hello()
        assert await agent.is_quiet()
    await agent.sync()

    assert list(agent.ports) == [port.id]
