"""A real process under test: started, waited for, killed in every way, stopped for certain.

A process writes its output to a log file. `Process.start` returns when the process is *ready*,
which is a look at something it serves (a socket that accepts, a URL that answers 200, a line of
its log); when it dies or dawdles instead, the error shows the end of the log, since that is
where the cause is. The same object starts again after a kill, into the same log.

    driver = Process("ovs", ["jackfield-ovs", "driver"], log=tmp_path / "ovs.log", ready=accepts(socket))
    with driver:
        driver.kill()
        driver.start()

Nothing is started with a shell or as a daemon, so the process id is the process itself, and it
is waited for: no zombies, no names to look up. Should this process be killed, what it has started
is ended all the same (`support.reaper`).
"""

import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Self

from support.reaper import watch
from support.waiting import wait_until

ANSWER = 20.0
"""Seconds that a process gets for the answer that shows that it is ready."""

Ready = Callable[["Process"], bool]
"""A look at a process that runs: is it ready to serve?"""


class ProcessFailed(RuntimeError):
    """A process ended, or was not ready in time; the message ends with the tail of its log."""


def accepts(path: Path) -> Ready:
    """Ready when the Unix socket at *path* accepts; a file that a killed process left does not count."""

    def connects(_: "Process") -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(path)) == 0

    return connects


def answers(url: str) -> Ready:
    """Ready when a GET of *url* is answered 200."""
    # Straight to the address: a proxy of the environment knows nothing of this machine's loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def responds(_: "Process") -> bool:
        try:
            # A busy machine may need seconds for an answer, and whoever looks again would wait as long.
            with opener.open(url, timeout=ANSWER) as response:
                return bool(response.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    return responds


def logs(text: str) -> Ready:
    """Ready when the process has written *text* since its last start."""
    return lambda process: text in process.output()


def running(_: "Process") -> bool:
    """Ready at once; for a process that serves nothing which could be looked at."""
    return True


def start_together(processes: Iterable["Process"]) -> None:
    """Start processes that do not need each other's readiness; return once all are ready.

    Raises:
        ProcessFailed: One was not; whoever describes the processes stops the others.
    """
    launched = list(processes)
    for process in launched:
        process.launch()
    for process in launched:
        process.wait_ready()


def interrupt_on_sigterm() -> None:
    """Make SIGTERM end this process as Ctrl-C does, by KeyboardInterrupt: blocks clean up behind them."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class Process:
    """One process that a test starts, disturbs and stops."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        ready: Ready = running,
        timeout: float = 120.0,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> None:
        """Describe the process; nothing runs yet.

        Args:
            name: What errors call it.
            command: Program and arguments.
            log: File that gets standard output and standard error, appended.
            ready: Decides when `start` returns.
            timeout: Seconds until `start` gives up.
            environment: Variables on top of this process's own.
            directory: Working directory.

        """
        self.name = name
        self.command = [str(part) for part in command]
        self.log = log
        self._ready = ready
        self._timeout = timeout
        self._environment = dict(environment or {})
        self._directory = directory
        self._child: subprocess.Popen[bytes] | None = None
        self._log_offset = 0

    @property
    def pid(self) -> int:
        """Process id of the running process."""
        return self._running_child().pid

    @property
    def alive(self) -> bool:
        """Whether the process has been started and has not ended."""
        return self._child is not None and self._child.poll() is None

    def start(self) -> Self:
        """Start the process and return once it is ready.

        Raises:
            ProcessFailed: It ended at once or was not ready in time; it is stopped then.

        """
        if self.alive:
            raise RuntimeError(f"{self.name} runs already")
        self.launch()
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def launch(self) -> None:
        """Start the process without waiting for it."""
        watch()
        with self.log.open("ab") as log:
            self._log_offset = log.tell()
            # A session of its own: Ctrl-C at the terminal reaches the test, which decides the order.
            self._child = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=os.environ | self._environment,
                cwd=self._directory,
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        """Return once the launched process is ready.

        Raises:
            ProcessFailed: It ended or was not ready in time.

        """
        try:
            wait_until(self._ready_or_dead, what="readiness", timeout=self._timeout)
        except TimeoutError:
            raise ProcessFailed(f"{self.name} was not ready after {self._timeout:g} s{self._evidence()}") from None

    def stop(self, timeout: float = 30.0) -> int | None:
        """End the process politely, then by force after *timeout* seconds; return its exit status.

        Does nothing (and returns None) when it does not run.
        """
        if self._child is None:
            return None
        if self.alive:
            self._child.terminate()
            # A suspended process gets SIGTERM only when it continues.
            self._child.send_signal(signal.SIGCONT)
        try:
            status = self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            self._child.kill()
            status = self._child.wait()
        self._child = None
        return status

    def kill(self) -> None:
        """End the process with SIGKILL: no clean-up, no last words."""
        child = self._running_child()
        child.kill()
        child.wait()
        self._child = None

    def suspend(self) -> None:
        """Stop the process in its tracks (SIGSTOP): sockets stay open, nothing answers."""
        self._running_child().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a suspended process go on."""
        self._running_child().send_signal(signal.SIGCONT)

    def output(self) -> str:
        """Return what the process has written since its last start."""
        with self.log.open("rb") as log:
            log.seek(self._log_offset)
            return log.read().decode(errors="replace")

    def __enter__(self) -> Self:
        return self if self.alive else self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _ready_or_dead(self) -> bool:
        if not self.alive:
            status = self._child.returncode if self._child else None
            raise ProcessFailed(f"{self.name} ended with status {status} before it was ready{self._evidence()}")
        return self._ready(self)

    def _running_child(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            raise RuntimeError(f"{self.name} does not run")
        return self._child

    def _evidence(self, lines: int = 40) -> str:
        tail = "\n".join(self.output().splitlines()[-lines:])
        return f"\n$ {' '.join(self.command)}\n{tail}"
