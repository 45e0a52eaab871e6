"""Wake-ups between processes.

Whoever commits wakes the lanes and streams of its own process. Those of other
processes hear a bell, which is PostgreSQL's NOTIFY: it says that there is work,
and for whom, and not what. It is rung after the commit and over a connection of
its own, so no request waits for it, and many commits in a row are one ring. A
ring that is lost, with the connection or with the process that was about to
ring, costs whoever it was for the time until its next poll; who could not hear
for a while looks at everything. SQLite belongs to one process and has no bell.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from enum import StrEnum
from typing import Any

import asyncpg
import structlog
from sqlalchemy.engine import make_url

from jackfield_core import config

log = structlog.get_logger()

CHANNEL = "jackfield"
SPACING = 0.02
"""Seconds between two rings at least: under load, one ring stands for many commits."""
AGAIN = 1.0
"""Seconds before a connection that was lost is opened again."""
CHECK = 30.0
"""Seconds after which a silent connection is tried: one may be dead without having been closed."""
PATIENCE = 10.0
"""Seconds that the database may take to answer."""

_RING = "SELECT pg_notify($1, topic) FROM unnest($2::text[]) AS topic"


class Topic(StrEnum):
    """Who may have something to do."""

    DRIVERS = "drivers"
    """Drivers are owed something."""
    NOTICES = "notices"
    """Compute services have to be told of ports."""
    NODES = "nodes"
    """Hosts have to look at the feed of changes."""
    AGENTS = "agents"
    """An agent appeared or changed: ports that could not be bound there may be now."""


class Bell:
    """Rings for other processes, and calls *on_ring* when one of them does."""

    def __init__(self, settings: config.Database, on_ring: Callable[[Topic], None]) -> None:
        self._url = make_url(settings.url)
        self._on_ring = on_ring
        self._topics: set[Topic] = set()
        self._rung = asyncio.Event()
        self._is_known_silent = False

    def ring(self, *topics: Topic) -> None:
        """Wake other processes soon; return at once."""
        self._topics.update(topics)
        self._rung.set()

    async def run(self) -> None:
        """Ring and listen until cancelled, through every outage of the database."""
        if self._url.get_backend_name() != "postgresql":
            return
        while True:
            try:
                async with self._listening() as connection:
                    while not connection.is_closed():
                        await self._pass_on(connection)
            except Exception as error:
                # The database is away, or we have a fault; polls find what nobody rings for.
                self._note_silence(str(error) or type(error).__name__)
            await asyncio.sleep(AGAIN)

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncIterator[Any]:
        """Open the connection, and catch up with what was rung while there was none."""
        connection = await asyncpg.connect(**_arguments(self._url), timeout=PATIENCE, command_timeout=PATIENCE)
        try:
            connection.add_termination_listener(lambda _: self._rung.set())
            await connection.add_listener(CHANNEL, self._hear)
            self._is_known_silent = False
            for topic in Topic:
                self._on_ring(topic)
            yield connection
        finally:
            connection.terminate()

    async def _pass_on(self, connection: Any) -> None:
        """Wait until somebody rings, and let the others hear it."""
        try:
            async with asyncio.timeout(CHECK):
                await self._rung.wait()
        except TimeoutError:
            await connection.execute("SELECT 1")
            return
        self._rung.clear()
        topics, self._topics = self._topics, set()
        if topics:
            await connection.execute(_RING, CHANNEL, sorted(topics))
            await asyncio.sleep(SPACING)

    def _hear(self, connection: Any, pid: int, _channel: str, payload: object) -> None:
        """Wake whoever is meant; a newer release may ring for somebody who is not there yet."""
        if pid != connection.get_server_pid() and payload in set(Topic):
            self._on_ring(Topic(str(payload)))

    def _note_silence(self, reason: str) -> None:
        if not self._is_known_silent:
            log.warning("bell.silent", reason=reason)
        self._is_known_silent = True


def _arguments(url: Any) -> dict[str, Any]:
    """Return what asyncpg's ``connect`` takes for the URL of the settings."""
    full = url.set(drivername="postgresql+asyncpg")
    _, arguments = full.get_dialect()().create_connect_args(full)
    # What the URL may say to SQLAlchemy's adapter and not to the driver.
    for name in ("prepared_statement_cache_size", "prepared_statement_name_func", "async_fallback"):
        arguments.pop(name, None)
    return {**arguments, "server_settings": {"application_name": "jackfield bell"}}
