"""What a process says that asks for the records of drivers every second, and is not told."""

from collections.abc import AsyncIterator

import pytest
from jackfield_core import config
from jackfield_core.attributes.catalogue import Catalogue
from jackfield_core.db.engine import Database
from jackfield_core.mechanism.memory import Memory
from jackfield_core.observability.logging import Outages
from structlog.testing import capture_logs


@pytest.fixture
async def memory() -> AsyncIterator[Memory]:
    """Remember in a database whose server does not run."""
    database = Database(config.Database(url="postgresql://core@/jackfield?host=/nowhere"))
    yield Memory(database)
    await database.close()


async def test_records_that_cannot_be_read_are_said_once_for_all_looks(memory: Memory) -> None:
    """An operator reads one line with the reason of the database, however long it is away."""
    with capture_logs([Outages()]) as logs:
        for _ in range(5):
            assert await memory.recall() == {}
            await memory.recall_declarations(Catalogue([]))

    [line] = logs
    assert (line["event"], line["log_level"], line["repeated"]) == ("drivers.not_recalled", "warning", 0)
    assert "No such file or directory" in line["reason"]
