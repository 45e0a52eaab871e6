"""A road to a switch on which connections die without either end hearing of it, as in a firewall that restarts."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Self


class Road:
    """Forwards connections from `port` to a switch; a context manager."""

    def __init__(self, switch_port: int) -> None:
        self._switch_port = switch_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = []
        self._swallowed: list[threading.Event] = []
        self._carriers: list[threading.Thread] = []
        self._porter = threading.Thread(target=self._welcome)

    def swallow(self) -> None:
        """Lose whatever is sent on the connections that there are, also their ends; new ones are welcome."""
        for lost in self._swallowed:
            lost.set()

    def __enter__(self) -> Self:
        self._porter.start()
        return self

    def __exit__(self, *_: object) -> None:
        for one in (self._listener, *self._ends):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._porter.join()
        for carrier in self._carriers:
            carrier.join()
        for one in (self._listener, *self._ends):
            one.close()

    def _welcome(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._ends.append(near)
                far = socket.create_connection(("127.0.0.1", self._switch_port))
                self._ends.append(far)
                lost = threading.Event()
                self._swallowed.append(lost)
                for source, sink in ((near, far), (far, near)):
                    carrier = threading.Thread(target=_carry, args=(source, sink, lost))
                    self._carriers.append(carrier)
                    carrier.start()


def _carry(source: socket.socket, sink: socket.socket, lost: threading.Event) -> None:
    with suppress(OSError):
        while said := source.recv(65536):
            if not lost.is_set():
                sink.sendall(said)
    if not lost.is_set():
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
