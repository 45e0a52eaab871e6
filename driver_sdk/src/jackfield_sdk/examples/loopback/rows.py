"""The file of a fabric, as its tables: what is held, what was done to it, and whose work that was.

`held` has a row for each resource. `owner` is the mark of the deployment that had it written, and
`fingerprint` is taken over the rest of the row, so that a row which somebody changed by hand shows.
Every change of a row gives it a new number, ours and a strange one alike (the triggers see to
that), so that who has read up to a number knows what is new to him. A removed resource leaves an
empty row, because otherwise nobody could read that it is gone.

`applied` only grows: one row for each thing that was done to the fabric, written in the
transaction that did it. Who wants to prove that nothing was done twice counts there.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from jackfield_sdk.errors import Effect, Infeasible
from jackfield_sdk.examples.loopback.attributes import presentable
from jackfield_sdk.examples.loopback.held import Held, Mark
from jackfield_sdk.resources import Kind, Network, Port, Subnet

# Seconds to wait for another process that writes.
_PATIENCE = 5.0
# Of the tables, as the file itself says it.
_VERSION = 2

_TABLES = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS backend (id TEXT PRIMARY KEY, epoch TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS held (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL, id TEXT NOT NULL, revision INTEGER NOT NULL,
    owner TEXT NOT NULL DEFAULT '', backend TEXT NOT NULL DEFAULT '',
    digest BLOB NOT NULL DEFAULT x'', attributes TEXT NOT NULL DEFAULT '{}', value TEXT,
    fingerprint BLOB NOT NULL DEFAULT x'',
    UNIQUE (kind, id)
);
CREATE TRIGGER IF NOT EXISTS changed_by_hand AFTER UPDATE ON held WHEN new.number = old.number BEGIN
    UPDATE held SET number = (SELECT max(number) + 1 FROM held) WHERE number = new.number;
END;
CREATE TRIGGER IF NOT EXISTS removed_by_hand AFTER DELETE ON held WHEN old.value IS NOT NULL BEGIN
    INSERT INTO held (number, kind, id, revision)
    SELECT max(coalesce(max(number), 0), old.number) + 1, old.kind, old.id, 0 FROM held;
END;
CREATE TABLE IF NOT EXISTS applied (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL, id TEXT NOT NULL, revision INTEGER NOT NULL, action TEXT NOT NULL, at REAL NOT NULL
);
PRAGMA user_version = 2;
COMMIT;
"""
_TYPES: Mapping[Kind, TypeAdapter[Any]] = {
    Kind.NETWORK: TypeAdapter(Network),
    Kind.SUBNET: TypeAdapter(Subnet),
    Kind.PORT: TypeAdapter(Port),
}
# The profile may hold credentials of a switch, which have no place in a file.
_SECRETS: Any = {"binding": {"profile"}}
_ALL = """
SELECT kind, id, revision, owner, backend, digest, attributes, value, fingerprint FROM held WHERE value IS NOT NULL
"""
_NEWS = """
SELECT number, kind, id, revision, owner, backend, digest, attributes, value, fingerprint FROM held
WHERE number > ? ORDER BY number
"""
_WRITE = """
INSERT INTO held (kind, id, revision, owner, backend, digest, attributes, value, fingerprint)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (kind, id) DO UPDATE SET
    number = (SELECT max(number) + 1 FROM held), revision = excluded.revision, owner = excluded.owner,
    backend = excluded.backend, digest = excluded.digest, attributes = excluded.attributes,
    value = excluded.value, fingerprint = excluded.fingerprint
RETURNING number
"""
_WIPE = """
UPDATE held SET number = (SELECT max(number) FROM held) + lost.place,
    revision = 0, owner = '', backend = '', digest = x'', attributes = '{}', value = NULL, fingerprint = x''
FROM (
    SELECT number, row_number() OVER (ORDER BY number) AS place FROM held WHERE backend = ? AND value IS NOT NULL
) AS lost WHERE held.number = lost.number
"""


class Row(NamedTuple):
    """One resource in the file; `value` is JSON, and None of one that was removed."""

    kind: str
    id: str
    revision: int
    owner: str
    backend: str
    digest: bytes
    attributes: str
    value: str | None
    fingerprint: bytes

    @property
    def changed_by_hand(self) -> bool:
        """Tell whether somebody else than a driver wrote it."""
        return self.fingerprint != fingerprint_of(self)


class Applied(NamedTuple):
    """One thing that was done to the fabric.

    `action` is what became of it: add, change or remove; repair, of what was changed by hand; or
    wipe, of a whole backend, whose name is the `id` then. `at` is in seconds since 1970.
    """

    number: int
    kind: str
    id: str
    revision: int
    action: str
    at: float


def rows_in(path: Path) -> list[Row]:
    """Read what a file holds, of every owner."""
    with closing(sqlite3.connect(path)) as database:
        return [Row(*row) for row in database.execute(_ALL)]


def revisions_in(path: Path) -> dict[str, dict[str, int]]:
    """Read which revisions a file holds, by kind and id."""
    found: dict[str, dict[str, int]] = {kind.value: {} for kind in Kind}
    for row in rows_in(path):
        found.setdefault(row.kind, {})[row.id] = row.revision
    return found


def applied_in(path: Path) -> list[Applied]:
    """Read what was ever done to the fabric of a file, in order."""
    with closing(sqlite3.connect(path)) as database:
        return [Applied(*row) for row in database.execute("SELECT * FROM applied ORDER BY number")]


def open_file(path: Path) -> sqlite3.Connection:
    """Open a file, or make it.

    sqlite3.DatabaseError if it holds something else, Infeasible if it is of an earlier release.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
    _guard_version(database, path)
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


def written(kind: Kind, held: Held, mark: Mark) -> Row:
    """Write what is held as a row, without its secrets."""
    id: str = held.value.id
    attributes = json.dumps(presentable(mark.attributes))
    value = _TYPES[kind].dump_json(held.value, exclude=_SECRETS if kind is Kind.PORT else None).decode()
    row = Row(kind.value, id, held.revision, mark.owner, mark.backend, mark.digest, attributes, value, b"")
    return row._replace(fingerprint=fingerprint_of(row))


def read(row: Row) -> tuple[Held, Mark]:
    """Read what is held; a value that somebody made unreadable is None."""
    held = Held(row.revision, _value_of(row))
    try:
        attributes = json.loads(row.attributes)
    except ValueError:
        attributes = {}
    return held, Mark(row.owner, row.backend, row.digest, attributes, None if row.changed_by_hand else held)


def fingerprint_of(row: Row) -> bytes:
    """Digest all of a row but its fingerprint."""
    told = [each.hex() if isinstance(each, bytes) else each for each in row[:-1]]
    return hashlib.blake2b(json.dumps(told).encode(), digest_size=16).digest()


def news_after(database: sqlite3.Connection, number: int) -> Iterator[tuple[int, Row]]:
    """Read what has changed since a number, the oldest change first."""
    for found, *columns in database.execute(_NEWS, (number,)):
        yield found, Row(*columns)


def write(database: sqlite3.Connection, row: Row) -> int:
    """Write a row over what is there, and return its new number."""
    [(number,)] = database.execute(_WRITE, row).fetchall()
    return int(number)


def note(database: sqlite3.Connection, kind: str, id: str, revision: int, action: str) -> None:
    """Note what was done, in the transaction that does it."""
    statement = "INSERT INTO applied (kind, id, revision, action, at) VALUES (?, ?, ?, ?, ?)"
    database.execute(statement, (kind, id, revision, action, time.time()))


def wipe(database: sqlite3.Connection, backend: str, epoch: str) -> None:
    """Lose all that is on a backend, as a switch with a factory reset does; inside a transaction."""
    database.execute(_WIPE, (backend,))
    database.execute("UPDATE backend SET epoch = ? WHERE id = ?", (epoch, backend))
    note(database, "", backend, 0, "wipe")


def _value_of(row: Row) -> Any:
    try:
        return _TYPES[Kind(row.kind)].validate_json(row.value or "")
    except ValidationError:
        return None


def _guard_version(database: sqlite3.Connection, path: Path) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    tables = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables != (0,) and version != _VERSION:
        message = f"{path} was not written by this release of the driver; move it away"
        raise Infeasible(message, code="STATE_FILE_OF_ANOTHER_RELEASE", effect=Effect.NONE)
