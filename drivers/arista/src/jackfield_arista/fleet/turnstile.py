"""One turn at a switch at a time, also among processes.

While a driver is exchanged for its next version, two processes share one memory and work at the same
switches. A turn reads what is wanted and what the switch has, and acts on the difference; what another
process wanted and made meanwhile would be too much in its eyes. So whoever takes a turn holds a lock on a
file (flock(2)) from the first look to the last. The lock of a process that dies is free at once.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from jackfield_arista.device.errors import TurnTaken

# Seconds to wait for the turn of another process, and between two looks: flock(2) knows no time-out.
_PATIENCE: Final = 30.0
_LOOK: Final = 0.02


class Turnstile:
    """What one switch's turns pass through; its file is made beside the memory."""

    def __init__(self, directory: Path, switch: str, patience: float = _PATIENCE) -> None:
        """Wait at most *patience* seconds for another process."""
        self._path = directory / f"{quote(switch, safe='')}.turn"
        self._switch = switch
        self._patience = patience

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Keep other processes away from the switch while the block runs; TurnTaken if one does not end its turn."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self._wait(file)
            yield
        finally:
            # The lock ends with the last descriptor of the file.
            os.close(file)

    def _wait(self, file: int) -> None:
        end = time.monotonic() + self._patience
        while True:
            try:
                return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > end:
                    raise TurnTaken(self._switch, self._path) from None
            time.sleep(_LOOK)
