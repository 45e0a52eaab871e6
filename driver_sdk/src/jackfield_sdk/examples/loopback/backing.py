"""A fabric that outlives its process: rows of an SQLite file, written one by one as they change.

What was acknowledged is committed, so a process that is killed loses nothing and keeps its epoch.
Several processes may share a file, as two releases of a driver share a switch while the second
takes over from the first: each reads what the others wrote before it does anything itself. A
removed resource leaves an empty row, because otherwise nobody could read that it is gone.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import structlog
from pydantic import TypeAdapter

from jackfield_sdk.examples.loopback.attributes import presentable
from jackfield_sdk.examples.loopback.fabric import Fabric, Held
from jackfield_sdk.resources import Kind, Network, Port, Subnet

log = structlog.get_logger("jackfield_sdk")

_TYPES: Mapping[Kind, TypeAdapter[Any]] = {
    Kind.NETWORK: TypeAdapter(Network),
    Kind.SUBNET: TypeAdapter(Subnet),
    Kind.PORT: TypeAdapter(Port),
}
# The profile may hold credentials of a switch, which have no place in a file.
_SECRETS: Any = {"binding": {"profile"}}

# Seconds to wait for another process that writes.
_PATIENCE = 5.0

_TABLES = """
CREATE TABLE IF NOT EXISTS fabric (epoch TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS held (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL, id TEXT NOT NULL, revision INTEGER NOT NULL,
    digest BLOB NOT NULL, attributes TEXT NOT NULL, value TEXT,
    UNIQUE (kind, id)
);
"""
# A new number for every change, so that the others find what is new to them. A late write of one
# process does not undo a later one of another.
_WRITE = """
INSERT INTO held (kind, id, revision, digest, attributes, value) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (kind, id) DO UPDATE SET
    number = (SELECT max(number) + 1 FROM held), revision = excluded.revision, digest = excluded.digest,
    attributes = excluded.attributes, value = excluded.value
WHERE held.revision <= excluded.revision
"""
_REMOVE = """
UPDATE held SET number = (SELECT max(number) + 1 FROM held), revision = 0, digest = x'', attributes = '{}', value = NULL
WHERE kind = ? AND id = ?
"""
_NEWS = "SELECT number, kind, id, revision, digest, attributes, value FROM held WHERE number > ? ORDER BY number"


def revisions_in(path: Path) -> dict[str, dict[str, int]]:
    """Read which revisions a file holds, by kind and id."""
    found: dict[str, dict[str, int]] = {kind.value: {} for kind in Kind}
    database = sqlite3.connect(path)
    try:
        rows = database.execute("SELECT kind, id, revision FROM held WHERE value IS NOT NULL")
        for kind, id, revision in rows:
            found[kind][id] = revision
    finally:
        database.close()
    return found


class Backing:
    """Keeps one fabric in one file."""

    def __init__(self, path: Path, fabric: Fabric) -> None:
        """Fill `fabric` from the file, and write every change of it from now on.

        sqlite3.DatabaseError if the file holds something else: it is left as it is then.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fabric = fabric
        self._database = _open(path)
        self._database.execute(
            "INSERT INTO fabric SELECT ? WHERE NOT EXISTS (SELECT epoch FROM fabric)", (fabric.epoch,)
        )
        self._last = 0
        self._seen = -1
        self.catch_up()
        fabric.catch_up, fabric.on_change, fabric.on_wipe = self.catch_up, self._write, self._wipe
        log.info("fabric.loaded", path=str(path), epoch=fabric.epoch, ports=len(fabric.ports))

    def close(self) -> None:
        """Let go of the file."""
        fabric = self._fabric
        fabric.catch_up = fabric.on_wipe = lambda: None
        fabric.on_change = lambda _kind, _id: None
        self._database.close()

    def catch_up(self) -> None:
        """Read what other processes wrote since the last time."""
        # It changes when somebody else wrote, and asking costs next to nothing.
        (version,) = self._database.execute("PRAGMA data_version").fetchone()
        if version == self._seen:
            return
        self._seen = version
        (epoch,) = self._database.execute("SELECT epoch FROM fabric").fetchone()
        if epoch != self._fabric.epoch:
            self._fabric.epoch, self._last = epoch, 0
            self._fabric.clear()
        for number, kind, id, revision, digest, attributes, value in self._database.execute(_NEWS, (self._last,)):
            self._last = number
            self._read(Kind(kind), id, revision, digest, attributes, value)

    def _read(self, kind: Kind, id: str, revision: int, digest: bytes, attributes: str, value: str | None) -> None:
        fabric = self._fabric
        if value is None:
            fabric.forget(kind, id)
            return
        fabric.held(kind)[id] = Held(revision, _TYPES[kind].validate_json(value))
        fabric.digests[kind, id] = digest
        fabric.attributes[kind, id] = json.loads(attributes)

    def _write(self, kind: Kind, id: str) -> None:
        held = self._fabric.held(kind).get(id)
        if held is None:
            self._database.execute(_REMOVE, (kind, id))
            return
        digest = self._fabric.digests[kind, id]
        attributes = json.dumps(presentable(self._fabric.attributes[kind, id]))
        exclude = _SECRETS if kind is Kind.PORT else None
        value = _TYPES[kind].dump_json(held.value, exclude=exclude).decode()
        self._database.execute(_WRITE, (kind, id, held.revision, digest, attributes, value))

    def _wipe(self) -> None:
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.execute("DELETE FROM held")
            self._database.execute("UPDATE fabric SET epoch = ?", (self._fabric.epoch,))


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            # SQLite does not wait for others while it changes the mode of a new file.
            database.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.01)
    # A commit survives the process without waiting for the disk.
    database.execute("PRAGMA synchronous = OFF")
    database.executescript(_TABLES)
    return database
