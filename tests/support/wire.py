"""A network card in a namespace, seen as a wire: whole frames go in and come out.

`arrivals` tells which of a table of frames (`support.spoofing`) get from one card to another. Nothing is waited
for by the clock: a frame that surely passes is sent behind the others again and again, and once it is heard, what
was sent before it has arrived or never will.
"""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from pyroute2 import netns

from support import frames
from support.spoofing import Case
from support.waiting import PATIENCE

_ALL = 0x0003
_RECEIVE_BUFFER = 1 << 22
_SECONDS = 20.0
_AGAIN = 0.5

_numbers = itertools.count(1)


class Wire:
    """A raw socket on an interface in a network namespace; a context manager."""

    def __init__(self, namespace: str, interface: str) -> None:
        with ThreadPoolExecutor(1, initializer=netns.setns, initargs=(namespace,)) as inside:
            self._socket = inside.submit(_raw_socket, interface).result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, frame: bytes) -> None:
        """Send a frame as it is."""
        self._socket.send(frame)

    def heard(self, seconds: float) -> set[int]:
        """Return the marks of the frames that have arrived, or arrive first within some seconds."""
        marks: set[int] = set()
        self._socket.settimeout(seconds)
        try:
            while True:
                frame, address = self._socket.recvfrom(65536)
                if address[2] != socket.PACKET_OUTGOING and (number := frames.mark_in(frame)) is not None:
                    marks.add(number)
                    self._socket.settimeout(0)
        except (TimeoutError, BlockingIOError):
            return marks

    def heard_until(self, number: int, *, seconds: float = _SECONDS) -> set[int]:
        """Return the marks of the frames that arrive up to the one with a number.

        Raises:
            TimeoutError: It does not arrive.
        """
        heard: set[int] = set()
        deadline = time.monotonic() + seconds * PATIENCE
        while number not in heard:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the frame with the mark {number} does not arrive")
            heard |= self.heard(_AGAIN)
        return heard


def arrivals(speaker: Wire, listener: Wire, cases: Sequence[Case], witness: Case) -> dict[str, bool]:
    """Send the frames of all cases and tell for each whether it arrived; *witness* is a frame that must.

    Frames that should arrive are sent again for up to 20 s, those that should not only once.
    """
    sent = {case: next(_numbers) for case in cases}
    heard = _until_witnessed(speaker, listener, witness)
    deadline = time.monotonic() + _SECONDS * PATIENCE
    waiting = list(cases)
    while waiting and time.monotonic() < deadline:
        for case in waiting:
            speaker.send(case.make(frames.mark(sent[case])))
        heard |= _until_witnessed(speaker, listener, witness)
        waiting = [case for case in cases if case.passes and sent[case] not in heard]
    heard |= _until_witnessed(speaker, listener, witness)
    return {case.name: number in heard for case, number in sent.items()}


def _until_witnessed(speaker: Wire, listener: Wire, witness: Case) -> set[int]:
    heard: set[int] = set()
    number = next(_numbers)
    deadline = time.monotonic() + _SECONDS * PATIENCE
    while number not in heard:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{witness.name} does not arrive: is the port wired?")
        speaker.send(witness.make(frames.mark(number)))
        heard |= listener.heard(_AGAIN)
    return heard


def _raw_socket(interface: str) -> socket.socket:
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL))
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
    raw.bind((interface, _ALL))
    return raw
