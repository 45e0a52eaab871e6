"""Send an ICMP echo request at exact intervals until SIGTERM, and account for every one.

``python -I pinger.py ADDRESS SECONDS``, inside the namespace that pings. The system's ``ping``
rounds an interval of 10 ms up to the kernel's tick, so it may send at 16 ms, and its count at
the end takes requests under way for lost ones. This one keeps the beat until SIGTERM, or until it
has sent `LEAST` if that is later. What it sends from then on does not count: it is sent because
its reply comes after those to all requests before it, however slow the way is just then. Then it
writes one line of JSON: how many were sent and the numbers, from 1, of those never answered. It
writes "replied" after the first reply.

Runs as a script of its own, so it imports nothing of ours. Messages: RFC 792, RFC 4443.
"""

import json
import os
import selectors
import signal
import socket
import struct
import sys
import time
from contextlib import suppress

LEAST = 30
PATIENCE = 60.0  # Seconds after which a way that answers nothing any more counts as cut.
CLOSING_INTERVAL = 0.1  # Seconds between two requests that do not count.
OVERTAKEN = 1.0  # Seconds that a reply may come later than one to a later request.
HEADER = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence number
NUMBER = struct.Struct("!Q")  # the payload: the sequence number would wrap after eleven minutes
REQUEST_TYPES = {socket.AF_INET: 8, socket.AF_INET6: 128}
REPLY_TYPES = {socket.AF_INET: 0, socket.AF_INET6: 129}


class Pinger:
    """One series of pings to one address."""

    def __init__(self, address: str, interval: float) -> None:
        self._family = socket.AF_INET6 if ":" in address else socket.AF_INET
        protocol = socket.IPPROTO_ICMPV6 if self._family == socket.AF_INET6 else socket.IPPROTO_ICMP
        self._socket = socket.socket(self._family, socket.SOCK_RAW, protocol)
        self._socket.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._address = address
        self._interval = interval
        self._identifier = os.getpid() & 0xFFFF
        self._sent = 0
        self._counted = 0
        self._unanswered: set[int] = set()
        self._stopping = False

    def stop(self) -> None:
        """Send no more."""
        self._stopping = True

    def run(self) -> None:
        """Ping until `stop`, then wait for what is under way."""
        due = time.monotonic()
        while not self._stopping or self._sent < LEAST:
            self._send()
            # What was missed while this process was off the processor is not made up for: so many
            # requests at once would not fit into the buffers on the way.
            due = max(due + self._interval, time.monotonic())
            self._receive_until(due)
        self._counted = self._sent
        self._close()

    def report(self) -> str:
        """Return the account as JSON."""
        return json.dumps({"sent": self._counted, "lost": sorted(self._missing())})

    def _close(self) -> None:
        patience_ends = time.monotonic() + PATIENCE
        while self._missing() and not self._is_overtaken() and time.monotonic() < patience_ends:
            self._send()
            self._receive_until(time.monotonic() + CLOSING_INTERVAL)
        if self._missing():
            self._receive_until(time.monotonic() + OVERTAKEN)

    def _missing(self) -> set[int]:
        return {number for number in self._unanswered if number <= self._counted}

    def _is_overtaken(self) -> bool:
        """Tell whether a request that does not count has been answered."""
        uncounted = set(range(self._counted + 1, self._sent + 1))
        return not uncounted <= self._unanswered

    def _send(self) -> None:
        self._sent += 1
        self._unanswered.add(self._sent)
        # A request that the kernel refuses (no route, no buffer) is a lost one.
        with suppress(OSError):
            self._socket.sendto(self._request(self._sent), (self._address, 0))

    def _request(self, number: int) -> bytes:
        fields = REQUEST_TYPES[self._family], 0
        identity = self._identifier, number & 0xFFFF
        payload = NUMBER.pack(number)
        # The kernel fills in the checksum of ICMPv6, not that of ICMP.
        checksum = internet_checksum(HEADER.pack(*fields, 0, *identity) + payload)
        return HEADER.pack(*fields, checksum, *identity) + payload

    def _receive_until(self, due: float) -> None:
        while self._selector.select(max(0.0, due - time.monotonic())):
            self._receive()

    def _receive(self) -> None:
        packet = self._socket.recv(2048)
        # A raw socket of IPv4 delivers the IP header as well.
        message = packet[(packet[0] & 0x0F) * 4 :] if self._family == socket.AF_INET else packet
        if len(message) < HEADER.size + NUMBER.size:
            return
        kind, _, _, identifier, _ = HEADER.unpack_from(message)
        if kind != REPLY_TYPES[self._family] or identifier != self._identifier:
            return
        if len(self._unanswered) == self._sent:
            print("replied", flush=True)
        self._unanswered.discard(*NUMBER.unpack_from(message, HEADER.size))


def internet_checksum(message: bytes) -> int:
    """Return the checksum of RFC 1071 of a *message* of even length."""
    total: int = sum(struct.unpack(f"!{len(message) // 2}H", message))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def main() -> None:
    """Ping the address of the command line."""
    pinger = Pinger(sys.argv[1], float(sys.argv[2]))
    signal.signal(signal.SIGTERM, lambda *_: pinger.stop())
    pinger.run()
    print(pinger.report(), flush=True)


if __name__ == "__main__":
    main()
