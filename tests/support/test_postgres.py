"""The throw-away PostgreSQL gives every test a database of its own."""

import psycopg
import pytest

from support.postgres import Database, PostgresServer


def test_clone_has_the_rows_and_the_template_keeps_its_own(postgres: PostgresServer) -> None:
    """A clone starts with what the template holds, and what happens in it stays in it."""
    template = postgres.create_database()
    with psycopg.connect(template.url) as connection:
        connection.execute("CREATE TABLE port (id int)")
        connection.execute("INSERT INTO port VALUES (1)")

    clone = postgres.create_database(template=template)
    with psycopg.connect(clone.url) as connection:
        connection.execute("INSERT INTO port VALUES (2)")

    assert _ports(clone) == [1, 2]
    assert _ports(template) == [1]


def test_drop_ends_sessions(postgres: PostgresServer, postgres_database: Database) -> None:
    """A database goes even when a test forgot a connection to it."""
    forgotten = psycopg.connect(postgres_database.url)

    postgres.drop_database(postgres_database)

    with pytest.raises(psycopg.OperationalError, match="terminating connection"):
        forgotten.execute("SELECT 1")
    forgotten.close()


def _ports(database: Database) -> list[int]:
    with psycopg.connect(database.url) as connection:
        return [row[0] for row in connection.execute("SELECT id FROM port ORDER BY id")]
