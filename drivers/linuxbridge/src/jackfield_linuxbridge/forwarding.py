"""Forwarding entries of tunnels: which MAC address is behind which endpoint.

A VXLAN device has entries of its own, MAC address to endpoint, and those of the zero address are
where it sends what has no entry. For GRE each endpoint has a device, and the bridge's table says
which MAC address is behind which. Entries are read once for each device and after that only
written: the agent remembers what it wrote, until an audit makes it forget or a device is changed.

What a bridge learned from a VXLAN device is removed with the entry it came by: a port that has just
moved here is looked for here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Any

import structlog
from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from jackfield_linuxbridge.desired import FLOOD, PlannedNetwork
from jackfield_linuxbridge.errors import kernel_error
from jackfield_linuxbridge.observed import Observed

log = structlog.get_logger(__name__)

_SELF, _MASTER = 0x02, 0x04  # NTF_SELF, NTF_MASTER
_STATIC = 0x40  # NUD_NOARP: neither ages nor belongs to the host

Entry = tuple[str, str]


class Forwarding:
    """The entries of all tunnel devices. Its calls block."""

    def __init__(self, netlink: IPRoute) -> None:
        """Take the lane's socket."""
        self._netlink = netlink
        # By number, because a device that was made anew has a new one, and no entries.
        self._written: dict[int, frozenset[Entry]] = {}

    def forget(self) -> None:
        """Read all entries in the next pass."""
        self._written.clear()

    def doubt(self, network: PlannedNetwork, observed: Observed) -> None:
        """Read a network's entries in this pass: a port that leaves its bridge leaves its entries behind."""
        for carrier in network.carriers:
            if carrier.name in observed.links:
                self._written.pop(observed.links[carrier.name].index, None)

    def ensure(self, network: PlannedNetwork, observed: Observed) -> None:
        """Have the network's entries and no others; RetryLater with the kernel's words if it refuses."""
        for carrier in network.carriers:
            seen = observed.links.get(carrier.name)
            if seen is None:
                continue
            try:
                if carrier.kind == "vxlan":
                    self._ensure_own(seen.index, network.destinations)
                elif carrier.kind == "gretap":
                    self._ensure_bridged(seen.index, network.behind.get(carrier.name, frozenset()))
            except (NetlinkError, OSError) as error:
                self._written.pop(seen.index, None)
                raise kernel_error(f"cannot write the forwarding entries of {carrier.name}", error) from error

    def _ensure_own(self, index: int, wanted: frozenset[Entry]) -> None:
        there = self._there(index, _SELF)
        unicast = {mac for mac, _ in wanted if mac != FLOOD}
        for mac, endpoint in sorted(there - wanted):
            # An entry of one address that only changes its endpoint is replaced below.
            if mac not in unicast:
                self._fdb("del", index, mac, _SELF, endpoint)
            if mac != FLOOD:
                self._unlearn(index, mac)
        for mac, endpoint in sorted(wanted - there):
            self._fdb("append" if mac == FLOOD else "replace", index, mac, _SELF, endpoint)
        self._written[index] = wanted

    def _ensure_bridged(self, index: int, macs: Iterable[str]) -> None:
        wanted = frozenset((mac, "") for mac in macs)
        there = self._there(index, _MASTER)
        for mac, _ in sorted(there - wanted):
            # It may have moved to another port of the bridge, and is not ours to remove then.
            with contextlib.suppress(NetlinkError):
                self._fdb("del", index, mac, _MASTER)
        for mac, _ in sorted(wanted - there):
            self._fdb("replace", index, mac, _MASTER)
        self._written[index] = wanted

    def _unlearn(self, index: int, mac: str) -> None:
        with contextlib.suppress(NetlinkError):
            self._fdb("del", index, mac, _MASTER)

    def _fdb(self, verb: str, index: int, mac: str, flags: int, endpoint: str = "") -> None:
        where = {"dst": endpoint} if endpoint else {"state": _STATIC}
        self._netlink.fdb(verb, ifindex=index, lladdr=mac, flags=flags, **where)

    def _there(self, index: int, flags: int) -> frozenset[Entry]:
        if index not in self._written:
            entries = self._netlink.fdb("dump", ifindex=index)
            self._written[index] = frozenset(_entry(entry) for entry in entries if _ours(entry, flags))
        return self._written[index]


def _ours(entry: Any, flags: int) -> bool:
    """Return whether an entry is of the kind that this module writes: not learned, not the host's own."""
    if flags == _SELF:
        return bool(entry["flags"] & _SELF) and entry.get("dst") is not None
    return entry.get("master") is not None and entry["state"] == _STATIC


def _entry(entry: Any) -> Entry:
    return entry.get("lladdr"), entry.get("dst") or ""
