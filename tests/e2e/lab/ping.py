"""Ping in the background while a test disturbs something, then ask what was lost."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from e2e.lab import pinger
from e2e.lab.namespace import Namespace
from support.processes import Process, logs


@dataclass(frozen=True, slots=True)
class PingReport:
    """The account of one background ping."""

    sent: int
    lost: tuple[int, ...]
    """Numbers of the requests without a reply; the first request is number 1."""
    interval: float
    """Seconds between two requests."""

    def __str__(self) -> str:
        beat = f"{self.sent} pings, one every {self.interval * 1000:g} ms"
        return f"{beat}: {len(self.lost)} lost {self.lost}" if self.lost else f"{beat}: none lost"


class BackgroundPing:
    """A ping that runs from entering the block until `stop` or the end of the block."""

    def __init__(self, namespace: Namespace, address: str, *, interval: float, log: Path) -> None:
        command = namespace.inside([sys.executable, "-I", pinger.__file__, address, str(interval)])
        self._process = Process(f"ping of {address}", command, log=log, ready=logs("replied"))
        self._interval = interval

    def __enter__(self) -> Self:
        self._process.start()
        return self

    def stop(self) -> PingReport:
        """Stop and report."""
        # It is patient, and then it reports.
        self._process.stop(timeout=2 * pinger.PATIENCE)
        account = json.loads(self._process.output().splitlines()[-1])
        return PingReport(account["sent"], tuple(account["lost"]), self._interval)

    def __exit__(self, *_: object) -> None:
        self._process.stop()
