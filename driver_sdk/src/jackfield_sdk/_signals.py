"""How a process is told to stop: SIGTERM from its supervisor, SIGINT from a terminal."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable


def on_stop_signals(act: Callable[[], None]) -> None:
    """Call `act` on the running loop when the process is told to stop."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, act)
