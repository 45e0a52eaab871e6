"""Bringing a database to the schema of this release.

The migrations are in the package, one file per revision, and run without a
file of settings. All of them that are missing are applied in one transaction,
by one process at a time: whoever waited finds nothing left to do.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError

from jackfield_core import config
from jackfield_core.db.engine import Database

FOLDER = Path(__file__).with_name("migrations")


class UnknownRevision(RuntimeError):
    """Raised when a database was upgraded by a later release than this one."""


async def upgrade(settings: config.Database) -> list[str]:
    """Apply what is missing; return the revisions that were applied, oldest first.

    Raises:
        UnknownRevision: The database belongs to a later release.
    """
    database = Database(settings)
    try:
        async with database.migrating() as connection:
            return await connection.run_sync(_upgrade)
    finally:
        await database.close()


async def current(settings: config.Database) -> str | None:
    """Return the revision of the database; None if it is empty."""
    database = Database(settings)
    try:
        async with database.reading() as connection:
            return await connection.run_sync(_current)
    finally:
        await database.close()


async def pending(settings: config.Database) -> list[str]:
    """Return the revisions that the database lacks, oldest first.

    Raises:
        UnknownRevision: The database belongs to a later release.
    """
    at = await current(settings)
    return _after(at, _config())


def _upgrade(connection: sa.Connection) -> list[str]:
    settings = _config()
    missing = _after(_current(connection), settings)
    # env.py takes the connection, and with it the transaction, from here.
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")
    return missing


def _current(connection: sa.Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _after(revision: str | None, settings: Config) -> list[str]:
    try:
        scripts = [*ScriptDirectory.from_config(settings).iterate_revisions("head", revision or "base")]
    except RevisionError as error:
        raise UnknownRevision(
            f"the database is at revision {revision}, which this release does not know: a later one upgraded it"
        ) from error
    return [script.revision for script in reversed(scripts)]


def _config() -> Config:
    settings = Config()
    settings.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    return settings
