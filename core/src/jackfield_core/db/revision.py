"""Which revision a database is at, and which ones it lacks.

The files of the migrations are numbered, one after the other, so their names
tell it: whoever only wants to know need not load Alembic, as every command and
every start of a core would.
"""

from pathlib import Path

import sqlalchemy as sa

from jackfield_core import config
from jackfield_core.db.engine import Database

FOLDER = Path(__file__).with_name("migrations")
REVISIONS = sorted(path.stem.partition("_")[0] for path in (FOLDER / "versions").glob("[0-9]*.py"))
"""All revisions of this release, oldest first."""


class UnknownRevision(RuntimeError):
    """Raised when a database was upgraded by a later release than this one."""


async def current(settings: config.Database) -> str | None:
    """Return the revision of the database; None if it is empty."""
    database = Database(settings)
    try:
        async with database.reading() as connection:
            return await connection.run_sync(revision_of)
    finally:
        await database.close()


async def pending(settings: config.Database) -> list[str]:
    """Return the revisions that the database lacks, oldest first.

    Raises:
        UnknownRevision: The database belongs to a later release.
    """
    return after(await current(settings))


def revision_of(connection: sa.Connection) -> str | None:
    """Return what Alembic has noted as the revision of the database; None if it never was there."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return revision


def after(revision: str | None) -> list[str]:
    """Return the revisions that follow *revision*, oldest first.

    Raises:
        UnknownRevision: The database belongs to a later release.
    """
    if revision is None:
        return [*REVISIONS]
    if revision not in REVISIONS:
        raise UnknownRevision(
            f"the database is at revision {revision}, which this release does not know: a later one upgraded it"
        )
    return REVISIONS[REVISIONS.index(revision) + 1 :]
