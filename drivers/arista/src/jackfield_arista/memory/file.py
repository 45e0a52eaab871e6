"""The file of the memory: opened with care, because what is in it is nowhere else.

A file that is begun appears as a whole, so one that is empty has lost what it held. One that is damaged
is left as it is and said, at the start and whenever it shows later: to begin anew would be to forget what
has to be removed from switches, and what their ports were before us. That is for the operator to decide.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from jackfield_sdk import Effect, Infeasible, RetryLater

from jackfield_arista.memory.tables import SCHEMA

# Seconds to wait for another process that writes.
_PATIENCE: Final = 10.0
# The codes of SQLite for a file that does not hold what it should.
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class MemoryUnusable(Infeasible):
    """The file cannot be used as it is; the reason names it, what is wrong, and what to do."""

    def __init__(self, path: Path, fact: str) -> None:
        """Say what is wrong with the file."""
        reason = (
            f"the driver's memory cannot be used: {path} {fact}. It was left as it is, and no switch is touched. "
            f"Put it back from a backup, or move it away with {path.name}-wal and {path.name}-shm and start the "
            "driver again: then nothing is removed from switches until the core has told everything, and what "
            "access ports were before us is lost"
        )
        super().__init__(reason, code="MEMORY_UNUSABLE", effect=Effect.NONE)


class MemoryFile:
    """An open file. Every method may be called from any thread, and other processes may use the file as well."""

    def __init__(self, path: Path) -> None:
        """Open the file, or begin it if there is none; MemoryUnusable if there is one that cannot be used."""
        self._path = path
        self._lock = threading.RLock()
        with _sound(path):
            if not path.exists():
                _begin(path)
            self._database = _open(path)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._database.close()

    @property
    def directory(self) -> Path:
        """The folder of the file."""
        return self._path.parent

    def _set_aside(self) -> Path:
        """Copy all that is in the file to a new one beside it, and return that."""
        aside = self._path.with_name(f"{self._path.stem}.{datetime.now(UTC):%Y%m%dT%H%M%S%f}{self._path.suffix}")
        with self._lock, _sound(self._path):
            self._database.execute("VACUUM INTO ?", (str(aside),))
        return aside

    def _one(self, statement: str, *values: object) -> tuple[Any, ...] | None:
        with self._lock, _sound(self._path):
            row: tuple[Any, ...] | None = self._database.execute(statement, values).fetchone()
            return row

    def _all(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock, _sound(self._path):
            return self._database.execute(statement, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Write all or nothing. RetryLater if the disk is full, or the file cannot be written."""
        with self._lock, _sound(self._path):
            try:
                self._database.execute("BEGIN IMMEDIATE")
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise


@contextmanager
def _sound(path: Path) -> Iterator[None]:
    """Turn what SQLite says of a file into errors of ours: damage is for the operator, all else may pass."""
    try:
        yield
    except sqlite3.Error as error:
        # The lower byte is the code, the upper ones say more about it.
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
            raise MemoryUnusable(path, f"is damaged ({error})") from error
        reason = f"the driver cannot use its memory ({path}): {error}"
        raise RetryLater(reason, code="MEMORY_UNWRITABLE") from error


def _begin(path: Path) -> None:
    """Put a file in place that has its tables; if another process is faster, its file counts."""
    journal = path.with_name(f"{path.name}-wal")
    if journal.exists():
        raise MemoryUnusable(path, f"is not there, and its journal {journal.name} is")
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        with closing(sqlite3.connect(name)) as database:
            # Here nobody is in the way; to change a file's journal needs it alone.
            database.execute("PRAGMA journal_mode = WAL")
            database.executescript(SCHEMA)
            database.execute("INSERT INTO fact VALUES ('id', ?)", (uuid.uuid4().hex,))
            database.commit()
        with suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()


def _open(path: Path) -> sqlite3.Connection:
    """Open a file and look through it."""
    if path.stat().st_size == 0:
        raise MemoryUnusable(path, "is empty")
    database = sqlite3.connect(path, timeout=_PATIENCE, check_same_thread=False, isolation_level=None)
    try:
        _look_through(path, database)
    except BaseException:
        database.close()
        raise
    return database


def _look_through(path: Path, database: sqlite3.Connection) -> None:
    ((found,),) = database.execute("PRAGMA quick_check(1)").fetchall()
    if found != "ok":
        raise MemoryUnusable(path, f"is damaged ({' '.join(found.split())})")
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if "fact" not in tables or database.execute("SELECT 1 FROM fact WHERE name = 'id'").fetchone() is None:
        raise MemoryUnusable(path, "is not a memory of this driver")
    database.execute("PRAGMA synchronous = FULL")
    database.executescript(SCHEMA)
