"""One core as a process: starts the application, listens, and stops in the reverse order."""

import gc
import socket
from pathlib import Path

import structlog
import uvicorn

from jackfield_core.app import Application

log = structlog.get_logger()


def run(application: Application) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        OSError: An address cannot be listened on.
    """
    _Server(application).run()


class _Server(uvicorn.Server):
    """Starts the application, listens, and says so; stops in the reverse order."""

    def __init__(self, application: Application) -> None:
        super().__init__(_server_config(application))
        self._application = application

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Return when requests are taken; what was started is stopped if that fails."""
        settings = self._application.settings
        try:
            await self._application.start()
            _spare_what_stays()
            await super().startup(sockets)
        except SystemExit:
            # This is how uvicorn says that it cannot bind; its log has the reason.
            await self._application.stop()
            raise OSError(f"the API cannot listen on {settings.api.listen}") from None
        except BaseException:
            await self._application.stop()
            raise
        log.info("core.started", listen=settings.api.listen, roles=settings.roles)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more requests, end those in flight, and stop the application."""
        await super().shutdown(sockets)
        await self._application.stop()
        log.info("core.stopped")


def _spare_what_stays() -> None:
    """Keep the collector of cycles from looking again and again at what was loaded for good.

    A batch of 500 changes makes and drops ten thousand objects without a cycle
    among them. With Python's thresholds that is ten collections of the young, and
    now and then one of all modules and tables: a fifth of the CPU of a delivery.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def _server_config(application: Application) -> uvicorn.Config:
    listen = application.settings.api.listen
    common = {
        "log_config": None,
        "access_log": False,
        "http": "httptools",
        "loop": "asyncio",
        "lifespan": "off",
        "server_header": False,
        "timeout_graceful_shutdown": 10,
        # A client's pool keeps connections for a minute; closing one just as it is used again looks like a crash.
        "timeout_keep_alive": 75,
    }
    if listen.startswith("unix://"):
        Path(listen.removeprefix("unix://")).parent.mkdir(parents=True, exist_ok=True)
        return uvicorn.Config(application.api, uds=listen.removeprefix("unix://"), **common)  # type: ignore[arg-type]
    host, _, port = listen.rpartition(":")
    return uvicorn.Config(application.api, host=host.strip("[]"), port=int(port), **common)  # type: ignore[arg-type]
