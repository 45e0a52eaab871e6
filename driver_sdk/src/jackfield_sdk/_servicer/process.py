"""The running driver process: who it is, whether it works, and how much it is doing.

Only here is decided whether a call is let in. A driver that could not load is let in for nothing
but the handshake, which says why. A draining one finishes what it has and takes nothing new.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from jackfield_sdk._servicer.backends import Backends
from jackfield_sdk._servicer.custody import Custody
from jackfield_sdk._servicer.refusal import refused
from jackfield_sdk.driver import MechanismDriver
from jackfield_sdk.reasons import CallReason
from jackfield_sdk.settings import ServerSettings


class Process:
    """What the services of one driver process share."""

    def __init__(self, driver: MechanismDriver, settings: ServerSettings) -> None:
        """Mint the identity of this process."""
        self.driver = driver
        self.settings = settings
        self.custody = Custody(driver, settings.max_state_bytes)
        self.backends = Backends(driver)
        self.load_error: str | None = None
        self.instance_id = str(uuid.uuid4())
        self.draining = False
        self.in_flight = 0
        self.changes_in_flight = 0
        self._on_drain: list[Callable[[], Awaitable[None]]] = []
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def admit(self, changes: int = 0, *, field: str = "changes") -> Iterator[None]:
        """Let a call with so many changes in its `field` in, or refuse it."""
        self._guard(changes, field)
        self.in_flight += 1
        self.changes_in_flight += changes
        self._idle.clear()
        try:
            yield
        finally:
            self.in_flight -= 1
            self.changes_in_flight -= changes
            if not self.in_flight:
                self._idle.set()

    def on_drain(self, act: Callable[[], Awaitable[None]]) -> None:
        """Call `act` once, when draining begins."""
        self._on_drain.append(act)

    def require_loaded(self) -> None:
        """Refuse a call if the driver could not load."""
        if self.load_error is not None:
            raise refused(CallReason.LOAD_ERROR, self.load_error)

    async def drain(self, grace: float) -> int:
        """Take nothing new, wait at most `grace` seconds, and return how many calls are left."""
        if not self.draining:
            self.draining = True
            for act in self._on_drain:
                await act()
        try:
            async with asyncio.timeout(grace):
                await self._idle.wait()
        except TimeoutError:
            pass
        return self.in_flight

    def _guard(self, changes: int, field: str) -> None:
        self.require_loaded()
        if self.draining:
            raise refused(CallReason.DRAINING, "this driver process is draining")
        limit = self.settings.max_batch
        if changes > limit:
            message = f"{changes} changes in one call, and the handshake allows {limit}"
            raise refused(CallReason.BATCH_TOO_LARGE, message, field=field)
