"""Who the mechanism drivers are, what they want to hear, and whether they can be asked."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from jackfield_core import config
from jackfield_core.db.driver import BindCapability
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.mechanism.answers import Handshake
from jackfield_core.types import Action, Kind

OnReady = Callable[[str, Handshake], Awaitable[None]]
"""Called with the name of a driver that has introduced itself, before it counts as ready."""


class DriverEntry:
    """One configured driver."""

    name: str
    policy: str
    """``required`` or ``advisory``."""
    position: int
    handshake: Handshake | None
    """The last live one of this process; None until then."""
    bind: BindCapability | None
    """From the last handshake, of this process or in the database."""
    ready: asyncio.Event
    """Set while a call makes sense: introduced, connected, and the breaker lets a call through."""

    @property
    def is_ready(self) -> bool:
        """True while a call makes sense."""
        raise NotImplementedError


class Registry:
    """All configured drivers, in order."""

    def __init__(self, settings: config.Settings, *, deployment_id: str = "jackfield") -> None: ...

    def entries(self) -> Sequence[DriverEntry]:
        """Return all drivers in the configured order."""
        raise NotImplementedError

    def entry(self, name: str) -> DriverEntry:
        """Return the driver called *name*."""
        raise NotImplementedError

    def owed(self, kind: Kind, action: Action) -> Sequence[str]:
        """Return the drivers that want to hear of this after the commit, in order."""
        raise NotImplementedError

    def interested(self, kind: Kind, action: Action) -> Sequence[DriverEntry]:
        """Return the drivers that want to judge this before the commit, in order."""
        raise NotImplementedError

    def binders(self) -> Sequence[DriverEntry]:
        """Return the drivers that bind ports, in order."""
        raise NotImplementedError

    def subscribe(self, callback: OnReady) -> None:
        """Call *callback* at every handshake, before the driver counts as ready."""

    async def load(self, tables: Tables) -> None:
        """Read what drivers said of themselves when they were last seen."""

    async def start(self) -> None:
        """Start to keep connections; returns at once."""

    async def stop(self) -> None:
        """Close all connections."""
