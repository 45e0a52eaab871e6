"""A driver becomes a process: socket, health, reflection, signals, drain.

`serve` is all that a driver's `main` calls. It starts the driver, listens, and on SIGTERM finishes
what is in flight before it stops. A driver whose start fails is served all the same, because a
handshake that says why is worth more than a process that restarts in a loop.
"""

from __future__ import annotations

import asyncio

import grpc.aio
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection

from jackfield_sdk._ending import blocking_executor, leave
from jackfield_sdk._logging import configure_logging
from jackfield_sdk._servicer import SERVICES, Hooks, Process, add_servicers
from jackfield_sdk._signals import on_stop_signals
from jackfield_sdk._transport import CannotListen, SocketFile, listen, server_options
from jackfield_sdk.driver import MechanismDriver
from jackfield_sdk.errors import DriverError, Rejected
from jackfield_sdk.settings import ServerSettings

log = structlog.get_logger("jackfield_sdk")

# Seconds that the driver's own stop may take. With the longest drain and the cut that follows it,
# a process ends within the 30 s after which supervisors kill.
_STOP_TIMEOUT = 5.0

_HEALTH_SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name


class RunningServer:
    """A driver that is being served; `address` is where."""

    def __init__(self, address: str, server: grpc.aio.Server, process: Process, hooks: Hooks) -> None:
        """Belong to `start_server`."""
        self.address = address
        self._server = server
        self._process = process
        self._hooks = hooks
        self._socket = SocketFile(address)

    @property
    def load_error(self) -> str | None:
        """Why the driver could not load; None if it did."""
        return self._process.load_error

    async def stop(self, grace: float | None = None) -> None:
        """Refuse what is new, give calls in flight `grace` seconds, and stop the driver."""
        grace = self._process.settings.drain_grace if grace is None else grace
        await self._process.drain(grace)
        self._process.driver.events.close()
        await self._server.stop(grace=1.0)
        self._socket.remove()
        await self._stop_driver()
        self._hooks.close()
        self._process.backends.close()

    async def _stop_driver(self) -> None:
        try:
            async with asyncio.timeout(_STOP_TIMEOUT):
                await self._process.driver.stop()
        except Exception as error:
            log.error("driver.stop_failed", driver=self._process.driver.name, exc_info=error)


def serve(driver: MechanismDriver, settings: ServerSettings | None = None) -> None:
    """Serve a driver until SIGTERM or SIGINT, then drain and return.

    SystemExit with a sentence if the address cannot be served on.
    """
    settings = settings or ServerSettings()
    configure_logging(settings.log_level, json=settings.log_json)
    try:
        asyncio.run(_serve_until_told(driver, settings))
    except CannotListen as error:
        raise SystemExit(f"{driver.name}: {error}") from error


async def start_server(driver: MechanismDriver, settings: ServerSettings) -> RunningServer:
    """Serve a driver on the running loop and return at once; stop it with `await server.stop()`.

    CannotListen, before the driver was started, if the address is not free.
    """
    process = Process(driver, settings)
    hooks = Hooks(driver, settings.threads)
    server = grpc.aio.server(options=server_options())
    add_servicers(server, process, hooks)
    reflection.enable_server_reflection((*SERVICES, _HEALTH_SERVICE, reflection.SERVICE_NAME), server)
    address = listen(server, settings.address(driver.name), settings)
    process.load_error = await _start(process, settings.start_timeout)
    await _add_health(server, process)
    await server.start()
    log.info("driver.serving", driver=driver.name, address=address, load_error=process.load_error)
    return RunningServer(address, server, process, hooks)


async def _serve_until_told(driver: MechanismDriver, settings: ServerSettings) -> None:
    told = asyncio.Event()
    on_stop_signals(told.set)
    executor = blocking_executor()
    server = await start_server(driver, settings)
    await told.wait()
    log.info("driver.stopping", driver=driver.name)
    await server.stop()
    await leave(executor)


async def _start(process: Process, timeout: float) -> str | None:
    driver = process.driver
    try:
        async with asyncio.timeout(timeout):
            await driver.start()
        process.custody.declare()
    except (DriverError, Rejected) as error:
        log.error("driver.start_failed", driver=driver.name, exc_info=error)
        return str(error)
    except TimeoutError as error:
        log.error("driver.start_failed", driver=driver.name, exc_info=error)
        return f"the driver did not start within {timeout:g} s"
    except Exception as error:
        log.error("driver.start_failed", driver=driver.name, exc_info=error)
        return f"the driver failed to start with {type(error).__name__}; its log has the trace"
    return None


async def _add_health(server: grpc.aio.Server, process: Process) -> None:
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    loaded = process.load_error is None
    status = health_pb2.HealthCheckResponse.SERVING if loaded else health_pb2.HealthCheckResponse.NOT_SERVING
    for name in ("", *SERVICES):
        await servicer.set(name, status)
    process.on_drain(servicer.enter_graceful_shutdown)
