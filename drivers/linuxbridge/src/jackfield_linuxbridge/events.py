"""A tripwire on netlink: something about the host's links or addresses has changed.

The kernel tells every change to whoever listens (rtnetlink(7)): a guest's tap that appears, a bridge that
somebody deletes, an address that an uplink is given. The pass looks at everything anyway, so the messages
are not read, only counted as one. When there are more than the socket can hold, the kernel says so
(ENOBUFS), and that is a change as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable

# RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_GROUPS = 0x1 | 0x10 | 0x100
_LONGEST = 65536


async def watch_host(on_change: Callable[[], None]) -> None:
    """Call `on_change` whenever a link or an address has changed; ends only by being cancelled."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE) as events:
        events.bind((0, _GROUPS))
        # What changed between the first pass and now was told to nobody.
        on_change()
        loop.add_reader(events, lambda: _drain(events, on_change))
        try:
            await asyncio.Event().wait()
        finally:
            loop.remove_reader(events)


def _drain(events: socket.socket, on_change: Callable[[], None]) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            try:
                events.recv(_LONGEST)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
    on_change()
