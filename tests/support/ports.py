"""A TCP port for a process of a test to listen on."""

import random
import socket


def free_port() -> int:
    """Return a TCP port of the loopback that nobody uses.

    It lies below the range that the kernel gives to clients, so that no outgoing connection
    takes it while a core is down between kill and restart.
    """
    while True:
        port = random.randrange(20000, 30000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0 and not _is_taken(port):
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


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False
