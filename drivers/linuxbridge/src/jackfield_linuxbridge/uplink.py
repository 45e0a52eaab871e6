"""An operator's device becomes a port of a bridge, and the host keeps its addresses.

Linux answers for an address on any of its devices, but sends by the device that the route names, and
a device sends whether or not it is a port of a bridge. So the bridge gets the device's MAC address
and a copy of its addresses first, then the device joins the bridge, and then its routes and its own
copies of the addresses go. On the way back the device leaves the bridge last, and knows its
neighbours from the bridge: it could not hear their answers before. Neighbours notice
nothing, and established connections live on.

Every step looks before it writes. One that fails has all steps undone that were done, and an agent
that dies between two steps leaves a host that its successor goes on with: whatever addresses and
routes are on the wrong device are moved, whoever put them there. An uplink that left its bridge without
the agent gets them after it.

A bridge that somebody deletes takes the addresses with it. So the agent remembers what was on each
bridge, and puts it on the one that it makes instead.

Link-local addresses of IPv6 belong to a device and stay. Routes over several next hops and routes
to a next hop object name the device in a way that cannot be moved alone: such an uplink is refused.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from socket import AF_INET, AF_INET6
from typing import Any

import structlog
from jackfield_sdk import RetryLater
from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from jackfield_linuxbridge.errors import kernel_error, refusal
from jackfield_linuxbridge.ipv6 import allow_ipv6

log = structlog.get_logger(__name__)

# The arguments of a netlink request.
_Address = dict[str, Any]
_Route = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Kept:
    """What a bridge with some number had."""

    index: int
    addresses: list[_Address]
    routes: list[_Route]


_UP = 1  # IFF_UP
_SCOPE_LINK = 253  # RT_SCOPE_LINK
_NODAD = 0x02  # IFA_F_NODAD
_PERMANENT = 0x80  # IFA_F_PERMANENT
_KEPT_FLAGS = 0x100 | 0x200  # IFA_F_MANAGETEMPADDR, IFA_F_NOPREFIXROUTE
_KNOWN = 0x02 | 0x04 | 0x08 | 0x10  # NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE
_BY_KERNEL = 2  # RTPROT_KERNEL
_UNICAST = 1  # RTN_UNICAST
_ONLINK = 4  # RTNH_F_ONLINK
_ROUTE_ATTRIBUTES = {f"RTA_{name}" for name in ("TABLE", "DST", "OIF", "GATEWAY", "PREFSRC", "PRIORITY", "METRICS")} | {
    "RTA_CACHEINFO",  # counters
    "RTA_PREF",  # the preference that a router told, RFC 4191
}


class Uplinks:
    """Moves an uplink's addresses and routes. Its calls block."""

    def __init__(self, netlink: IPRoute) -> None:
        """Take the lane's socket."""
        self._netlink = netlink
        self._kept: dict[str, _Kept] = {}

    def take(self, uplink: str, bridge: str) -> None:
        """Make the uplink a port of the bridge, which gets its addresses and routes.

        RetryLater if it cannot be done; everything is as before then.
        """
        with self._undoing(f"cannot put {uplink} into {bridge}") as undo:
            source, target = self._index(uplink), self._index(bridge)
            self._ensure_mac(source, target)
            self._move(uplink, bridge, target, undo)
            self._ensure_up(source)
            self._restore(bridge, target, undo)
            routes = [_route(message) for message in self._over(target) if not _unmovable(message)]
            kept = _Kept(target, self._addresses(target), routes)
            # One that somebody deleted in the middle had nothing to remember: the uplink gets all back.
            self._link(target)
            self._kept[bridge] = kept

    def give_back(self, uplink: str, bridge: str) -> None:
        """Take the uplink out of the bridge, with the addresses and routes that the bridge has.

        If it has left already they follow it: to the bridge that it is a port of now, or to itself.
        RetryLater if it cannot be done; everything is as before then.
        """
        with self._undoing(f"cannot take {uplink} out of {bridge}") as undo:
            master = self._link(self._index(uplink)).get("master") or 0
            if master == self._index(bridge):
                self._move(bridge, uplink, 0, undo, port=uplink)
            else:
                self._move(bridge, self._bridge_of(uplink, master), master, undo, port=uplink)
            self._kept.pop(bridge, None)

    def has_addresses(self, bridge: str) -> bool:
        """Return whether the host has addresses on a bridge; RetryLater if the kernel does not tell."""
        try:
            return any(self._addresses(index) for index in self._netlink.link_lookup(ifname=bridge))
        except (NetlinkError, OSError) as error:
            raise kernel_error(f"cannot look for addresses on {bridge}", error) from error

    def _bridge_of(self, uplink: str, master: int) -> str:
        """Return the device that has an uplink's addresses: its bridge, or itself if its master is none."""
        if not master:
            return uplink
        seen = self._link(master)
        info = seen.get("linkinfo")
        return str(seen.get("ifname")) if info is not None and info.get("kind") == "bridge" else uplink

    @contextmanager
    def _undoing(self, what: str) -> Iterator[ExitStack]:
        """Undo in reverse what was pushed, if the body fails."""
        with ExitStack() as undo:
            try:
                yield undo
            except (NetlinkError, OSError) as error:
                raise kernel_error(what, error) from error
            undo.pop_all()

    def _move(self, source: str, target: str, master: int, undo: ExitStack, *, port: str = "") -> None:
        here, there, uplink = self._index(source), self._index(target), self._index(port or source)
        addresses, routes = self._addresses(here), self._routes(source, here)
        if any(address["family"] == AF_INET6 for address in addresses):
            allow_ipv6(target, like=source)
        for address in addresses:
            self._add_address(there, address, undo)
        self._introduce(here, there)
        if master:
            self._set_master(uplink, master, undo)
        for route in routes:
            self._replace_route(route, here, there, undo)
        # With the first address of a block the kernel removes the others.
        for address in reversed(addresses):
            self._remove_address(here, address, undo)
        if not master:
            self._set_master(uplink, 0, undo)
        if addresses or routes:
            log.info("uplink.moved", source=source, target=target, addresses=len(addresses), routes=len(routes))

    def _restore(self, bridge: str, index: int, undo: ExitStack) -> None:
        """Give a bridge that was made anew what the one before it had."""
        kept = self._kept.get(bridge)
        if kept is None or kept.index == index:
            return
        if any(address["family"] == AF_INET6 for address in kept.addresses):
            allow_ipv6(bridge)
        for address in kept.addresses:
            self._add_address(index, address, undo)
        for route in kept.routes:
            self._netlink.route("replace", oif=index, **route)
        log.info("uplink.restored", bridge=bridge, addresses=len(kept.addresses), routes=len(kept.routes))

    def _introduce(self, here: int, there: int) -> None:
        """Have a device know the neighbours of the other one; who cannot be introduced is asked for later."""
        for message in self._netlink.neigh("dump", ifindex=here):
            if message["state"] & _KNOWN and message.get("lladdr") is not None:
                with contextlib.suppress(NetlinkError):
                    known = {"dst": message.get("dst"), "lladdr": message.get("lladdr")}
                    self._netlink.neigh("replace", ifindex=there, state="stale", family=message["family"], **known)

    def _add_address(self, index: int, address: _Address, undo: ExitStack) -> None:
        try:
            self._netlink.addr("add", index=index, **address)
        except NetlinkError as error:
            if error.code != errno.EEXIST:
                raise
            return
        undo.callback(self._quietly, lambda: self._netlink.addr("del", index=index, **_named(address)))

    def _remove_address(self, index: int, address: _Address, undo: ExitStack) -> None:
        self._netlink.addr("del", index=index, **_named(address))
        undo.callback(self._quietly, lambda: self._netlink.addr("add", index=index, **address))

    def _set_master(self, index: int, master: int, undo: ExitStack) -> None:
        before = self._link(index).get("master") or 0
        if before != master:
            self._netlink.link("set", index=index, master=master)
            undo.callback(self._quietly, lambda: self._netlink.link("set", index=index, master=before))

    def _replace_route(self, route: _Route, here: int, there: int, undo: ExitStack) -> None:
        self._netlink.route("replace", oif=there, **route)
        undo.callback(self._quietly, lambda: self._netlink.route("replace", oif=here, **route))

    def _ensure_mac(self, source: int, target: int) -> None:
        mac_address = self._link(source).get("address")
        if self._link(target).get("address") != mac_address:
            self._netlink.link("set", index=target, address=mac_address)

    def _ensure_up(self, index: int) -> None:
        if not self._link(index)["flags"] & _UP:
            self._netlink.link("set", index=index, state="up")

    def _quietly(self, step: Callable[[], object]) -> None:
        # The host is put back as far as it goes; the failure that led here is the one to tell.
        try:
            step()
        except (NetlinkError, OSError) as error:
            log.error("uplink.not_put_back", reason=refusal(error))

    def _addresses(self, index: int) -> list[_Address]:
        """Return a device's addresses, as the arguments that add them to another one."""
        messages = self._netlink.get_addr(index=index)
        return [_address(message) for message in messages if message["scope"] != _SCOPE_LINK]

    def _routes(self, device: str, index: int) -> list[_Route]:
        """Return the routes over a device; RetryLater if one of them cannot be moved."""
        messages = self._over(index)
        unmovable = sorted({name for message in messages for name in _unmovable(message)})
        if unmovable:
            raise RetryLater(f"a route over {device} has {', '.join(unmovable)}: move it yourself", code="ROUTE_KEPT")
        # The ways to the gateways first.
        return sorted((_route(message) for message in messages), key=lambda route: "gateway" in route)

    def _over(self, index: int) -> list[Any]:
        """Return the routes over a device that somebody made; the kernel makes its own of the addresses."""
        messages = [message for family in (AF_INET, AF_INET6) for message in self._netlink.route("dump", family=family)]
        return [message for message in messages if _is_over(index, message)]

    def _link(self, index: int) -> Any:
        return self._netlink.link("get", index=index)[0]

    def _index(self, name: str) -> int:
        found = self._netlink.link_lookup(ifname=name)
        if not found:
            raise OSError(errno.ENODEV, f"there is no device {name}")
        return int(found[0])


def _address(message: Any) -> _Address:
    address: _Address = {"family": message["family"], "prefixlen": message["prefixlen"], "scope": message["scope"]}
    for name in ("address", "local", "broadcast"):
        if message.get(name) is not None:
            address[name] = message.get(name)
    flags = message.get("flags") & _KEPT_FLAGS
    # The address is in use already: nobody else has it, and it has to work at once.
    address["flags"] = flags | _NODAD if message["family"] == AF_INET6 else flags
    lifetimes = message.get("cacheinfo")
    if not message.get("flags") & _PERMANENT and lifetimes is not None:
        address["cacheinfo"] = lifetimes
    return address


def _named(address: _Address) -> _Address:
    """Return what names an address, without what it is like."""
    return {name: address[name] for name in ("family", "prefixlen", "address", "local") if name in address}


def _is_over(index: int, message: Any) -> bool:
    """Return whether a route leads over a device by somebody's order."""
    hops = message.get("multipath") or ()
    over = message.get("oif") == index or any(hop["oif"] == index for hop in hops)
    return over and message["proto"] != _BY_KERNEL and message["type"] == _UNICAST


def _unmovable(message: Any) -> set[str]:
    """Return what a route has that no argument of a request stands for."""
    return {name for name, _ in message["attrs"]} - _ROUTE_ATTRIBUTES


def _route(message: Any) -> _Route:
    """Return the arguments that make a route again, over whichever device."""
    route: _Route = {name: message[name] for name in ("family", "proto", "scope", "type", "tos")}
    route |= {"dst": f"{message.get('dst')}/{message['dst_len']}" if message.get("dst") else "default"}
    route |= {"table": message.get("table"), "flags": message["flags"] & _ONLINK}
    for name in ("gateway", "prefsrc", "priority"):
        if message.get(name) is not None:
            route[name] = message.get(name)
    if message.get("metrics") is not None:
        metrics = message.get("metrics")["attrs"]
        route["metrics"] = {name.removeprefix("RTAX_").lower(): value for name, value in metrics}
    return route
