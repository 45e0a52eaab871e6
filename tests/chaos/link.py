"""A cable between two processes that can be cut: bytes from one Unix socket to another.

Four things happen to cables. One that is *cut* breaks every connection and takes no new one. One
that is *mute* carries requests and loses the answers: the driver acts and nobody hears of it. One
that is *deaf* loses the requests. What was lost is lost, so a cable that heals breaks the
connections on which something is missing. One that *lags* loses nothing: all that it was given
arrives when it heals, also what the caller has long given up.
"""

import asyncio
import contextlib
from pathlib import Path

_CHUNK = 1 << 16


class Link:
    """Listens at *listen* and carries everything to *target*."""

    def __init__(self, listen: Path, target: Path) -> None:
        self.listen = listen
        self._target = target
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._state = "whole"
        self._flows = asyncio.Event()
        self._flows.set()

    async def start(self) -> None:
        """Take connections."""
        self._server = await asyncio.start_unix_server(self._connected, self.listen)

    async def stop(self) -> None:
        """Break all connections and take no more."""
        if self._server:
            self._server.close()
        self._break()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Break all connections, and every new one."""
        self._state = "cut"
        self._break()

    def mute(self) -> None:
        """Lose the answers from now on."""
        self._state = "mute"

    def deafen(self) -> None:
        """Lose the requests from now on."""
        self._state = "deaf"

    def lag(self) -> None:
        """Keep everything, and deliver it later."""
        self._state = "lagging"
        self._flows.clear()

    def heal(self) -> None:
        """Carry everything again, where something was lost on new connections."""
        if self._state not in ("whole", "lagging"):
            self._break()
        self._state = "whole"
        self._flows.set()

    def _break(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            if self._state != "cut":
                await self._carry(reader, writer)
        finally:
            writer.transport.abort()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there, onward = await asyncio.open_unix_connection(self._target)
        except OSError:
            return
        self._writers.add(onward)
        pumps = [
            asyncio.create_task(self._pump(reader, onward, lost_when="deaf")),
            asyncio.create_task(self._pump(there, writer, lost_when="mute")),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            onward.transport.abort()
            self._writers.discard(onward)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, lost_when: str) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                await self._flows.wait()
                if self._state != lost_when:
                    writer.write(chunk)
                    await writer.drain()
