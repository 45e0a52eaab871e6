"""What sshd runs as its subsystem ``netconf``: carries bytes between a client and netconfd, and keeps the client's.

``python -I -S relay.py SOCKET PORT FOLDER``. It stands in for netconfd's own ``netconf-subsystem``,
for two reasons. netconfd never answers when a client's greeting and its first request come in one
read, which on a busy machine they do; so the relay hands over a piece only when the server has taken
all before and sleeps. And tests want to see what the driver sends: it is kept in a file of FOLDER.

Runs as a script of its own, so it imports nothing of ours.
"""

import fcntl
import os
import select
import socket
import struct
import sys
import termios
from pathlib import Path

END_OF_GREETING = b"]]>]]>"
POLL = 0.001  # Seconds between two looks at the server while something waits.
# netconfd believes who says this what user comes, because only a local process can.
INTRODUCTION = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<ncx-connect xmlns="http://netconfcentral.org/ns/yuma-ncx" version="1" '
    'user="{user}" address="127.0.0.1" '
    'magic="x56o8937ab17eg922z34rwhobskdbyswfehkpsqq3i55a0an960ccw24a4ek864aOpal1t2p" transport="ssh" port="{port}" />'
    "\n]]>]]>"
)


class Server:
    """The connection to netconfd."""

    def __init__(self, path: str) -> None:
        """Connect to the socket at *path*."""
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        credentials = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        self._process = Path("/proc", str(struct.unpack("3i", credentials)[0]), "stat")

    def is_ready(self) -> bool:
        """Return whether it has read all that it was sent, and done what it could."""
        (unread,) = struct.unpack("i", fcntl.ioctl(self.socket, termios.TIOCOUTQ, b"\0" * 4))
        # It waits for input in sleep ("S"), and nowhere else; the state stands after the program's name.
        return unread == 0 and self._process.read_text().rpartition(")")[2].split()[0] == "S"


class Relay:
    """Carries one session."""

    def __init__(self, server: Server, introduction: bytes, record: Path) -> None:
        self._server = server
        self._waiting = [introduction]
        self._greeting: bytes | None = b""
        self._record = record.open("ab", buffering=0)

    def run(self) -> None:
        """Carry until one side closes."""
        while True:
            timeout = POLL if self._waiting else None
            server = self._server.socket.fileno()
            readable, _, _ = select.select([0, server], [], [], timeout)
            if server in readable and not self._take_from_server():
                return
            if 0 in readable and not self._take_from_client():
                return
            if self._waiting and self._server.is_ready():
                self._server.socket.sendall(self._waiting.pop(0))

    def _take_from_server(self) -> bool:
        answer = self._server.socket.recv(65536)
        while answer:
            written = os.write(1, answer)
            if written == len(answer):
                return True
            answer = answer[written:]
        return False

    def _take_from_client(self) -> bool:
        said = os.read(0, 65536)
        self._record.write(said)
        if self._greeting is None:
            self._waiting.append(said)
            return bool(said)
        self._greeting += said
        greeting, end, rest = self._greeting.partition(END_OF_GREETING)
        if end:
            self._greeting = None
            self._waiting += [greeting + end, rest] if rest else [greeting + end]
        return bool(said)


def main() -> None:
    """Carry the session of the command line."""
    path, port, folder = sys.argv[1:]
    introduction = INTRODUCTION.format(user=os.environ["USER"], port=port).encode()
    try:
        Relay(Server(path), introduction, Path(folder, str(os.getpid()))).run()
    except OSError:
        sys.exit(1)  # One side is gone in the middle.


if __name__ == "__main__":
    main()
