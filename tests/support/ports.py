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
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
