"""What was done to whom, and when: the first thing to read after a failure."""

import time
from collections.abc import Callable


class Timeline:
    """Notes events in order, and shows each one as it comes to *show*."""

    def __init__(self, show: Callable[[str], object] = lambda _line: None) -> None:
        self._began = time.monotonic()
        self._show = show
        self.lines: list[str] = []

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def note(self, whom: str, what: str) -> None:
        """Note that something happened to somebody."""
        line = f"{self.seconds:8.3f}  {whom:<24} {what}"
        self.lines.append(line)
        self._show(line)
