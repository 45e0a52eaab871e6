"""How the suite stops and starts the driver, if it may.

Either it runs the driver itself (`--command`), which also gives it the log; or it is told the
commands of whoever does (`--restart-command`, `--kill-command`). Without either it leaves the
process alone, and the cases about restarts are skipped.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Protocol

# Seconds that a driver has to end after SIGTERM.
STOP_WITHIN = 30.0
# Seconds that it may take to serve after its start, on a host that is busy with other work.
START_WITHIN = 60.0


class CommandFailed(Exception):
    """A command of the operator failed: which one, and how."""


class Supervisor(Protocol):
    """Ends and starts the driver's process."""

    can_stop: bool
    can_kill: bool
    # True if the process is a child of the suite, so that its end can be seen.
    owns: bool

    def log(self) -> str:
        """Return what the driver has logged, as far as that is known."""

    def failed(self) -> str:
        """Tell how the driver ended by itself with an error, and its last words; nothing if it did not."""

    async def stop(self) -> float:
        """End the driver with SIGTERM and wait; return the seconds that it took."""

    async def kill(self) -> None:
        """End the driver with SIGKILL."""

    async def start(self) -> None:
        """Start the driver again, after it was stopped or killed."""

    def close(self) -> None:
        """End what the suite started itself."""


class OwnProcess:
    """Runs the driver as a child; its output goes to a file, and it may write a log of its own beside that."""

    can_stop = can_kill = owns = True

    def __init__(self, command: str, log_file: Path | None = None) -> None:
        """Start `command` at once, without a shell."""
        self._command = shlex.split(command)
        self._log_file = log_file
        self._output = tempfile.NamedTemporaryFile(prefix="jackfield-driver-", suffix=".log")  # noqa: SIM115
        self._process = self._run()

    def log(self) -> str:
        return self._said() + _text_of(self._log_file)

    def failed(self) -> str:
        code = self._process.poll()
        return f"the driver's command ended with {code}: {self._said().strip()[-500:]}" if code else ""

    async def stop(self) -> float:
        started = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            await asyncio.to_thread(self._process.wait, STOP_WITHIN + 1)
        return time.monotonic() - started

    async def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    async def start(self) -> None:
        if self._process.poll() is None:
            await self.kill()
        self._process = self._run()

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()

    def _said(self) -> str:
        return _text_of(Path(self._output.name))

    def _run(self) -> subprocess.Popen[bytes]:
        # A child that reads the terminal or dies with its keyboard would be no daemon.
        return subprocess.Popen(
            self._command,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            env=os.environ,
            start_new_session=True,
        )


class Commands:
    """Asks whoever runs the driver, by commands of the operator."""

    owns = False

    def __init__(self, restart: str = "", kill: str = "", log_file: Path | None = None) -> None:
        """`restart` ends the driver if it runs and starts it; `kill` ends it with SIGKILL and leaves it dead."""
        self._restart = restart
        self._kill = kill
        self._log_file = log_file
        self.can_stop = bool(restart)
        self.can_kill = bool(restart and kill)

    def log(self) -> str:
        return _text_of(self._log_file)

    def failed(self) -> str:
        # Whether it runs is for whoever runs it to know.
        return ""

    async def stop(self) -> float:
        # The restart follows from `start`, so that a stop without a start between is not a restart of its own.
        return 0.0

    async def kill(self) -> None:
        await self._shell(self._kill)

    async def start(self) -> None:
        await self._shell(self._restart)

    def close(self) -> None:
        """Leave the driver to whoever runs it."""

    async def _shell(self, command: str) -> None:
        # A pipe would stay open as long as the driver that the command leaves behind.
        with tempfile.TemporaryFile() as output:
            process = await asyncio.create_subprocess_shell(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
            if await process.wait():
                output.seek(0)
                said = output.read().decode(errors="replace")[-500:]
                raise CommandFailed(f"{command!r} ended with {process.returncode}: {said}")


def _text_of(path: Path | None) -> str:
    """Return what a file holds; nothing while it is not there, as a log before its first line."""
    return path.read_text(errors="replace") if path is not None and path.exists() else ""
