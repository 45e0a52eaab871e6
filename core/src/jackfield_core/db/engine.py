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
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import sqlalchemy as sa
import sqlalchemy.exc
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from jackfield_core import config
from jackfield_core.db.clock import CLOCK
from jackfield_core.db.notice import Notifiers
from jackfield_core.db.statement import DRIVER_ERRORS, driver_connection, translated

SQLITE_BUSY_MS = 20_000
SQLITE_CONNECTIONS = 8
MIGRATION_LOCK = 0x6A61636B66696564
"""Key of the advisory lock that a change of the schema holds."""


SWEEP = "10min"
"""Longest that PostgreSQL takes for a statement that reads or writes all there is of something."""


class Database:
    """One database and its pool of connections; *notifiers* are owed notices of what happens to ports."""

    def __init__(self, settings: config.Database, notifiers: Sequence[str] = ()) -> None:
        self.notifiers = Notifiers(notifiers)
        url = make_url(settings.url)
        self.dialect = url.get_backend_name()
        if self.dialect == "sqlite":
            self._engine = _sqlite_engine(url)
            self._free = asyncio.Semaphore(SQLITE_CONNECTIONS)
            self._turns = asyncio.Semaphore(1)
        else:
            self._engine = _postgresql_engine(url, settings)
            self._free = asyncio.Semaphore(settings.pool_size)
            self._turns = asyncio.Semaphore(settings.writers)
        self._idle: list[AsyncConnection] = []
        self._open: set[asyncio.Event] = set()

    @property
    def is_postgresql(self) -> bool:
        """True if several processes may write at the same time."""
        return self.dialect == "postgresql"

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection for single statements; each sees the newest commits."""
        async with self._connected() as connection:
            yield connection

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that commits when the block ends and rolls back when it raises."""
        async with self._turns, self._connected() as connection:
            is_over = asyncio.Event()
            self._open.add(is_over)
            try:
                async with _transaction(connection):
                    yield connection
                    owes_notices = self.notifiers.were_owed(connection)
            finally:
                self._open.discard(is_over)
                is_over.set()
        if owes_notices:
            self.notifiers.wake()

    async def until_written(self) -> None:
        """Return when the transactions of this process that are open now are over; later ones are not waited for.

        Not for whoever is inside of one. What they have read may have changed meanwhile, outside of the database.
        """
        for is_over in [*self._open]:
            await is_over.wait()

    @contextlib.asynccontextmanager
    async def migrating(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that may change tables: without a time limit, one at a time among all processes."""
        async with self._connected() as connection, _foreign_keys_off(connection), _transaction(connection):
            if self.is_postgresql:
                await connection.execute(sa.text("SET LOCAL statement_timeout = 0"))
                await connection.execute(sa.text("SET LOCAL idle_in_transaction_session_timeout = 0"))
                await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            yield connection

    async def read_clock(self) -> None:
        """Set the clock of this process by that of the database."""
        if not self.is_postgresql:
            await CLOCK.read()
            return
        async with self.reading() as connection:
            await CLOCK.read(connection)

    async def close(self) -> None:
        """Close all connections."""
        while self._idle:
            await self._idle.pop().close()
        await self._engine.dispose()

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        """Take a connection out of the idle ones, or open one.

        SQLAlchemy's pool takes 40 µs to hand out a connection, so one that was
        used without an error stays checked out and goes to whoever comes next.
        """
        async with self._free:
            connection = await self._usable()
            try:
                yield connection
            except asyncpg.InternalClientError as error:
                # The server has said goodbye, and its end of the connection is not closed yet: nothing more comes.
                await connection.invalidate()
                raise translated(error, "") from error
            except BaseException:
                await connection.close()
                raise
            self._idle.append(connection)

    async def _usable(self) -> AsyncConnection:
        while self._idle:
            connection = self._idle.pop()
            # The driver notices when the server closes a connection; asking it costs no round trip.
            if not (self.is_postgresql and driver_connection(connection).is_closed()):
                return connection
            await connection.invalidate()
            await connection.close()
        connection = await self._engine.connect()
        self.notifiers.travel_with(connection)
        if self.is_postgresql:
            try:
                await CLOCK.read(connection)
            except BaseException:
                await connection.close()
                raise
        return connection


async def sweep(connection: AsyncConnection) -> None:
    """Let the statements of this transaction take as long as it takes to go through all there is of something.

    The ordinary limit is for what a user waits for. Under it a driver that is owed
    a hundred thousand ports would be refused, as slow as they are written, for ever.
    """
    if connection.dialect.name == "postgresql":
        await driver_connection(connection).execute(f"SET LOCAL statement_timeout = '{SWEEP}'")


@contextlib.asynccontextmanager
async def _transaction(connection: AsyncConnection) -> AsyncIterator[None]:
    """Begin, and commit or roll back, through the driver itself: SQLAlchemy takes four times as long for it."""
    driver = driver_connection(connection)
    try:
        # A deferred transaction of SQLite that turns into a writer fails at once when
        # another one was faster; taking the lock first makes it wait instead.
        await _control(driver, "BEGIN IMMEDIATE" if connection.dialect.name == "sqlite" else "BEGIN")
        yield
        await _control(driver, "COMMIT")
    except BaseException:
        await _roll_back(connection, driver)
        raise


async def _control(driver: Any, verb: str) -> None:
    try:
        status = await driver.execute(verb)
    except DRIVER_ERRORS as error:
        raise translated(error, verb) from error
    # PostgreSQL answers COMMIT with ROLLBACK if a statement failed and its error was caught.
    if status == "ROLLBACK":
        raise RuntimeError("the transaction had failed before its commit; nothing of it was stored")


async def _roll_back(connection: AsyncConnection, driver: Any) -> None:
    """Undo what was done; a connection on which that fails is thrown away, and the database undoes it.

    Whoever is cancelled while a transaction begins does not know whether it has begun, and SQLite may only be
    about to: it goes on in a thread of its own. So nobody is asked for that, and what comes last counts.
    """
    try:
        if connection.dialect.name == "postgresql":
            await driver.execute("ROLLBACK")
        else:
            # Says nothing where there is none.
            await driver.rollback()
    except BaseException:
        await connection.invalidate()


# Transactions are begun and ended by the driver, see _transaction, so that to
# SQLAlchemy every connection is one that commits by itself and needs no reset.
_OPTIONS: dict[str, Any] = {
    "isolation_level": "AUTOCOMMIT",
    "skip_autocommit_rollback": True,
    "pool_reset_on_return": None,
    "max_overflow": 0,
    # An error that quoted them would carry states and attributes of drivers, which may be secrets, into the log.
    "hide_parameters": True,
}


def _postgresql_engine(url: sa.URL, settings: config.Database) -> AsyncEngine:
    timeout_ms = str(int(settings.statement_timeout * 1000))
    engine = create_async_engine(
        url.set(drivername="postgresql+asyncpg"),
        **_OPTIONS,
        pool_size=settings.pool_size,
        pool_timeout=30,
        pool_use_lifo=True,
        connect_args={
            # Statements are prepared once per connection and kept.
            "statement_cache_size": 512,
            "max_cached_statement_lifetime": 0,
            "server_settings": {
                "application_name": "jackfield",
                "statement_timeout": timeout_ms,
                # Ends a transaction whose process hangs between two statements.
                "idle_in_transaction_session_timeout": str(int(settings.statement_timeout * 3000)),
                # It never pays for short statements.
                "jit": "off",
            },
        },
    )

    @sa.event.listens_for(engine.sync_engine, "checkout")
    def check(connection: Any, _record: object, _proxy: object) -> None:
        if connection.driver_connection.is_closed():
            raise sqlalchemy.exc.DisconnectionError

    return engine


def _sqlite_engine(url: sa.URL) -> AsyncEngine:
    engine = create_async_engine(url.set(drivername="sqlite+aiosqlite"), **_OPTIONS, pool_size=SQLITE_CONNECTIONS)

    @sa.event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: object) -> None:
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

    return engine


@contextlib.asynccontextmanager
async def _foreign_keys_off(connection: AsyncConnection) -> AsyncIterator[None]:
    """Keep SQLite, which changes a table by copying it, from cascading when the old one is dropped."""
    if connection.dialect.name != "sqlite":
        yield
        return
    # The switch has no effect inside of a transaction.
    raw = driver_connection(connection)
    await raw.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        await raw.execute("PRAGMA foreign_keys=ON")
