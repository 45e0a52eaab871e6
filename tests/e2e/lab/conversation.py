"""One TCP conversation between two machines, held by this process with a socket in each namespace.

A socket stays in the namespace it was made in, wherever its process goes. So no program has to
run inside a machine, and both ends are held by one hand: what one sends is what the other gets.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from e2e.lab.namespace import Namespace
from pyroute2 import netns
from support.waiting import PATIENCE

PORT = 7
_SECONDS = 60.0


def echo(client: Namespace, server: Namespace, address: str, payload: bytes) -> bytes:
    """Send *payload* from *client* to *server* at *address*, and return what it sends back.

    *payload* has to fit into the buffers on the way: 32 KiB do.

    Raises:
        OSError: No connection, or silence on it.
    """
    with _socket_in(server, address) as listener, _socket_in(client, address) as near:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, PORT))
        listener.listen()
        near.connect((address, PORT))
        far, _ = listener.accept()
        with far:
            far.settimeout(_SECONDS * PATIENCE)
            near.sendall(payload)
            far.sendall(_receive(far, len(payload)))
            return _receive(near, len(payload))


@contextmanager
def _socket_in(namespace: Namespace, address: str) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    netns.pushns(namespace.name)
    try:
        end = socket.socket(family)
    finally:
        netns.popns()
    with end:
        end.settimeout(_SECONDS * PATIENCE)
        yield end


def _receive(end: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        chunk = end.recv(size - len(received))
        if not chunk:
            break
        received += chunk
    return received
