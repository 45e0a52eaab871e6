"""How many dispatchers a database has room for."""

from typing import Any

import pytest
from jackfield_core import config
from jackfield_core.db.engine import Database
from jackfield_core.dispatch.sole import AnotherDispatcher, Sole


@pytest.fixture
async def other_database(database_url: str) -> Any:
    """Open the same database as another process would."""
    other = Database(config.Database(url=database_url))
    yield other
    await other.close()


async def test_second_dispatcher_needs_postgresql(scene: Any, database: Database, other_database: Database) -> None:
    """On SQLite it is refused with a sentence; when the first one has stopped, it may."""
    first = await scene.core(await scene.driver())
    second = Sole(other_database)
    if database.is_postgresql:
        await second.take()
        return

    with pytest.raises(AnotherDispatcher, match=r"process \d+ delivers from .*core\.sqlite already"):
        await second.take()

    await first.stop()
    await second.take()
    second.leave()
