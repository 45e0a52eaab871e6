"""A TCP port for a process of a test to listen on.

Tests run in several processes at once, and seconds may pass until a server listens on the port
that was picked for it. So whoever picks a port locks the byte of that number in a file that all
share, and nobody else picks it. The kernel lets go of the locks of a process that ends.
"""

import fcntl
import functools
import os
import random
import socket
from pathlib import Path
from typing import IO

_picked: set[int] = set()
"""Ports that this process has picked: its own locks do not stop it."""


def free_port() -> int:
    """Return a TCP port of the loopback that nobody uses, and that nobody is given until this process ends.

    It lies below the range that the kernel gives to clients, so that no outgoing connection
    takes it while a core is down between kill and restart.
    """
    while True:
        port = random.randrange(20000, 30000)
        if _pick(port) and not _is_served(port) and not _is_taken(port):
            return port


def reserve_port() -> socket.socket:
    """Return a socket that keeps a port of the loopback from `free_port` and from itself, until it is closed.

    It is bound and does not listen: connections are refused, and a server that sets SO_REUSEADDR,
    as servers do, may listen on the port.
    """
    while True:
        keeper = socket.socket()
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            port = free_port()
            keeper.bind(("127.0.0.1", port))
        except OSError:
            keeper.close()
        else:
            return keeper


@functools.cache
def _locks() -> IO[bytes]:
    return Path(f"/tmp/jackfield-ports-{os.getuid()}").open("ab")


def _pick(port: int) -> bool:
    """Take the lock of a port, unless somebody has it."""
    if port in _picked:
        return False
    try:
        fcntl.lockf(_locks(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    _picked.add(port)
    return True


def _is_served(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
