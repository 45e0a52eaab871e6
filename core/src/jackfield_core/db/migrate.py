"""Bringing a database to the schema of this release.

The migrations are in the package, one file per revision, and run without a
file of settings. All of them that are missing are applied in one transaction,
by one process at a time: whoever waited finds nothing left to do.
"""

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from jackfield_core import config
from jackfield_core.db.engine import Database
from jackfield_core.db.revision import FOLDER, after, revision_of


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


def _upgrade(connection: sa.Connection) -> list[str]:
    missing = after(revision_of(connection))
    settings = _config()
    # env.py takes the connection, and with it the transaction, from here.
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")
    return missing


def _config() -> Config:
    settings = Config()
    settings.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    return settings
