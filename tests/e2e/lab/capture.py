"""Look at frames where they pass, since only there can be seen what is really sent."""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from e2e.lab.namespace import Namespace
from support.processes import Process, logs
from support.waiting import wait_until


class Capture:
    """A ``tcpdump`` on an interface, running while the block runs."""

    def __init__(
        self, namespace: Namespace, interface: str, expression: str, *, log: Path, environment: Mapping[str, str]
    ) -> None:
        """Capture what matches *expression*, in the language of pcap-filter(7)."""
        command = ["tcpdump", "--immediate-mode", "-l", "-e", "-n", "-i", interface, expression]
        inside = namespace.inside(command)
        self._process = Process("tcpdump", inside, log=log, ready=logs("listening on"), environment=environment)

    def frames(self) -> list[str]:
        """Return the lines about the frames that matched so far."""
        lines = self._process.output().splitlines()
        return [line for line in lines if ", length " in line and " > " in line]

    def first_frame(self, *, timeout: float = 60.0) -> str:
        """Return the line about the first frame that matched; *timeout* in seconds.

        Raises:
            TimeoutError: None came.
        """
        wait_until(self.frames, what=lambda: f"a frame\n{self._process.output()}", timeout=timeout)
        return self.frames()[0]

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()
