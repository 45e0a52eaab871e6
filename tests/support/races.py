"""Races that are lost: PostgreSQL ends a transaction as if another one had waited for it in a circle.

A trigger does so, the first few times that a debt is owed again. Its count is a
sequence, which no rollback takes back.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import psycopg

_SET_UP = """
CREATE SEQUENCE lost_race;
CREATE FUNCTION lose_race() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('lost_race') <= TG_ARGV[0]::integer THEN
        RAISE EXCEPTION 'deadlock detected' USING ERRCODE = 'deadlock_detected';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER lose_race BEFORE UPDATE ON delivery FOR EACH ROW WHEN (NEW.owed AND NOT OLD.owed)
    EXECUTE FUNCTION lose_race({times});
"""
_TAKE_DOWN = "DROP TRIGGER lose_race ON delivery; DROP FUNCTION lose_race; DROP SEQUENCE lost_race"


@contextlib.asynccontextmanager
async def lost_races(database_url: str, times: int) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """End the transactions of those who owe again, so many *times*; give what returns how often one came there."""
    # Not in a way that holds up the loop: those whose locks have to be waited for run on it.
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:

        async def tried() -> int:
            row = await (await connection.execute("SELECT last_value, is_called FROM lost_race")).fetchone()
            assert row is not None
            return int(row[0]) if row[1] else 0

        await connection.execute(_SET_UP.format(times=int(times)).encode())
        try:
            yield tried
        finally:
            await connection.execute(_TAKE_DOWN)
