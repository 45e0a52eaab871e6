"""A fabric that outlives its process: rows of an SQLite file, written one by one as they change.

What was acknowledged is committed, so a process that is killed loses nothing and keeps its epoch.
Several processes may share a file, as two releases of a driver share a switch while the second
takes over from the first, and somebody may change it by hand: each reads what the others wrote
before it does anything itself. It decides and writes under one lock, so a late write of one
process does not undo a later one of another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import structlog

from jackfield_sdk.examples.loopback import rows
from jackfield_sdk.examples.loopback.fabric import Fabric
from jackfield_sdk.examples.loopback.held import Held, Mark
from jackfield_sdk.resources import Kind

log = structlog.get_logger("jackfield_sdk")

_KINDS = frozenset(Kind)


class Backing:
    """Keeps one fabric in one file."""

    def __init__(self, path: Path, fabric: Fabric) -> None:
        """Fill `fabric` from the file, and write every change of it from now on.

        sqlite3.DatabaseError if the file holds something else: it is left as it is then.
        """
        self._fabric = fabric
        self._database = rows.open_file(path)
        self._database.executemany("INSERT OR IGNORE INTO backend VALUES (?, ?)", fabric.epochs.items())
        # Numbers: read up to, just written; and the version of the file that was seen last.
        self._last = 0
        self._written = 0
        self._seen = -1
        self.catch_up()
        fabric.transaction, fabric.catch_up = self._transaction, self.catch_up
        fabric.store, fabric.on_wipe = self._store, self._wipe
        log.info("fabric.loaded", path=str(path), epochs=fabric.epochs, ports=len(fabric.ports))

    def close(self) -> None:
        """Let go of the file."""
        fabric = self._fabric
        fabric.transaction, fabric.catch_up = nullcontext, lambda: None
        fabric.store, fabric.on_wipe = lambda *_: None, lambda _: None
        self._database.close()

    def catch_up(self) -> None:
        """Read what other processes, and hands, wrote since the last time."""
        # It changes when somebody else wrote, and asking costs next to nothing.
        (version,) = self._database.execute("PRAGMA data_version").fetchone()
        if version == self._seen:
            return
        self._seen = version
        epochs = dict(self._database.execute("SELECT id, epoch FROM backend"))
        if any(self._fabric.epochs[name] != epochs[name] for name in self._fabric.epochs):
            self._fabric.epochs = {name: epochs[name] for name in self._fabric.epochs}
            self._last = 0
            self._fabric.clear()
        for number, row in rows.news_after(self._database, self._last):
            self._last = number
            if row.kind in _KINDS:
                self._take(row)

    def _take(self, row: rows.Row) -> None:
        kind = Kind(row.kind)
        if row.value is None:
            self._fabric.forget(kind, row.id)
        else:
            self._fabric.hold(kind, row.id, *rows.read(row))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        self._written = 0
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise
        self._last = max(self._last, self._written)

    def _store(self, kind: Kind, id: str, held: Held | None, mark: Mark, revision: int, action: str) -> None:
        gone = rows.Row(kind.value, id, 0, "", "", b"", "{}", None, b"")
        row = gone if held is None else rows.written(kind, held, mark)
        self._written = rows.write(self._database, row)
        rows.note(self._database, kind.value, id, revision, action)

    def _wipe(self, backend: str) -> None:
        with self._transaction():
            rows.wipe(self._database, backend, self._fabric.epochs[backend])
