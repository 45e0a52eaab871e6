"""One dispatcher for a file of SQLite.

SQLite has no claims that several processes could make side by side, and what a
dispatcher finds claimed at its start was claimed by one that is dead. So it has
to be alone, and a lock beside the file says so. The kernel drops it with the
process that holds it, whatever ends that.
"""

import fcntl
import os
from typing import IO

import sqlalchemy as sa

from jackfield_core.db.engine import Database

SUFFIX = "-dispatcher"
"""What the name of the lock has more than that of the database."""


class AnotherDispatcher(OSError):
    """Another process delivers what is owed in this file."""


class Sole:
    """The right to deliver from an SQLite file; on PostgreSQL everybody has it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock: IO[str] | None = None

    async def take(self) -> None:
        """Be the only dispatcher until :meth:`leave`.

        Raises:
            AnotherDispatcher: Another process is.
        """
        path = await self._path()
        if not path:
            return
        # Not truncated: it may be the line of the one who holds it.
        lock = open(path + SUFFIX, "a+", encoding="ascii")  # noqa: SIM115, ASYNC230
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip()
            lock.close()
            raise AnotherDispatcher(
                f"process {holder or 'unknown'} delivers from {path} already; SQLite has room for one dispatcher, "
                "so leave the role out here, or use PostgreSQL"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock

    def leave(self) -> None:
        """Let another process deliver."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def _path(self) -> str:
        """Return the file of the database; nothing if it has none, or is none of SQLite."""
        if self._database.is_postgresql:
            return ""
        async with self._database.reading() as connection:
            rows = (await connection.execute(sa.text("PRAGMA database_list"))).all()
        return next((str(row.file or "") for row in rows if row.name == "main"), "")
