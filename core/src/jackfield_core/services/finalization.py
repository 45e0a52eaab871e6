"""Upgrades that are finalised in the background, for clients that do not wait: one per driver.

Before a client is answered, the new version is pinned and on record. What is
stored is rewritten afterwards, and how that ended is put on record too, so that
every process can tell. If this one ends meanwhile, the operator asks again:
nothing is lost by it, and nothing is done twice.
"""

import asyncio
from typing import Any

import structlog
from msgspec import Struct
from msgspec.structs import replace

from jackfield_core import config
from jackfield_core.db.engine import Database
from jackfield_core.db.operator_action import OperatorActionTable
from jackfield_core.services.finalize import SETTLE, Begun, Outcome, finish

log = structlog.get_logger()


class Finalization(Struct, frozen=True):
    """How far it is: *seen* states have been looked at, of *total*.

    At its end there is an *outcome*, or *failure* says why there is none.
    """

    driver: str
    before: int
    version: int
    seen: int = 0
    total: int = 0
    outcome: Outcome | None = None
    failure: str = ""

    @property
    def is_running(self) -> bool:
        """True until its end."""
        return self.outcome is None and not self.failure


class Finalizations:
    """What this process finalises, and the last that it has finalised of each driver."""

    def __init__(self, database: Database, settings: config.Settings) -> None:
        self._database = database
        self._settings = settings
        self._known: dict[str, Finalization] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def find(self, name: str) -> Finalization | None:
        """Return the newest one of a driver, or None if there was none since this process started."""
        return self._known.get(name)

    def start(self, begun: Begun, request_id: str) -> Finalization:
        """Finish in the background what has begun, unless that is under way."""
        known = self._known.get(begun.driver)
        if known is not None and known.is_running:
            return known
        started = self._known[begun.driver] = Finalization(begun.driver, begun.before, begun.version)
        task = asyncio.create_task(self._run(begun, request_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return started

    async def stop(self) -> None:
        """Break off what is under way; what is rewritten so far stays so."""
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for name in [name for name, one in self._known.items() if one.is_running]:
            self._note(name, failure="this process of the core was stopped: ask again")

    async def _run(self, begun: Begun, request_id: str) -> None:
        name = begun.driver
        try:
            outcome = await finish(
                self._database,
                self._settings,
                begun,
                lambda seen, total: self._note(name, seen=seen, total=total),
                settle=SETTLE,
            )
            await self._add_action(outcome, request_id)
        except Exception as error:
            # Nobody waits for this task: whoever looks at the driver is told, and the log has the trace.
            log.warning("driver.not_finalized", driver=name, reason=str(error), exc_info=error)
            self._note(name, failure=str(error) or type(error).__name__)
        else:
            self._note(name, outcome=outcome)

    async def _add_action(self, outcome: Outcome, request_id: str) -> None:
        detail = f"{outcome.rewritten} states rewritten, {len(outcome.kept)} not readable"
        async with self._database.writing() as connection:
            await OperatorActionTable(connection).add("finalized", outcome.driver, request_id=request_id, detail=detail)

    def _note(self, name: str, **news: Any) -> None:
        self._known[name] = replace(self._known[name], **news)
