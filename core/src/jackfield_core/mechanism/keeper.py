"""Keeps one driver connected, for as long as the core runs.

A life of a connection: dial, introduce each other, tell those who wait for the
driver, let calls through, and watch until the connection breaks, health checks
fail twice in a row, or whoever listens at the address introduces himself in a
new way: another process has taken over, or a backend has lost what it was told.
Then the next life begins. Every process is introduced before it is called,
because every life dials for itself. When one connection hands over to another,
the old one serves until the new one does, and then ends what is in flight.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from grpc_health.v1 import health_pb2
from jackfield.driver.v1 import driver_pb2
from msgspec import structs

from jackfield_core import config
from jackfield_core.mechanism import handshake
from jackfield_core.mechanism.answers import Handshake, NoVerdict, Unfit
from jackfield_core.mechanism.client import HANDSHAKE, HEALTH, DriverClient
from jackfield_core.mechanism.entry import Condition, DriverEntry

log = structlog.get_logger()

HEALTH_TIMEOUT = 1.0
"""Seconds for a health check."""
FRESH_EVERY = 6
"""Every so many health checks, a handshake on a new connection shows who listens at the address now."""
LONGEST_PAUSE = 15
"""Times ``reconnect_interval``: the pause after many handshakes that were answered wrongly or not at all."""
FAREWELL = 30.0
"""Seconds that calls in flight get when a connection is handed over."""

OnIntroduced = Callable[[DriverEntry, Handshake], Awaitable[None]]


class Keeper:
    """Keeps the driver of one entry connected; *health_interval* is in seconds."""

    def __init__(
        self,
        entry: DriverEntry,
        settings: config.Mechanism,
        introduction: driver_pb2.HandshakeRequest,
        on_introduced: OnIntroduced,
        health_interval: float,
    ) -> None:
        self._entry = entry
        self._settings = settings
        self._introduction = introduction
        self._on_introduced = on_introduced
        self._health_interval = health_interval
        self._health_timeout = min(HEALTH_TIMEOUT, health_interval)
        self._handing_over: DriverClient | None = None
        self._farewells: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Keep the driver connected until cancelled."""
        interval = self._settings.reconnect_interval
        pause = interval
        try:
            while True:
                error = await self._live()
                if error is None:
                    pause = interval
                    continue
                # Nobody listens: looking again costs nothing, and a driver that
                # comes up is wanted soon. Others are not worn out by handshakes.
                pause = interval if error.code == "UNAVAILABLE" else min(pause * 2, interval * LONGEST_PAUSE)
                await asyncio.sleep(pause)
        finally:
            self._entry.disconnected(Condition.CONNECTING, "the core stops")
            await self._close_all()

    async def _live(self) -> NoVerdict | None:
        """Live one life; return what kept the driver from becoming ready, or None if it was ready."""
        client = DriverClient(self._entry.name, self._entry.endpoint)
        try:
            introduced = await self._introduce(client)
            await self._on_introduced(self._entry, introduced)
            self._serve(client, introduced)
            if await self._watch(client, introduced):
                self._handing_over = client
        except NoVerdict as error:
            self._lost(Condition.CONNECTING, error.text)
            return error
        except Unfit as error:
            self._lost(Condition.FAILED, str(error))
            return NoVerdict(self._entry.name, str(error), code="FAILED_PRECONDITION")
        except Exception as error:
            # A fault of ours, or of the database when the handshake was to be stored.
            log.exception("driver.keeper_failed", driver=self._entry.name)
            self._lost(Condition.CONNECTING, f"the core failed: {error}")
            return NoVerdict(self._entry.name, str(error), code="INTERNAL")
        finally:
            if self._handing_over is not client:
                await client.close()
        return None

    async def _introduce(self, client: DriverClient) -> Handshake:
        response = await client.call(HANDSHAKE, self._introduction, self._settings.handshake_timeout)
        return handshake.read(self._entry.name, response)

    def _serve(self, client: DriverClient, introduced: Handshake) -> None:
        """Let calls through to *client*, and no more to the one before it."""
        self._entry.connected(client)
        log.info(
            "driver.ready",
            driver=self._entry.name,
            version=introduced.version,
            instance_id=introduced.instance_id,
        )
        self._release_previous()

    async def _watch(self, client: DriverClient, introduced: Handshake) -> bool:
        """Return True when a new introduction is due, False when the connection is lost."""
        broken = asyncio.ensure_future(client.disconnected())
        misses = checks = 0
        try:
            while True:
                done, _ = await asyncio.wait(
                    [broken], timeout=self._health_timeout if misses else self._health_interval
                )
                if done:
                    self._lost(Condition.CONNECTING, "the connection broke")
                    return False
                misses = 0 if await self._is_alive(client) else misses + 1
                if misses == 2:
                    self._lost(Condition.CONNECTING, "it does not answer health checks")
                    return False
                checks += 1
                is_due = checks % FRESH_EVERY == 0 or self._entry.condition is Condition.DRAINING
                if is_due and await self._has_changed(introduced):
                    return True
        finally:
            broken.cancel()

    async def _is_alive(self, client: DriverClient) -> bool:
        try:
            response = await client.call(HEALTH, health_pb2.HealthCheckRequest(), self._health_timeout)
        except NoVerdict as error:
            # A driver without the health service has answered all the same.
            return error.code == "UNIMPLEMENTED"
        self._heed(client, response.status == health_pb2.HealthCheckResponse.NOT_SERVING)
        return True

    def _heed(self, client: DriverClient, is_draining: bool) -> None:
        """Stop calling a driver that drains; it ends what is in flight by itself."""
        was_draining = self._entry.condition is Condition.DRAINING
        if is_draining and not was_draining:
            self._lost(Condition.DRAINING, "it says that it is not serving")
        elif was_draining and not is_draining:
            self._entry.connected(client)

    async def _has_changed(self, introduced: Handshake) -> bool:
        """Return whether the process that a new connection reaches introduces itself in another way."""
        fresh = DriverClient(self._entry.name, self._entry.endpoint)
        try:
            return _essence(await self._introduce(fresh)) != _essence(introduced)
        except (NoVerdict, Unfit) as error:
            # The old connection still works, and that is what counts.
            log.warning("driver.unreachable_anew", driver=self._entry.name, reason=str(error))
            return False
        finally:
            await fresh.close()

    def _lost(self, condition: Condition, reason: str) -> None:
        if (self._entry.condition, self._entry.reason) != (condition, reason):
            log.warning("driver.lost", driver=self._entry.name, condition=condition, reason=reason)
        self._entry.disconnected(condition, reason)
        self._release_previous()

    def _release_previous(self) -> None:
        """Let the connection that was handed over end its calls, without waiting for it."""
        if self._handing_over is not None:
            task = asyncio.ensure_future(_farewell(self._handing_over))
            self._farewells.add(task)
            task.add_done_callback(self._farewells.discard)
            self._handing_over = None

    async def _close_all(self) -> None:
        self._release_previous()
        farewells = list(self._farewells)
        for task in farewells:
            task.cancel()
        await asyncio.gather(*farewells, return_exceptions=True)


def _essence(introduced: Handshake) -> Handshake:
    """Leave out what changes all the time and is nobody's business but the operator's."""
    backends = tuple(structs.replace(backend, health="", message="") for backend in introduced.backends)
    return structs.replace(introduced, backends=backends)


async def _farewell(client: DriverClient) -> None:
    try:
        await client.close(FAREWELL)
    finally:
        await client.close()
