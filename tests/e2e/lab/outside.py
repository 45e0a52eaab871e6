"""The control plane of a cloud in a guest: it runs on the machine around the guest.

The guest's network card leads to it by TCP. Agents run in the namespaces of their hosts, which
have no such card; but a Unix socket is found from every namespace, so a relay takes the agents'
connections there and carries them over, byte by byte.
"""

import os
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

API = "JACKFIELD_OUTSIDE_API"
NODES = "JACKFIELD_OUTSIDE_NODES"
_CHUNK = 1 << 16


class Outside:
    """A control plane that is there already; a context manager."""

    def __init__(self, url: str, nodes: str, socket_path: Path) -> None:
        """Reach the API at *url* and the node service at *nodes*, ``address:port``, from *socket_path* on."""
        self.url = url
        self.nodes_socket = socket_path
        self._relay = _Relay(socket_path, nodes)

    def __enter__(self) -> Self:
        self._relay.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._relay.stop()


def outside(directory: Path) -> Outside | None:
    """Return the control plane around this guest, reached through a socket in *directory*; None if this is no guest."""
    if API not in os.environ:
        return None
    return Outside(os.environ[API], os.environ[NODES], directory / "nodes.sock")


class _Relay:
    """Carries every connection to a Unix socket on to an address."""

    def __init__(self, path: Path, target: str) -> None:
        self._path = path
        host, _, port = target.rpartition(":")
        self._target = host, int(port)
        self._listener = socket.socket(socket.AF_UNIX)

    def start(self) -> None:
        self._listener.bind(str(self._path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        # It wakes up the thread that accepts; closing alone would not.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=_carry, args=(source, sink), daemon=True).start()


def _carry(source: socket.socket, sink: socket.socket) -> None:
    """Carry one direction until its end, then end both."""
    with suppress(OSError):
        while chunk := source.recv(_CHUNK):
            sink.sendall(chunk)
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
