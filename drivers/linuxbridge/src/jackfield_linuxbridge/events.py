"""A tripwire on netlink: something about the host's links has changed.

The kernel tells every change of a link to whoever listens (rtnetlink(7), RTMGRP_LINK): a guest's
tap that appears, a bridge that somebody deletes. The pass looks at all links anyway, so the
messages are not read, only counted as one. When there are more than the socket can hold, the
kernel says so (ENOBUFS), and that is a change as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Callable

_RTMGRP_LINK = 1
_LONGEST = 65536


async def watch_links(on_change: Callable[[], None]) -> None:
    """Call `on_change` whenever a link has changed; ends only by being cancelled."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.NETLINK_ROUTE) as link_events:
        link_events.bind((0, _RTMGRP_LINK))
        # What changed between the first pass and now was told to nobody.
        on_change()
        loop.add_reader(link_events, lambda: _drain(link_events, on_change))
        try:
            await asyncio.Event().wait()
        finally:
            loop.remove_reader(link_events)


def _drain(link_events: socket.socket, on_change: Callable[[], None]) -> None:
    with contextlib.suppress(BlockingIOError):
        while True:
            try:
                link_events.recv(_LONGEST)
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
    on_change()
