"""The databases of a run: a PostgreSQL that crashes, and an SQLite file on a disk that gets full."""

import asyncio
import errno
import os
import subprocess
from pathlib import Path
from typing import Protocol

from support.postgres import PostgresServer

DISK_BYTES = 96 << 20


class ChaosDatabase(Protocol):
    """Where the core keeps its state, and what may happen to it."""

    url: str
    troubles: tuple[str, ...]
    """Names of the methods that hurt it; ``heal`` ends each."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def heal(self) -> None: ...


class Postgres:
    """A server that is ended without a warning, and recovers from its log."""

    troubles: tuple[str, ...] = ("crash",)

    def __init__(self) -> None:
        self._server = PostgresServer(keeps_commits=True)
        self._is_down = False
        self.url = ""

    async def start(self) -> None:
        """Start the server with an empty database."""
        await asyncio.to_thread(self._server.start)
        self.url = self._server.create_database().url

    async def stop(self) -> None:
        """End the server and remove its folder."""
        await asyncio.to_thread(self._server.stop)

    async def crash(self) -> None:
        """End the server at once."""
        self._is_down = True
        await asyncio.to_thread(self._server.crash)

    async def heal(self) -> None:
        """Start the server again."""
        if self._is_down:
            await asyncio.to_thread(self._server.resume)
            self._is_down = False


class Sqlite:
    """A file on a small disk of its own, if this is root; otherwise on a disk that never gets full."""

    def __init__(self, folder: Path) -> None:
        self._disk = folder / "disk"
        self._is_mounted = False
        self.troubles: tuple[str, ...] = ()
        self.url = f"sqlite:///{self._disk}/jackfield.sqlite"

    async def start(self) -> None:
        """Mount the disk."""
        self._disk.mkdir()
        if os.geteuid() == 0:
            command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "jackfield-chaos", str(self._disk)]
            self._is_mounted = subprocess.run(command, check=False, capture_output=True).returncode == 0
        if self._is_mounted:
            self.troubles = ("fill",)

    async def stop(self) -> None:
        """Unmount the disk."""
        if self._is_mounted:
            subprocess.run(["umount", "--lazy", str(self._disk)], check=True, capture_output=True)
            self._is_mounted = False

    async def fill(self) -> None:
        """Leave no room on the disk."""
        with self._ballast.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                _write_until_full(file.fileno(), b"\0" * size)

    async def heal(self) -> None:
        """Make room again."""
        self._ballast.unlink(missing_ok=True)

    @property
    def _ballast(self) -> Path:
        return self._disk / "ballast"


def _write_until_full(file: int, chunk: bytes) -> None:
    while True:
        try:
            os.write(file, chunk)
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            return
