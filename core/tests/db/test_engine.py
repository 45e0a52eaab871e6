"""Connections: single reads see the newest, transactions are all or nothing, writers take turns."""

import asyncio
import contextlib
import sqlite3
import sys

import pytest
import sqlalchemy as sa
import sqlalchemy.exc
from jackfield_core import config
from jackfield_core.db import engine
from jackfield_core.db.engine import SWEEP, Database, sweep
from jackfield_core.db.query import ListQuery
from jackfield_core.db.statement import driver_connection
from sqlalchemy.engine import make_url


async def test_a_read_sees_every_commit_before_it(unit_of_work, rows):
    """A reading connection holds no snapshot: its next statement sees the newest state."""
    async with unit_of_work.reading() as tables:
        for count in range(3):
            assert len(await tables.networks.list(ListQuery())) == count
            async with unit_of_work() as tx:
                await tx.networks.add(rows.network())


async def test_a_read_does_not_see_what_is_not_committed(unit_of_work, rows):
    """Readers neither wait for a transaction nor see into it."""
    async with unit_of_work() as tx:
        await tx.networks.add(rows.network())
        async with unit_of_work.reading() as tables:
            assert await tables.networks.list(ListQuery()) == []


async def test_a_transaction_that_raises_leaves_nothing(unit_of_work, rows, creditors, wakings):
    """Neither row nor debt nor feed entry remains, nobody is woken, and the connection is good for the next."""
    creditors.drivers = ["ovs"]
    network = rows.network()

    async def refused():
        async with unit_of_work() as tx:
            await tx.networks.add(network)
            tx.touch(network.id, "h1")
            raise RuntimeError("refused by a driver")

    with pytest.raises(RuntimeError, match="refused"):
        await refused()

    async with unit_of_work.reading() as tables:
        assert await tables.networks.find(network.id) is None
        assert await tables.deliveries.list(owed=None) == []
        assert await tables.feed.after(0) == []
    assert wakings == []

    async with unit_of_work() as tx:
        await tx.networks.add(network)


async def test_a_failed_statement_ends_its_transaction_only(unit_of_work, rows):
    """A connection that an error came over is clean when the next one gets it."""
    network = rows.network()
    async with unit_of_work() as tx:
        await tx.networks.add(network)
    for _ in range(20):
        with pytest.raises(sqlalchemy.exc.IntegrityError):
            async with unit_of_work() as tx:
                await tx.networks.add(network)

    async with unit_of_work.reading() as tables:
        assert await tables.networks.find(network.id) == network


async def test_concurrent_writers_take_turns(unit_of_work, rows):
    """Many transactions at once all commit; on SQLite, which has one writer, they queue."""
    network = rows.network()
    async with unit_of_work() as tx:
        await tx.networks.add(network)

    async def raise_revision():
        async with unit_of_work() as tx:
            await tx.networks.find_for_update(network.id)
            await asyncio.sleep(0)
            await tx.networks.touch(network.id)

    await asyncio.gather(*(raise_revision() for _ in range(50)))

    async with unit_of_work.reading() as tables:
        assert (await tables.networks.find(network.id)).revision_number == 51


async def test_a_cancelled_writer_frees_its_turn(unit_of_work, rows):
    """A request that is cut off in its transaction blocks nobody."""
    entered = asyncio.Event()

    async def hang():
        async with unit_of_work() as tx:
            await tx.networks.add(rows.network())
            entered.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async with asyncio.timeout(30), unit_of_work() as tx:
        await tx.networks.add(rows.network())
    async with unit_of_work.reading() as tables:
        assert len(await tables.networks.list(ListQuery())) == 1


async def test_whoever_is_cancelled_while_a_transaction_begins_leaves_none_open(database, monkeypatch):
    """A connection that was about to begin one is as good as new for whoever gets it next."""
    begin = engine._control

    async def cancelled(driver, verb):
        await begin(driver, verb)
        if verb.startswith("BEGIN"):
            raise asyncio.CancelledError

    monkeypatch.setattr(engine, "_control", cancelled)
    with pytest.raises(asyncio.CancelledError):
        async with database.writing():
            pass
    monkeypatch.setattr(engine, "_control", begin)

    async with database.reading() as connection:
        driver = driver_connection(connection)
        assert not (driver.is_in_transaction() if database.is_postgresql else driver.in_transaction)


async def test_who_waits_for_writers_waits_for_those_of_now(database):
    """A transaction that is open is waited for, whether it commits or not; one that begins later is not."""
    entered, end = asyncio.Event(), asyncio.Event()

    async def write():
        async with database.writing():
            entered.set()
            await end.wait()
            raise RuntimeError("refused")

    await database.until_written()
    writing = asyncio.create_task(write())
    await entered.wait()
    waiting = asyncio.create_task(database.until_written())
    await asyncio.sleep(0)
    assert not waiting.done()
    end.set()
    with pytest.raises(RuntimeError):
        await writing
    async with database.writing():
        await asyncio.wait_for(waiting, 30)


async def test_whoever_gives_up_waiting_for_a_locked_file_does_not_get_it_later(database, database_url, monkeypatch):
    """SQLite goes on waiting in its thread for whoever was cancelled; what it gets then is given back."""
    if database.is_postgresql:
        pytest.skip("has no file")
    begin, begins = engine._control, asyncio.Event()

    async def noted(driver, verb):
        begins.set()
        await begin(driver, verb)

    monkeypatch.setattr(engine, "_control", noted)
    path = make_url(database_url).database
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(_write_nothing(database))
        await begins.wait()
        waiting.cancel()
        other.execute("ROLLBACK")
        with pytest.raises(asyncio.CancelledError):
            await waiting

        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")
    async with asyncio.timeout(30), database.writing():
        pass


async def _write_nothing(database):
    async with database.writing():
        pass


async def test_processes_that_write_at_once_all_commit(database_url, unit_of_work, rows):
    """Writers of several processes wait for each other, and none fails."""
    network = rows.network()
    async with unit_of_work() as tx:
        await tx.networks.add(network)
    program = (
        "import asyncio, sys\n"
        "from jackfield_core import config\n"
        "from jackfield_core.db.engine import Database\n"
        "from jackfield_core.db.unit_of_work import UnitOfWork\n"
        "async def main():\n"
        "    database = Database(config.Database(url=sys.argv[1]))\n"
        "    work = UnitOfWork(database, None, None, lambda _: None)\n"
        "    async def once():\n"
        "        async with work() as tx:\n"
        "            await tx.networks.touch(sys.argv[2])\n"
        "    for _ in range(10):\n"
        "        await asyncio.gather(*(once() for _ in range(5)))\n"
        "    await database.close()\n"
        "asyncio.run(main())\n"
    )
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", program, database_url, network.id) for _ in range(3)
    ]

    assert [await process.wait() for process in processes] == [0, 0, 0]

    async with unit_of_work.reading() as tables:
        assert (await tables.networks.find(network.id)).revision_number == 151


async def test_a_shared_lock_is_shared_and_keeps_writers_out(database, unit_of_work, rows):
    """Ports of one network are made side by side, and its subnets change only when no port is being made."""
    if not database.is_postgresql:
        pytest.skip("SQLite has one writer, so there is nothing to share")
    network = rows.network()
    async with unit_of_work() as tx:
        await tx.networks.add(network)
    holding, held, done = asyncio.Barrier(2), asyncio.Event(), asyncio.Event()

    async def make_port():
        async with unit_of_work() as tx:
            assert await tx.networks.lock(network.id) == 1
            await holding.wait()  # both are inside at once
            held.set()
            await asyncio.sleep(0.05)
            assert not done.is_set()

    async def change():
        async with unit_of_work() as tx:
            await tx.networks.find_for_update(network.id)
            done.set()

    makers = [asyncio.create_task(make_port()) for _ in range(2)]
    await asyncio.wait_for(held.wait(), 30)
    await asyncio.wait_for(asyncio.gather(*makers, change()), 30)


async def test_a_statement_that_takes_too_long_is_ended(database_url):
    """PostgreSQL ends a statement after the configured time, so that one bad query holds no connection for ever."""
    database = Database(config.Database(url=database_url, statement_timeout=1.0))
    if database.is_postgresql:
        with pytest.raises(sqlalchemy.exc.DBAPIError, match="statement timeout"):
            async with database.reading() as connection:
                await connection.execute(sa.text("SELECT pg_sleep(60)"))
    await database.close()


async def test_a_sweep_may_take_longer_than_other_statements(database_url):
    """What has to go through all ports there are is not ended by the limit of what users wait for."""
    database = Database(config.Database(url=database_url, statement_timeout=7.0))
    if database.is_postgresql:
        async with database.writing() as connection:
            await sweep(connection)
            swept = await _limit(connection)
        async with database.writing() as connection:
            assert (swept, await _limit(connection)) == (SWEEP, "7s")
    await database.close()


async def _limit(connection):
    return (await connection.execute(sa.text("SHOW statement_timeout"))).scalar_one()


async def test_connections_that_the_server_closed_are_replaced(database, unit_of_work, rows):
    """After a restart of the database the next request simply gets a new connection."""
    if not database.is_postgresql:
        pytest.skip("SQLite has no server")
    network = rows.network()
    async with unit_of_work() as tx:
        await tx.networks.add(network)
    async with contextlib.AsyncExitStack() as stack:
        first, *others = [await stack.enter_async_context(database.reading()) for _ in range(4)]
        pids = [(await other.execute(sa.text("SELECT pg_backend_pid()"))).scalar_one() for other in others]
        for pid in pids:
            await first.execute(sa.select(sa.func.pg_terminate_backend(pid)))
        async with asyncio.timeout(30):
            while not all(driver_connection(other).is_closed() for other in others):
                await asyncio.sleep(0.01)

    async def look():
        async with unit_of_work.reading() as tables:
            return await tables.networks.find(network.id)

    assert await asyncio.gather(*(look() for _ in range(8))) == [network] * 8


async def test_more_requests_than_connections_wait_in_line(database_url, rows):
    """Nobody is refused because all connections are in use."""
    database = Database(config.Database(url=database_url, pool_size=2))

    async def look():
        async with database.reading() as connection:
            await asyncio.sleep(0.001)
            return (await connection.execute(sa.text("SELECT 1"))).scalar_one()

    assert await asyncio.gather(*(look() for _ in range(40))) == [1] * 40
    await database.close()


async def test_a_transaction_whose_error_was_swallowed_is_not_taken_for_stored(database, unit_of_work, rows):
    """PostgreSQL stores nothing after a failed statement, and the writer is told."""
    if not database.is_postgresql:
        pytest.skip("SQLite goes on after a failed statement")
    network = rows.network()

    async def swallow():
        async with unit_of_work() as tx:
            await tx.networks.add(network)
            with contextlib.suppress(sqlalchemy.exc.IntegrityError):
                await tx.networks.add(network)

    with pytest.raises(RuntimeError, match="nothing of it was stored"):
        await swallow()


async def test_foreign_keys_are_enforced(unit_of_work, rows):
    """A row that hangs on nothing cannot be stored, on SQLite either."""
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        async with unit_of_work() as tx:
            await tx.ports.add(rows.port(rows.network()))
