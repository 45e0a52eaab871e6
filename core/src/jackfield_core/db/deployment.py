"""Who we are: the mark of this deployment on what drivers make.

It is minted once, by the migration that makes the table, and is in every backup
of the database. So all processes say the same, a database that is restored still
knows its own things on devices, and two clouds on one fabric never take each
other's for orphans. A mark that the settings choose takes its place as soon as a
core starts: a command whose settings do not name it must not tell drivers another
one.
"""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.base import metadata
from jackfield_core.db.engine import Database

table = sa.Table(
    "deployment",
    metadata,
    # The table has one row.
    sa.Column("id", sa.String(64), primary_key=True),
)


class DeploymentTable:
    """The deployment, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def id(self) -> str:
        """Return the mark that was minted."""
        return str((await self._connection.execute(sa.select(table.c.id))).scalar_one())

    async def choose(self, id: str) -> None:
        """Replace the mark by one that the settings have chosen."""
        await self._connection.execute(sa.update(table).values(id=id))


async def deployment_id(database: Database, chosen: str) -> str:
    """Return the mark that the settings have *chosen*, or if that is empty the one of the database."""
    if chosen:
        return chosen
    async with database.reading() as connection:
        return await DeploymentTable(connection).id()
