"""Devices that belong to the guests alone: the host takes no IPv6 address on them.

Netlink has no request for it, so it is written to /proc/sys/net, which shows the settings of the
agent's own network namespace.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

_SETTINGS = Path("/proc/sys/net/ipv6/conf")
_LISTENING = ("accept_ra", "autoconf")


def refuse_ipv6(device: str) -> None:
    """Keep the host from having IPv6 addresses on a device.

    Where the kernel's settings may not be written, as in some containers, the device works all the
    same, and the host has a link-local address on it.
    """
    _write(device, "1")


def allow_ipv6(device: str, *, like: str = "") -> None:
    """Let the host have IPv6 addresses on a device, and listen to routers there as on the other one."""
    for setting in _LISTENING if like else ():
        with contextlib.suppress(OSError):
            _write(device, (_SETTINGS / like / setting).read_text(), setting)
    _write(device, "0")


def _write(device: str, value: str, setting: str = "disable_ipv6") -> None:
    try:
        (_SETTINGS / device / setting).write_text(value)
    except OSError as error:
        log.debug("ipv6.left_as_it_is", device=device, reason=error.strerror)
