"""The migrations, on both kinds of database."""

import asyncio
import sys

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from jackfield_core import config
from jackfield_core.db import (
    deployment,  # noqa: F401, a table that is read at the start only
    migrate,
    revision,
    spread,  # noqa: F401, a table that only audits know
    unit_of_work,  # noqa: F401, knows all others
)
from jackfield_core.db.base import metadata
from jackfield_core.db.engine import Database


async def test_the_migrated_schema_is_the_one_the_code_uses(database):
    """After all migrations nothing differs from the metadata: tables, columns, types, indexes, constraints."""
    async with database.reading() as connection:
        assert await connection.run_sync(_differences) == []


async def test_both_databases_have_the_same_names(database):
    """Indexes and constraints are named alike, so that errors and later migrations can name them."""
    async with database.reading() as connection:
        names = await connection.run_sync(_names)

    assert "uq_port_network_id_mac_address" in names["port"]
    assert "ix_port_binding_vif_type" in names["port_binding"]
    assert "fk_ip_allocation_subnet_id" in names["ip_allocation"]
    assert "pk_delivery" in names["delivery"]


async def test_an_upgrade_applies_what_is_missing_once(empty_database_url):
    """A second upgrade finds nothing to do."""
    settings = config.Database(url=empty_database_url)
    every = await revision.pending(settings)
    assert every[0] == "0001"
    assert await revision.current(settings) is None

    assert await migrate.upgrade(settings) == every
    assert await migrate.upgrade(settings) == []

    assert await revision.current(settings) == every[-1]
    assert await revision.pending(settings) == []


def test_names_of_files_tell_the_order_of_migrations():
    """The revisions that are counted by their names are those that Alembic walks through, in that order."""
    walked = [script.revision for script in ScriptDirectory(revision.FOLDER).walk_revisions()]

    assert [*reversed(walked)] == [*revision.REVISIONS]


async def test_a_database_of_a_later_release_is_not_touched(empty_database_url):
    """A revision that this release does not know is named, by a look and by an upgrade."""
    settings = config.Database(url=empty_database_url)
    await migrate.upgrade(settings)
    database = Database(settings)
    async with database.writing() as connection:
        await connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    await database.close()

    for ask in (revision.pending, migrate.upgrade):
        with pytest.raises(revision.UnknownRevision, match="revision 9999"):
            await ask(settings)


async def test_processes_that_upgrade_at_once_take_turns(empty_database_url):
    """Of several processes one applies the migrations; the others wait and find them done."""
    program = (
        "import asyncio, sys\n"
        "from jackfield_core import config\n"
        "from jackfield_core.db import migrate\n"
        "print(asyncio.run(migrate.upgrade(config.Database(url=sys.argv[1]))))\n"
    )
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, empty_database_url, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(3)
    ]

    outputs = sorted([(await process.communicate())[0].decode().strip() for process in processes])

    assert [process.returncode for process in processes] == [0, 0, 0]
    assert outputs[:1] != ["[]"]
    assert outputs[1:] == ["[]", "[]"]


async def test_a_failed_upgrade_leaves_nothing(empty_database_url):
    """All migrations are one transaction: a half-made schema is never seen."""
    database = Database(config.Database(url=empty_database_url))

    async def fail():
        async with database.migrating() as connection:
            await connection.run_sync(metadata.create_all)
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        await fail()

    async with database.reading() as connection:
        assert await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names()) == []
    await database.close()


def _differences(connection: sa.Connection) -> list[object]:
    return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))


def _names(connection: sa.Connection) -> dict[str, set[str | None]]:
    inspector = sa.inspect(connection)
    names: dict[str, set[str | None]] = {}
    for table in inspector.get_table_names():
        found = [
            *inspector.get_indexes(table),
            *inspector.get_unique_constraints(table),
            *inspector.get_foreign_keys(table),
            inspector.get_pk_constraint(table),
        ]
        names[table] = {one["name"] for one in found}
    return names
