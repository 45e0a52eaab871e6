"""A process that begins as a copy of this one, for guests whose processor is emulated.

To import what an agent is made of takes such a processor ten seconds, for every agent again. So
this process imports it once, and an agent is a fork that enters its namespace and runs the
program's own entry point. Everything else about it is that of a `Process`.
"""

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from e2e.lab.namespace import Namespace
from pyroute2 import netns
from support.processes import Process

_FORK = multiprocessing.get_context("fork")


class Forked(Process):
    """Runs the function ``main`` of a module as if it were started as a program."""

    def __init__(
        self,
        name: str,
        namespace: Namespace,
        module: str,
        arguments: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str],
    ) -> None:
        """Describe the process; nothing runs yet."""
        super().__init__(name, [module, *arguments], log=log, environment=environment)
        self._namespace = namespace.name
        self._module = module

    def launch(self) -> None:
        """Fork, without waiting for what becomes of it."""
        importlib.import_module(self._module)
        with self.log.open("ab") as log:
            self._log_offset = log.tell()
            copy = _FORK.Process(target=self._become, args=(log.fileno(),))
            copy.start()
        self._child = cast("subprocess.Popen[bytes]", _Child(copy))

    def _become(self, log: int) -> None:
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        for output in (1, 2):
            os.dup2(log, output)
        # This process may have replaced its own streams, to catch what tests print.
        sys.stdout, sys.stderr = os.fdopen(1, "w", buffering=1), os.fdopen(2, "w", buffering=1)
        os.environ.update(self._environment)
        netns.setns(self._namespace)
        sys.argv = self.command
        importlib.import_module(self._module).main()


class _Child:
    """The part of `subprocess.Popen` that `Process` uses, of a fork."""

    def __init__(self, copy: "multiprocessing.context.ForkProcess") -> None:
        self._copy = copy
        self.pid = copy.pid
        self.terminate = copy.terminate
        self.kill = copy.kill

    @property
    def returncode(self) -> int | None:
        return self._copy.exitcode

    def poll(self) -> int | None:
        return self._copy.exitcode

    def send_signal(self, number: int) -> None:
        if self._copy.pid is not None and self._copy.is_alive():
            os.kill(self._copy.pid, number)

    def wait(self, timeout: float | None = None) -> int:
        self._copy.join(timeout)
        if self._copy.exitcode is None:
            raise subprocess.TimeoutExpired(self._copy.name, timeout or 0)
        return self._copy.exitcode
