"""Keeps one address of a driver connected, for as long as the core runs.

A life of a connection: dial, introduce each other, offer the process for
service, and watch until the connection breaks, health checks fail twice in a
row, or it is time to introduce each other anew: another process listens at the
address, a backend has lost what it was told, or the version of state to be
written is another one. Then the next life begins. Every process is introduced
before it is called, because every life dials for itself. When one connection
hands over to another, the old one serves until the new one does, and then ends
what is in flight.

A driver that lists a hundred thousand ports may be too busy for a health check,
and so may be the core that reads them. A listing that goes on is as good a sign of
life. And a connection that is lost for slowness, while a listing waits for more,
is kept for that listing alone: nobody else calls there, and it is dialled anew.
"""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, NamedTuple

import structlog
from grpc_health.v1 import health_pb2
from jackfield.driver.v1 import driver_pb2
from msgspec import structs

from jackfield_core import config
from jackfield_core.db.attribute_schema import AttributeSchema
from jackfield_core.mechanism import handshake, schemas
from jackfield_core.mechanism.answers import Handshake, NoVerdict, Unfit
from jackfield_core.mechanism.client import GET_SCHEMAS, HANDSHAKE, HEALTH, DriverClient
from jackfield_core.mechanism.connection import Connection
from jackfield_core.mechanism.entry import Condition, DriverEntry
from jackfield_core.mechanism.mistrust import distrusted
from jackfield_core.mechanism.record import expect_fit
from jackfield_core.mechanism.succession import Succession

log = structlog.get_logger()

FRESH_EVERY = 6
"""Every so many health checks, a handshake on a new connection shows who listens at the address now."""
LONGEST_PAUSE = 15
"""Times ``reconnect_interval``: the pause after many handshakes that were answered wrongly or not at all."""
FAREWELL = 30.0
"""Seconds that calls in flight get when a connection is handed over."""


class HealthChecks(NamedTuple):
    """How a process is asked whether it is well."""

    interval: float = 5.0
    """Seconds between checks."""
    timeout: float = 1.0
    """Seconds for one check."""


USUAL = HealthChecks()


class Endpoint:
    """Keeps *address* connected."""

    def __init__(
        self,
        entry: DriverEntry,
        address: str,
        settings: config.Mechanism,
        introduction: driver_pb2.HandshakeRequest,
        succession: Succession,
        health: HealthChecks,
    ) -> None:
        self._entry = entry
        self._address = address
        self._settings = settings
        self._introduction = introduction
        self._succession = succession
        self._health = health
        self._handing_over: DriverClient | None = None
        self._farewells: set[asyncio.Task[None]] = set()
        self._hurry = asyncio.Event()
        succession.add(address, self._hurry.set)

    async def run(self) -> None:
        """Keep the address connected until cancelled."""
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
                await self._rest(pause)
        finally:
            await self._close_all()

    async def _live(self) -> NoVerdict | None:
        """Live one life; return what kept the process from being taken, or None if it was."""
        client = None
        try:
            client = self._dial()
            connection = Connection(self._address, client, await self._introduce(client, with_schemas=True))
            await self._expect_health(connection)
            await self._succession.arrived(connection)
            self._release_previous()
            if await self._watch(connection):
                self._handing_over = client
        except NoVerdict as error:
            self._lost(Condition.CONNECTING, await self._why(error))
            return error
        except Unfit as error:
            self._lost(Condition.FAILED, str(error))
            return NoVerdict(self._entry.name, str(error), code="FAILED_PRECONDITION")
        except Exception as error:
            # A fault of ours, or of the database when the handshake was to be stored.
            log.exception("driver.keeper_failed", driver=self._entry.name, endpoint=self._address)
            self._lost(Condition.CONNECTING, f"the core failed: {error}")
            return NoVerdict(self._entry.name, str(error), code="INTERNAL")
        finally:
            if client is not None and self._handing_over is not client:
                await self._part_with(client)
        return None

    def _dial(self) -> DriverClient:
        return DriverClient(self._entry.name, self._address, self._entry.tls)

    async def _why(self, error: NoVerdict) -> str:
        """Return why nobody answered, in the words of whoever knows best."""
        timeout = self._settings.handshake_timeout
        return await distrusted(error, self._address, self._entry.tls, timeout) or error.text

    async def _introduce(self, client: DriverClient, *, with_schemas: bool = False) -> Handshake:
        """Introduce each other; the answer fits what the core holds, or Unfit is raised."""
        record = self._entry.record
        request = handshake.told(self._introduction, record.state_version if record else None)
        response = await client.call(HANDSHAKE, request, self._settings.handshake_timeout)
        introduced = handshake.read(self._entry.name, request, response)
        expect_fit(introduced, record)
        known = (record.schema_digest if record else None) or b""
        if with_schemas and introduced.schema_digest != known:
            return structs.replace(introduced, schemas=await self._fetch_schemas(client, introduced, known))
        return introduced

    async def _fetch_schemas(
        self, client: DriverClient, introduced: Handshake, known: bytes
    ) -> tuple[AttributeSchema, ...]:
        if "attributes" not in introduced.features:
            return ()  # a version that had some has gone
        request = driver_pb2.GetSchemasRequest(known_digest=known)
        response = await client.call(GET_SCHEMAS, request, self._settings.handshake_timeout)
        return tuple(schemas.read(self._entry.name, introduced.schema_digest, response))

    async def _expect_health(self, connection: Connection) -> None:
        """See whether the process is well before it takes over from another one, which is."""
        if self._succession.is_served_elsewhere(self._address) and not await self._is_alive(connection):
            raise NoVerdict(self._entry.name, "it does not answer health checks", code="DEADLINE_EXCEEDED")

    async def _watch(self, connection: Connection) -> bool:
        """Return True when a new introduction is due, False when the connection is lost."""
        broken = asyncio.ensure_future(connection.client.disconnected())
        soon = min(self._health)  # who has missed one check is not left alone for long
        misses = checks = 0
        try:
            while True:
                await self._rest(soon if misses else self._health.interval, broken)
                if broken.done():
                    self._lost(Condition.CONNECTING, "the connection broke")
                    return False
                if self._must_tell_anew(connection):
                    return True
                misses = 0 if await self._is_alive(connection) else misses + 1
                if misses == 2:
                    self._lost(Condition.CONNECTING, "it does not answer health checks")
                    return False
                checks += 1
                if (checks % FRESH_EVERY == 0 or connection.is_draining) and await self._has_changed(connection):
                    return True
        finally:
            broken.cancel()

    async def _rest(self, pause: float, broken: "asyncio.Future[None] | None" = None) -> None:
        """Sleep, unless the connection breaks or there is a reason to hurry."""
        hurry = asyncio.ensure_future(self._hurry.wait())
        reasons: list[asyncio.Future[Any]] = [hurry, broken] if broken else [hurry]
        try:
            await asyncio.wait(reasons, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        finally:
            hurry.cancel()
            self._hurry.clear()

    def _must_tell_anew(self, connection: Connection) -> bool:
        """Return whether another version of state is to be written than the process was told."""
        pinned = self._entry.record.state_version if self._entry.record else None
        return pinned is not None and connection.handshake.writes_state_version not in (None, pinned)

    async def _is_alive(self, connection: Connection) -> bool:
        began = time.monotonic()
        try:
            response = await connection.client.call(HEALTH, health_pb2.HealthCheckRequest(), self._health.timeout)
        except NoVerdict as error:
            # A driver without the health service has answered all the same, and so has one that is busy telling.
            return error.code == "UNIMPLEMENTED" or connection.client.told_at >= began
        self._succession.drains(connection, response.status == health_pb2.HealthCheckResponse.NOT_SERVING)
        return True

    async def _has_changed(self, connection: Connection) -> bool:
        """Return whether the process that a new connection reaches introduces itself in another way."""
        try:
            introduced = await self._introduce_anew()
            if self._entry.connection is connection:
                self._entry.backends.introduced(introduced.backends)
            return _essence(introduced) != _essence(connection.handshake)
        except (NoVerdict, Unfit) as error:
            # The old connection still works, and that is what counts.
            reason = await self._why(error) if isinstance(error, NoVerdict) else str(error)
            log.warning("driver.unreachable_anew", driver=self._entry.name, reason=reason)
            return False

    async def _introduce_anew(self) -> Handshake:
        fresh = self._dial()
        try:
            return await self._introduce(fresh)
        finally:
            await fresh.close()

    def _lost(self, condition: Condition, reason: str) -> None:
        self._succession.left(self._address, condition, reason)
        self._release_previous()

    def _release_previous(self) -> None:
        """Let the connection that was handed over end its calls, without waiting for it."""
        if self._handing_over is not None:
            self._leave_to(_farewell(self._handing_over))
            self._handing_over = None

    async def _part_with(self, client: DriverClient) -> None:
        """Close a connection that is lost, or leave it to the listing that still reads from it."""
        if client.is_kept:
            self._leave_to(_last_words(client))
        else:
            await client.close()

    def _leave_to(self, farewell: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(farewell)
        self._farewells.add(task)
        task.add_done_callback(self._farewells.discard)

    async def _close_all(self) -> None:
        self._release_previous()
        farewells = list(self._farewells)
        for task in farewells:
            task.cancel()
        await asyncio.gather(*farewells, return_exceptions=True)


def _essence(introduced: Handshake) -> Handshake:
    """Leave out what changes all the time and is nobody's business but the operator's, and what the core knew."""
    backends = tuple(structs.replace(backend, health="", message="") for backend in introduced.backends)
    return structs.replace(introduced, backends=backends, schemas=None, told_state_version=None)


async def _last_words(client: DriverClient) -> None:
    try:
        await client.not_kept()
    finally:
        await client.close()


async def _farewell(client: DriverClient) -> None:
    try:
        await client.close(FAREWELL)
    finally:
        await client.close()
