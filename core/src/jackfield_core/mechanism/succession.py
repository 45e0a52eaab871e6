"""Decides which of a driver's processes serves, if there are two.

The newest one does. When a process that was never seen before appears at the
other address it is warmed first: introduced, received by everybody who prepares
for the driver, found healthy. Then calls move over. The old one stays connected,
in case the new one dies, until all processes of the core have had time to move
too; then it is asked to drain. Which processes were succeeded is remembered in
the database, so none of them takes over again when a core restarts, and all
cores agree. A process that is unfit never gets this far, and the old one stays.

While a process takes over, deliveries wait: what the old one acknowledges then
would count for the new one, whose backends may not have it.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import structlog
from google.protobuf.duration_pb2 import Duration
from jackfield.driver.v1 import driver_pb2
from msgspec import structs

from jackfield_core.mechanism.answers import Handshake, NoVerdict
from jackfield_core.mechanism.client import DRAIN
from jackfield_core.mechanism.connection import Connection
from jackfield_core.mechanism.entry import Condition, DriverEntry

log = structlog.get_logger()

SETTLE = 3.0
"""Seconds between a take-over and the drain of the old process: other processes of the core look every second."""
GRACE = 30
"""Seconds that an old process gets to end what is in flight."""
HOLD_BACK = 5.0
"""Seconds that a process that was succeeded waits at most for its successor, when a core starts."""
PATIENCE = 1.0
"""Seconds that a refused call waits at most for a process that takes over."""

Welcome = Callable[[DriverEntry, Handshake], Awaitable[None]]
"""Prepares everybody for a process that is to serve; raises if it must not."""
Recall = Callable[[], Awaitable[None]]
"""Brings what the database knows of drivers up to date."""


class Succession:
    """Who serves for the driver of one entry; *settle* is in seconds."""

    def __init__(self, entry: DriverEntry, welcome: Welcome, recall: Recall, settle: float = SETTLE) -> None:
        self._entry = entry
        self._welcome = welcome
        self._recall = recall
        self._settle = settle
        self._connections: dict[str, Connection] = {}
        self._absences: dict[str, tuple[Condition, str]] = {}
        self._hurry: dict[str, Callable[[], None]] = {}
        self._tried: dict[str, asyncio.Event] = {}
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        entry.gate.find_other = self.find_other

    def add(self, address: str, hurry: Callable[[], None]) -> None:
        """Know of an address; *hurry* makes its keeper look at once."""
        self._hurry[address] = hurry
        self._absences[address] = (Condition.CONNECTING, "not reached yet")
        self._tried[address] = asyncio.Event()

    def is_served_elsewhere(self, address: str) -> bool:
        """Return whether a process at another address serves now."""
        serving = self._entry.connection
        return serving is not None and serving.address != address

    async def arrived(self, new: Connection) -> None:
        """Let the process serve, or stand by if it has been succeeded; whatever is raised keeps it out."""
        await self._let_successor_go_first(new)
        async with self._turn:
            if await self._stands_by(new):
                self._connections[new.address] = new
                log.info("driver.stands_by", driver=self._entry.name, endpoint=new.address, version=_version(new))
                self._start(self._retire(new))
                return
            await self._take_over(new)

    def left(self, address: str, condition: Condition, reason: str) -> None:
        """Note that nobody can be asked at *address*, and why."""
        self._tried[address].set()
        news = self._absences.get(address) != (condition, reason)
        gone = self._connections.pop(address, None)
        self._absences[address] = (condition, reason)
        if gone is None and self._entry.connection is not None:
            return
        if gone is None or gone is self._entry.connection:
            self._move_on()
        if news and self._entry.connection is None:
            log.warning(
                "driver.lost", driver=self._entry.name, endpoint=address, condition=condition.value, reason=reason
            )

    def drains(self, connection: Connection, is_draining: bool) -> None:
        """Note whether a process takes nothing new; it ends what is in flight by itself."""
        if connection.is_draining == is_draining:
            return
        connection.is_draining = is_draining
        log.info("driver.draining", driver=self._entry.name, endpoint=connection.address, draining=is_draining)
        serving = self._entry.connection
        if (serving is connection and is_draining) or (serving is None and not is_draining):
            self._move_on()

    async def find_other(self, refused: Connection, timeout: float, *, drains: bool) -> bool:
        """Return whether another process takes the call that *refused* did not, within *timeout* seconds."""
        if drains:
            self.drains(refused, True)
        elif self._entry.connection is refused:
            self._move_on(without=refused)
        if self._entry.connection is None and (drains or len(self._hurry) > 1):
            for hurry in self._hurry.values():
                hurry()
            try:
                async with asyncio.timeout(min(timeout, PATIENCE)):
                    await self._entry.ready.wait()
            except TimeoutError:
                return False
        return self._entry.connection not in (None, refused)

    async def stop(self) -> None:
        """End everything that was begun; nobody serves and nobody is drained any more."""
        self._connections.clear()
        self._entry.disconnected(Condition.CONNECTING, "the core stops")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _let_successor_go_first(self, new: Connection) -> None:
        """Hold a process back that was succeeded, until it is known whether its successor is there.

        When a core starts while both run, nobody serves yet, and whoever is
        dialled first would take over again.
        """
        await self._recall()
        self._tried[new.address].set()
        record = self._entry.record
        if record is None or new.instance_id not in record.predecessors:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HOLD_BACK):
                for tried in self._tried.values():
                    await tried.wait()

    async def _stands_by(self, new: Connection) -> bool:
        """Return whether the process has no claim to serve while another one does."""
        if not self.is_served_elsewhere(new.address):
            return False
        if new.is_draining:
            return True
        await self._recall()
        serving, record = self._entry.connection, self._entry.record
        if serving is None or serving.instance_id == new.instance_id:
            return serving is not None
        return record is not None and new.instance_id in record.predecessors

    async def _take_over(self, new: Connection) -> None:
        """Let *new* serve; the one before it, at whatever address, serves until then."""
        old, before = self._entry.connection, self._entry.handshake
        with self._entry.gate.deliveries_held():
            try:
                await self._welcome(self._entry, structs.replace(new.handshake, left_epochs=_left(old, new)))
            except BaseException:
                if before is not None:
                    self._entry.introduced(before)
                raise
            self._connections[new.address] = new
            self._entry.connected(new)
        log.info(
            "driver.ready",
            driver=self._entry.name,
            version=_version(new),
            instance_id=new.instance_id,
            endpoint=new.address,
        )
        if old is not None and old.address != new.address:
            self._start(self._retire(old))

    def _move_on(self, without: Connection | None = None) -> None:
        """Let whoever is left serve, or nobody."""
        left = [one for one in self._connections.values() if not one.is_draining and one is not without]
        if left:
            self._entry.introduced(left[-1].handshake)
            self._entry.connected(left[-1])
            log.warning("driver.stepped_in", driver=self._entry.name, endpoint=left[-1].address)
            self._start(self._receive_again(left[-1]))
        elif without is None:
            self._entry.disconnected(*self._why_nobody())

    async def _receive_again(self, connection: Connection) -> None:
        """Have everybody prepare for a process that had to step in before that."""
        async with self._turn:
            if self._entry.connection is not connection:
                return
            try:
                await self._welcome(self._entry, connection.handshake)
            except Exception:
                log.exception("driver.not_received", driver=self._entry.name, endpoint=connection.address)

    async def _retire(self, old: Connection) -> None:
        """Ask a process that was succeeded to drain, once everybody has had time to leave it."""
        await asyncio.sleep(self._settle)
        if self._connections.get(old.address) is not old or self._entry.connection in (None, old) or old.is_draining:
            return
        try:
            request = driver_pb2.DrainRequest(grace=Duration(seconds=GRACE))
            answer = await old.client.call(DRAIN, request, GRACE + 5)
        except NoVerdict as error:
            log.warning("driver.not_drained", driver=self._entry.name, endpoint=old.address, reason=error.text)
            return
        old.is_draining = True
        log.info("driver.drained", driver=self._entry.name, endpoint=old.address, in_flight=answer.in_flight)

    def _why_nobody(self) -> tuple[Condition, str]:
        """Return the worst that can be said of the addresses, and all that can be said."""
        absences = dict(self._absences)
        for address, connection in self._connections.items():
            if connection.is_draining:
                absences[address] = (Condition.DRAINING, "it says that it is not serving")
        found = {condition for condition, _ in absences.values()}
        worst = next(one for one in (Condition.FAILED, Condition.DRAINING, Condition.CONNECTING) if one in found)
        if len(absences) == 1:
            return worst, next(iter(absences.values()))[1]
        return worst, "; ".join(f"{address}: {reason}" for address, (_, reason) in absences.items())

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _left(old: Connection | None, new: Connection) -> dict[str, str] | None:
    """Return the epochs that were delivered to until now, if it was to another process."""
    if old is None or old.instance_id == new.instance_id:
        return None
    return old.handshake.epochs


def _version(connection: Connection) -> str:
    return connection.handshake.version
