"""What an operator reads in the log while the database is away."""

from typing import Any

import asyncpg
import pytest
import structlog
from jackfield_core.db.statement import translated
from jackfield_core.observability.logging import Outages
from structlog.types import EventDict, WrappedLogger

AWAY = translated(asyncpg.exceptions.CannotConnectNowError("the database system is starting up"), "SELECT 1")


class Log:
    """A logger that keeps what it would have written."""

    def __init__(self) -> None:
        self.lines: list[EventDict] = []
        # As the commands configure it, but for what is made of a line in the end.
        self._logger = structlog.wrap_logger(
            None, processors=[Outages(), self._keep], wrapper_class=structlog.make_filtering_bound_logger(0)
        )

    def fail(self, event: str, error: Exception, **fields: Any) -> None:
        """Log *error* as a loop does that goes on."""
        try:
            raise error
        except Exception:
            self._logger.exception(event, **fields)

    def _keep(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        self.lines.append(event)
        raise structlog.DropEvent


@pytest.fixture
def log() -> Log:
    """Return a log without a line."""
    return Log()


def test_outage_is_a_reason_and_no_trace(log: Log) -> None:
    """A database that is away is told in one line, which names what waits for it."""
    log.fail("lane.failed", AWAY, driver="fabric")

    [line] = log.lines
    assert line == {
        "event": "lane.failed",
        "driver": "fabric",
        "reason": "the database system is starting up",
        "repeated": 0,
    }


def test_outage_is_said_once_by_each_loop(log: Log) -> None:
    """A loop that fails every second is heard now and then, and keeps nobody else quiet."""
    for _ in range(5):
        log.fail("lane.failed", AWAY, driver="fabric")
    log.fail("lane.failed", AWAY, driver="leaf")
    log.fail("rebind.failed", AWAY)

    told = [(line["event"], line.get("driver")) for line in log.lines]
    assert told == [("lane.failed", "fabric"), ("lane.failed", "leaf"), ("rebind.failed", None)]


def test_fault_of_ours_keeps_its_trace(log: Log) -> None:
    """What is no outage is logged as often as it happens, with all there is to find it by."""
    log.fail("lane.failed", KeyError("port"))
    log.fail("lane.failed", KeyError("port"))

    assert log.lines == [{"event": "lane.failed", "exc_info": True}] * 2
