"""Connections to PostgreSQL or SQLite.

Two views of one database: :meth:`Database.reading` hands out a connection that
commits every statement by itself, so a single read costs one round trip;
:meth:`Database.writing` opens a transaction. Writers of this process take turns
in a fair queue: with SQLite one at a time, instead of polling the file's lock
(writers of other processes wait for ``busy_timeout``); with PostgreSQL a few,
because a transaction that has begun holds locks and has to be answered by
drivers in time, while one that waits here costs nobody anything.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from jackfield_core import config

SQLITE_BUSY_MS = 20_000
MIGRATION_LOCK = 0x6A61636B66696564
"""Key of the advisory lock that a change of the schema holds."""


class Database:
    """One database and its pool of connections."""

    def __init__(self, settings: config.Database) -> None:
        url = make_url(settings.url)
        self.dialect = url.get_backend_name()
        if self.dialect == "sqlite":
            self._engine = _sqlite_engine(url)
            self._turns = asyncio.Semaphore(1)
        else:
            self._engine = _postgresql_engine(url, settings)
            self._turns = asyncio.Semaphore(settings.writers)
        self._autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    @property
    def is_postgresql(self) -> bool:
        """True if several processes may write at the same time."""
        return self.dialect == "postgresql"

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection for single statements; each sees the newest commits."""
        async with self._autocommit.connect() as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that commits when the block ends and rolls back when it raises."""
        async with self._turns, self._engine.begin() as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def migrating(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that may change tables: without a time limit, one at a time among all processes."""
        async with self._engine.connect() as connection, _foreign_keys_off(connection), connection.begin():
            if self.is_postgresql:
                await connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
                await connection.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 0"))
                await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            yield connection

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()


def _postgresql_engine(url: sa.URL, settings: config.Database) -> AsyncEngine:
    timeout_ms = str(int(settings.statement_timeout * 1000))
    return create_async_engine(
        url.set(drivername="postgresql+asyncpg"),
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=30,
        pool_use_lifo=True,
        connect_args={
            "server_settings": {
                "application_name": "jackfield",
                "statement_timeout": timeout_ms,
                # Ends a transaction whose process hangs between two statements.
                "idle_in_transaction_session_timeout": str(int(settings.statement_timeout * 3000)),
                # Plans are stored by asyncpg per connection; jit never pays for short statements.
                "jit": "off",
            }
        },
    )


def _sqlite_engine(url: sa.URL) -> AsyncEngine:
    engine = create_async_engine(url.set(drivername="sqlite+aiosqlite"), pool_size=8, max_overflow=0)

    @sa.event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: object) -> None:
        # The sqlite3 module would open transactions by itself, and too late.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            # First of all: switching to WAL may have to wait for another process.
            f"busy_timeout={SQLITE_BUSY_MS}",
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @sa.event.listens_for(engine.sync_engine, "begin")
    def begin(connection: sa.Connection) -> None:
        # A deferred transaction that turns into a writer fails at once when
        # another one was faster; taking the lock first makes it wait instead.
        if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


@contextlib.asynccontextmanager
async def _foreign_keys_off(connection: AsyncConnection) -> AsyncIterator[None]:
    """Keep SQLite, which changes a table by copying it, from cascading when the old one is dropped."""
    if connection.dialect.name != "sqlite":
        yield
        return
    # The switch has no effect inside of a transaction, and every statement but a raw one begins one.
    raw = (await connection.get_raw_connection()).driver_connection
    assert raw is not None
    await raw.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        await raw.execute("PRAGMA foreign_keys=ON")
