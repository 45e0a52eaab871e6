"""What the driver says of its backends, however long it thinks about it.

`backends` is called like any hook: on the loop if it is `async def`, otherwise in a thread, of its
own so that hooks that hang do not hold it up. A handshake has two seconds. So who asks waits a
while and then gets the last answer, with health that is not known any more; the question stays
open, and whoever asks next waits for the same answer.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Sequence
from dataclasses import replace
from typing import cast

import structlog

from jackfield_sdk._servicer.refusal import RpcContext
from jackfield_sdk._servicer.threads import Threads
from jackfield_sdk.capabilities import Backend, BackendHealth
from jackfield_sdk.driver import MechanismDriver

log = structlog.get_logger("jackfield_sdk")

# Seconds to wait at most, and the part of what the caller has left.
_WITHIN = 1.5
_SHARE = 0.75


class Backends:
    """Asks one driver for its backends."""

    def __init__(self, driver: MechanismDriver) -> None:
        """Ask nothing yet."""
        self._driver = driver
        self._threads = Threads(1, f"{driver.name}-backends")
        self._asking: asyncio.Future[Sequence[Backend]] | None = None
        self._known: Sequence[Backend] = ()

    async def tell(self, context: RpcContext) -> Sequence[Backend]:
        """Return the backends, as they were the last time if the driver is late; what it raises is raised."""
        if self._asking is None:
            self._asking = asyncio.ensure_future(self._ask())
        asking = self._asking
        left = context.time_remaining()
        await asyncio.wait([asking], timeout=_WITHIN if left is None else min(_WITHIN, left * _SHARE))
        if not asking.done():
            log.warning("backends.late", driver=self._driver.name, known=len(self._known))
            message = "the driver did not tell in time"
            return [replace(each, health=BackendHealth.UNKNOWN, message=message) for each in self._known]
        # Who waited for the same answer may have forgotten the question already.
        self._asking = None if self._asking is asking else self._asking
        self._known = asking.result()
        return self._known

    def close(self) -> None:
        """Let the thread go; one that hangs does not keep the process from ending."""
        self._threads.close()
        if self._asking is not None:
            self._asking.cancel()

    async def _ask(self) -> Sequence[Backend]:
        if inspect.iscoroutinefunction(self._driver.backends):
            return list(await self._driver.backends())
        answer = await asyncio.wrap_future(self._threads.submit(self._driver.backends))
        # A plain function may still return an awaitable, as a wrapped one does.
        told = await cast("Awaitable[Sequence[Backend]]", answer) if inspect.isawaitable(answer) else answer
        return list(cast("Sequence[Backend]", told))
