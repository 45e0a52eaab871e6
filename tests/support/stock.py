"""PostgreSQL databases of one schema that tests use one after the other.

A copy of a template costs PostgreSQL a tenth of a second and eight megabytes,
and the first session on it reads the catalogue from nothing; a suite has a
thousand tests that want one. So what a test leaves is emptied, as its session
would be if it were the first: no rows, no sessions, identities from 1 on. A
database that is not as the template was in anything else (its tables, the rows
that came with the schema, statistics of the planner, its size) is dropped.
"""

from dataclasses import dataclass

import psycopg
from psycopg import sql

from support.postgres import USER, Database, PostgresServer

ROOM = 1 << 20
"""Bytes that tests may leave behind in dead rows, before a database is dropped."""
PATIENCE_MS = 30_000
"""For sessions to end, and for locks that they held."""


@dataclass(frozen=True)
class Nature:
    """What is the same for every database of a schema; *kept* are the rows that came with it, by table."""

    catalogue: tuple[tuple[str, str, int], ...]
    kept: tuple[tuple[str, tuple[str, ...]], ...]


class Stock:
    """Databases as *template* is: taken by tests, and given back."""

    def __init__(self, server: PostgresServer, template: Database) -> None:
        self._server = server
        self._template = template
        self._free: list[Database] = []
        with _session(template) as connection:
            self._nature = _nature(connection, _tables(connection))
            self._size = _size(connection)

    def take(self) -> Database:
        """Return a database in which nothing is, for one test."""
        return self._free.pop() if self._free else self.fresh()

    def fresh(self) -> Database:
        """Return a database that nobody has used."""
        return self._server.create_database(template=self._template)

    def give_back(self, database: Database) -> None:
        """Empty *database* for the next test, or drop it."""
        if self._emptied(database):
            self._free.append(database)
        else:
            self._server.drop_database(database)

    def _emptied(self, database: Database) -> bool:
        """Return whether *database* is as good as new."""
        try:
            with _session(database) as connection:
                _end_other_sessions(connection)
                if not self._is_as_it_was(connection):
                    return False
                _empty(connection, [name for name in _tables(connection) if name not in dict(self._nature.kept)])
        except psycopg.Error:
            return False
        return True

    def _is_as_it_was(self, connection: psycopg.Connection) -> bool:
        nature = _nature(connection, [name for name, _ in self._nature.kept])
        return nature == self._nature and not _is_analysed(connection) and _size(connection) < self._size + ROOM


def _session(database: Database) -> psycopg.Connection:
    return psycopg.connect(database.url, autocommit=True, options=f"-c lock_timeout={PATIENCE_MS}")


def _end_other_sessions(connection: psycopg.Connection) -> None:
    connection.execute(
        "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename = %s",
        [PATIENCE_MS, USER],
    )


def _nature(connection: psycopg.Connection, tables: list[str]) -> Nature:
    catalogue = connection.execute(
        "SELECT relname::text, relkind::text, relnatts::int FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace ORDER BY relname"
    ).fetchall()
    rows = {name: _rows(connection, name) for name in tables}
    return Nature(tuple(catalogue), tuple((name, found) for name, found in rows.items() if found))


def _rows(connection: psycopg.Connection, table: str) -> tuple[str, ...]:
    rows = connection.execute(sql.SQL("SELECT each::text FROM {} AS each ORDER BY 1").format(sql.Identifier(table)))
    return tuple(row[0] for row in rows)


def _tables(connection: psycopg.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]


def _is_analysed(connection: psycopg.Connection) -> bool:
    """Return whether somebody had the planner look at the tables: the plans of the next test would be others."""
    found = connection.execute(
        "SELECT 1 FROM pg_statistic JOIN pg_class ON pg_class.oid = starelid"
        " WHERE relnamespace = 'public'::regnamespace LIMIT 1"
    )
    return found.fetchone() is not None


def _size(connection: psycopg.Connection) -> int:
    row = connection.execute(
        "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class"
        " WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def _empty(connection: psycopg.Connection, tables: list[str]) -> None:
    # A replica believes its master and checks no foreign keys, so that the order of tables does not matter.
    deletes = [sql.SQL("DELETE FROM {}").format(sql.Identifier(name)) for name in tables]
    connection.execute(sql.SQL("; ").join([sql.SQL("SET session_replication_role = replica"), *deletes]))
    connection.execute(
        "SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false) FROM pg_sequences"
    )
