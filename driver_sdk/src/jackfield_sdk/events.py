"""What a driver observes, on its way to every core that watches.

Events are states, not messages: for one port, backend or cable only the last one counts. So each
watcher has a mailbox with one place per object, a slow watcher costs nothing but that, and a new
one gets a snapshot. Drivers emit from any thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Hashable
from dataclasses import dataclass
from datetime import UTC, datetime

from jackfield_sdk.capabilities import Backend
from jackfield_sdk.resources import Kind


@dataclass(frozen=True, slots=True)
class PortStatus:
    """State of a port on a device: `up` if frames can pass, otherwise `reason` says why not."""

    port_id: str
    up: bool
    revision: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Drift:
    """Something on a device differs from what was acknowledged."""

    kind: Kind
    id: str
    message: str


@dataclass(frozen=True, slots=True)
class Cable:
    """Which interface of a host is plugged into which port of a switch."""

    host: str
    interface: str
    switch_id: str
    switch_port: str


Event = PortStatus | Backend | Drift | Cable


@dataclass(frozen=True, slots=True)
class Observed:
    """An event and when it was observed."""

    event: Event
    time: datetime


class Mailbox:
    """What one watcher has not read yet, in the order of first change, last state only."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Belong to a watcher that reads on `loop`."""
        self._loop = loop
        self._filled = asyncio.Event()
        self._lock = threading.Lock()
        self._waiting: dict[Hashable, Observed] = {}
        self.closed = False

    def put(self, observed: Observed) -> None:
        """Replace what is unread for the same object. Callable from any thread."""
        with self._lock:
            self._waiting[_object_of(observed.event)] = observed
        self._wake()

    def close(self) -> None:
        """Let the watcher end once it has read everything. Callable from any thread."""
        self.closed = True
        self._wake()

    async def take(self) -> list[Observed]:
        """Wait for something to read, or for the end, and take all of it."""
        await self._filled.wait()
        self._filled.clear()
        with self._lock:
            taken, self._waiting = list(self._waiting.values()), {}
        return taken

    def _wake(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._filled.set)


class Events:
    """The emitter of a driver, as `self.events`."""

    def __init__(self) -> None:
        """Start with no watcher and nothing observed."""
        self._lock = threading.Lock()
        self._mailboxes: set[Mailbox] = set()
        self._ports: dict[str, Observed] = {}

    def port(self, port_id: str, *, up: bool, revision: int = 0, reason: str = "") -> None:
        """Tell the state of a port on a device, observed at `revision` of the port."""
        self._emit(PortStatus(port_id, up, revision, reason))

    def backend(self, backend: Backend) -> None:
        """Tell that a backend came, went, or lost its memory (a new epoch)."""
        self._emit(backend)

    def drift(self, kind: Kind, id: str, message: str) -> None:
        """Tell that a device differs from what was acknowledged; the core sends it again."""
        self._emit(Drift(kind, id, message))

    def cable(self, host: str, interface: str, switch_id: str, switch_port: str) -> None:
        """Tell where an interface of a host is plugged."""
        self._emit(Cable(host, interface, switch_id, switch_port))

    def forget_port(self, port_id: str) -> None:
        """Leave a port out of later snapshots; `serve` does this when a delete is done."""
        with self._lock:
            self._ports.pop(port_id, None)

    def subscribe(self) -> tuple[Mailbox, list[Observed]]:
        """Open a mailbox on the running loop; return it with the snapshot of all ports."""
        mailbox = Mailbox(asyncio.get_running_loop())
        with self._lock:
            self._mailboxes.add(mailbox)
            return mailbox, list(self._ports.values())

    def unsubscribe(self, mailbox: Mailbox) -> None:
        """Close a mailbox for good."""
        with self._lock:
            self._mailboxes.discard(mailbox)

    def close(self) -> None:
        """Let every watcher end."""
        with self._lock:
            mailboxes = list(self._mailboxes)
        for mailbox in mailboxes:
            mailbox.close()

    def _emit(self, event: Event) -> None:
        observed = Observed(event, datetime.now(UTC))
        with self._lock:
            if isinstance(event, PortStatus):
                self._ports[event.port_id] = observed
            # Inside the lock, so that two threads cannot leave two states in a different order
            # in two mailboxes.
            for mailbox in self._mailboxes:
                mailbox.put(observed)


def _object_of(event: Event) -> Hashable:
    match event:
        case PortStatus(port_id=port_id):
            return "port", port_id
        case Backend(id=backend_id):
            return "backend", backend_id
        case Drift(kind=kind, id=resource_id):
            return "drift", kind, resource_id
        case Cable(host=host, interface=interface):
            return "cable", host, interface
