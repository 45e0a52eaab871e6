"""One frame that a guest hears, as tcpdump shows it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from support.hosts import Namespace, eventually


class Overheard:
    """What a guest hears of the frames that are waited for."""

    def __init__(self, capture: subprocess.Popen[str]) -> None:
        self._capture = capture

    def frame(self) -> str:
        """Wait for the first of the frames, and return it with its addresses."""
        eventually(lambda: self._capture.poll() == 0, "a frame to be heard")
        assert self._capture.stdout is not None
        return self._capture.stdout.read()


@contextmanager
def overhearing(guest: Namespace, expression: str) -> Iterator[Overheard]:
    """Listen at a guest's card for frames that match *expression*; every frame sent in the block is heard."""
    tcpdump = ["tcpdump", "--immediate-mode", "-l", "-e", "-n", "-c", "1", "-i", "eth0", expression]
    capture = subprocess.Popen(
        ["ip", "netns", "exec", guest.name, *tcpdump], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert capture.stderr is not None
        while "listening on" not in (line := capture.stderr.readline()):
            assert line, "tcpdump ended"
        yield Overheard(capture)
    finally:
        capture.kill()
        capture.communicate()
