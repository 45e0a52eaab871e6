"""How messages are told apart on a NETCONF connection (RFC 6242): by a mark at their end, or in chunks.

A connection begins with the mark, for the greetings; when both sides know ``base:1.1`` it goes on in
chunks, each with its length before it.
"""

import re
from collections.abc import Callable, Iterator
from io import BytesIO

END = b"]]>]]>"
CHUNK = re.compile(rb"\n#(\d+)\n")
END_OF_CHUNKS = b"\n##\n"
CHUNK_BYTES = 60_000

Receive = Callable[[int], bytes]


def messages(said: bytes) -> Iterator[bytes]:
    """Return the messages in all that a client said, greeting first; one that is cut off is left out."""
    framing = Framing(BytesIO(said).read)
    greeting = framing.read()
    framing.in_chunks = greeting is not None and b"urn:ietf:params:netconf:base:1.1" in greeting
    while (message := framing.read()) is not None:
        yield message


class Framing:
    """Takes messages off a stream and puts them on one."""

    def __init__(self, receive: Receive) -> None:
        """Read with *receive*, which returns at most so many bytes, and none at the end."""
        self._receive = receive
        self._buffer = b""
        self.in_chunks = False

    def read(self) -> bytes | None:
        """Return the next message; None at the end of the stream."""
        return self._read_chunks() if self.in_chunks else self._read_marked()

    def wrap(self, message: bytes) -> bytes:
        """Return *message* as it goes over the wire."""
        if not self.in_chunks:
            return message + END
        parts = [message[start : start + CHUNK_BYTES] for start in range(0, len(message), CHUNK_BYTES)]
        return b"".join(b"\n#%d\n%b" % (len(part), part) for part in parts) + END_OF_CHUNKS

    def _read_marked(self) -> bytes | None:
        while END not in self._buffer:
            if not self._fill():
                return None
        message, _, self._buffer = self._buffer.partition(END)
        return message

    def _read_chunks(self) -> bytes | None:
        message = b""
        while True:
            # The longest header that can come: a line feed, "#", ten digits, a line feed.
            while len(self._buffer) < len(END_OF_CHUNKS) or not re.match(rb"\n#(#|\d+)\n", self._buffer):
                if not self._fill():
                    return None
            if self._buffer.startswith(END_OF_CHUNKS):
                self._buffer = self._buffer[len(END_OF_CHUNKS) :]
                return message
            header = CHUNK.match(self._buffer)
            assert header is not None
            end = header.end() + int(header[1])
            while len(self._buffer) < end:
                if not self._fill():
                    return None
            message += self._buffer[header.end() : end]
            self._buffer = self._buffer[end:]

    def _fill(self) -> bool:
        received = self._receive(65536)
        self._buffer += received
        return bool(received)
