"""The mark of a deployment on what drivers make."""

import uuid
from typing import Any

import sqlalchemy as sa
from alembic import command
from jackfield_core import config
from jackfield_core.app import Application
from jackfield_core.db import migrate, revision
from jackfield_core.db.deployment import DeploymentTable, deployment_id
from jackfield_core.db.engine import Database


async def test_mark_is_minted_once(database: Database) -> None:
    """It is a UUID, and everybody who asks gets the same."""
    async with database.reading() as connection:
        mark = await DeploymentTable(connection).id()

    assert str(uuid.UUID(mark)) == mark
    assert await deployment_id(database, "") == mark


async def test_mark_of_the_settings_comes_first(database: Database) -> None:
    """A copy of a database that is to be another cloud can be told so."""
    assert await deployment_id(database, "cloud-2") == "cloud-2"


async def test_chosen_mark_is_kept(empty_database_url: str) -> None:
    """A command whose settings do not name it says the same to drivers as a core that has started."""
    settings = config.Settings(
        database=config.Database(url=empty_database_url), roles=["dispatcher"], deployment_id="cloud-2"
    )
    await migrate.upgrade(settings.database)
    core = Application(settings)
    await core.start()
    await core.stop()

    database = Database(settings.database)
    assert await deployment_id(database, "") == "cloud-2"
    await database.close()


async def test_databases_have_marks_of_their_own(tmp_path: Any) -> None:
    """Two clouds are never the same by default."""
    marks = set()
    for number in range(2):
        settings = config.Database(url=f"sqlite:///{tmp_path}/{number}.sqlite")
        await migrate.upgrade(settings)
        database = Database(settings)
        marks.add(await deployment_id(database, ""))
        await database.close()

    assert len(marks) == 2


async def test_devices_that_bear_the_former_mark_keep_it(empty_database_url: str) -> None:
    """A database that drivers know already goes on under the name that is on their devices."""
    settings = config.Database(url=empty_database_url)
    database = Database(settings)
    async with database.migrating() as connection:
        await connection.run_sync(_upgrade_to_the_release_before)
    async with database.writing() as connection:
        known = "('a', '1', 'i', '[]', '{}', '2026-01-01 00:00:00', '[]', '[]', '[]')"
        columns = "name, version, instance_id, interests, epochs, handshake_at, features, garbage_at, predecessors"
        await connection.execute(sa.text(f"INSERT INTO driver ({columns}) VALUES {known}"))
    await migrate.upgrade(settings)

    assert await deployment_id(database, "") == "jackfield"
    await database.close()


def _upgrade_to_the_release_before(connection: sa.Connection) -> None:
    # A connection that has begun keeps Alembic from committing by itself.
    assert revision.revision_of(connection) is None
    alembic = migrate._config()
    alembic.attributes["connection"] = connection
    command.upgrade(alembic, "0006")
