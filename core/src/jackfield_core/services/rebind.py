"""Ports whose binding failed are bound as soon as that is possible.

A binding fails because a driver was down, or because the host's agent had not
reported yet. Neither is the user's fault, so when a driver or an agent comes
back, and every few seconds anyway, such ports are tried again. Nothing is
written while it goes on failing.
"""

import asyncio
import contextlib

import structlog

from jackfield_core.context import RequestContext
from jackfield_core.db.unit_of_work import UnitOfWork
from jackfield_core.errors import JackfieldError, NotFound
from jackfield_core.services.port import PortService

log = structlog.get_logger()

BATCH = 200
"""Ports that are tried in one turn; the next turn starts after them."""


class Rebinder:
    """Looks for ports whose binding failed; *interval* is in seconds."""

    def __init__(self, unit_of_work: UnitOfWork, ports: PortService, *, interval: float) -> None:
        self._unit_of_work = unit_of_work
        self._ports = ports
        self._interval = interval
        self._wake = asyncio.Event()
        self._last_id = ""

    def wake(self) -> None:
        """Look soon: something that bindings depend on has changed."""
        self._wake.set()

    async def run(self) -> None:
        """Try again until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._turn()
            except Exception:
                log.exception("rebind.failed")

    async def _turn(self) -> None:
        async with self._unit_of_work.reading() as tables:
            ids = await tables.ports.ids_with_failed_binding(after=self._last_id, limit=BATCH)
        self._last_id = ids[-1] if len(ids) == BATCH else ""
        ctx = RequestContext()
        for id in ids:
            try:
                if await self._ports.rebind(ctx, id):
                    log.info("port.rebound", port_id=id)
            except NotFound:
                continue
            except JackfieldError as error:
                log.warning("port.rebind_refused", port_id=id, reason=error.message)
