"""The kernel's links: look at all of them, do one operation.

Everything goes through one netlink socket of pyroute2, which belongs to the lane's thread.
"""

from __future__ import annotations

import errno
from typing import Any

import structlog
from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from jackfield_linuxbridge.antispoof_learning import ignore_link_local_groups
from jackfield_linuxbridge.desired import Device
from jackfield_linuxbridge.difference import (
    AddName,
    Change,
    Make,
    Operation,
    Remove,
    RemoveBridge,
    RemoveName,
    ReturnUplink,
    TakeUplink,
)
from jackfield_linuxbridge.errors import code_of, kernel_error
from jackfield_linuxbridge.ipv6 import refuse_ipv6
from jackfield_linuxbridge.layout import Layout, Mark
from jackfield_linuxbridge.observed import Observed, ObservedLink
from jackfield_linuxbridge.uplink import Uplinks

log = structlog.get_logger(__name__)

_UP = 1  # IFF_UP
_SKIP_STATS = 8  # RTEXT_FILTER_SKIP_STATS: two thirds of the time would go into counters
_KEYED = 0x2000  # GRE_KEY: the tunnel has a key (RFC 2890)


class Kernel:
    """One network namespace's links. Its calls block."""

    def __init__(self, layout: Layout) -> None:
        """Open the socket in the calling thread, which has to make all other calls."""
        self._layout = layout
        self.netlink = IPRoute()
        self._indexes: dict[str, int] = {}
        self._uplinks = Uplinks(self.netlink)

    def close(self) -> None:
        """Close the socket; the links stay."""
        self.netlink.close()

    def look(self) -> Observed:
        """Return the links as they are now; RetryLater if the kernel does not tell."""
        try:
            messages = list(self.netlink.link("dump", ext_mask=_SKIP_STATS))
        except (NetlinkError, OSError) as error:
            raise kernel_error("cannot list the devices", error) from error
        names = {message["index"]: message.get("ifname") for message in messages}
        links = [_link(message, names, self._layout) for message in messages]
        self._indexes = {link.name: link.index for link in links}
        return Observed({link.name: link for link in links})

    def do(self, operation: Operation) -> None:
        """Do an operation; RetryLater with the device's name and the kernel's words if it fails."""
        match operation:
            case Make(device):
                self._make(device)
            case Change():
                self._change(operation)
            case AddName(name, other_name):
                self._rename("property_add", name, other_name)
            case RemoveName(name, other_name):
                self._rename("property_del", name, other_name)
            case Remove(name):
                self._remove(name)
            case RemoveBridge(name):
                self._remove_bridge(name)
            case TakeUplink(uplink, bridge):
                self._uplinks.take(uplink, bridge)
            case ReturnUplink(uplink, bridge):
                self._uplinks.give_back(uplink, bridge)
        log.debug("kernel.changed", operation=operation)

    def _make(self, device: Device) -> None:
        # The MTU of a bridge follows its ports until it was set once, and making it with one does not count.
        created, later = ({}, {"mtu": device.mtu}) if device.kind == "bridge" else ({"mtu": device.mtu}, {})
        options: dict[str, Any] = dict(device.options) | created
        if device.kind == "gretap":
            options |= {"gre_iflags": _KEYED, "gre_oflags": _KEYED}
        try:
            if device.parent:
                options["link"] = self._index(device.parent)
            self.netlink.link("add", ifname=device.name, kind=device.kind, group=self._layout.group, **options)
            made = self.netlink.link("get", ifname=device.name)[0]["index"]
            self._indexes[device.name] = made
            self.netlink.link("set", index=made, ifalias=device.alias, **later)
        except (NetlinkError, OSError) as error:
            raise kernel_error(f"cannot make {device.kind} device {device.name}", error) from error
        refuse_ipv6(device.name)
        if device.kind == "bridge":
            ignore_link_local_groups(device.name)
        log.info("device.made", device=device.name, kind=device.kind)

    def _change(self, change: Change) -> None:
        arguments = _arguments(change)
        try:
            index = self._index(change.name)
            if change.bridge is not None:
                arguments["master"] = self._index(change.bridge) if change.bridge else 0
                refuse_ipv6(change.name)
            up = arguments.pop("state", None) if change.isolated is not None else None
            if arguments:
                self.netlink.link("set", index=index, **arguments)
            if change.isolated is not None:
                self.netlink.brport("set", index=index, isolated=int(change.isolated))
            if up:
                self.netlink.link("set", index=index, state=up)
        except (NetlinkError, OSError) as error:
            raise kernel_error(f"cannot change device {change.name}", error) from error

    def _rename(self, verb: str, name: str, other_name: str) -> None:
        try:
            self.netlink.link(verb, index=self._index(name), altname=other_name)
        except (NetlinkError, OSError) as error:
            raise kernel_error(f"cannot change the other names of device {name}", error) from error

    def _remove(self, name: str) -> None:
        try:
            self.netlink.link("del", index=self._index(name))
            self._indexes.pop(name, None)
        except (NetlinkError, OSError) as error:
            if code_of(error) != errno.ENODEV:
                raise kernel_error(f"cannot remove device {name}", error) from error
        log.info("device.removed", device=name)

    def _remove_bridge(self, name: str) -> None:
        # Looked at now: they would be gone for good, whoever put them there and whenever.
        if self._uplinks.has_addresses(name):
            log.warning("bridge.left", bridge=name, reason="the host has addresses on it")
        else:
            self._remove(name)

    def _index(self, name: str) -> int:
        """Return a device's number as the last look saw it; of one that went since then the kernel knows none."""
        if name not in self._indexes:
            raise OSError(errno.ENODEV, f"there is no device {name}")
        return self._indexes[name]


def _arguments(change: Change) -> dict[str, Any]:
    """Return the arguments of one request that changes a link; the kernel brings it up last."""
    arguments = dict(change.attributes)
    if arguments.pop("up", False):
        arguments["state"] = "up"
    if "alias" in arguments:
        arguments["ifalias"] = arguments.pop("alias")
    if change.kind:
        arguments["kind"] = change.kind
    return arguments


def _link(message: Any, names: dict[int, str], layout: Layout) -> ObservedLink:
    info = message.get("linkinfo")
    kind = (info.get("kind") if info is not None else "") or ""
    data = _values(info, "IFLA_INFO_DATA")
    port = _values(info, "IFLA_INFO_SLAVE_DATA")
    alias = message.get("ifalias") or ""
    # A VLAN device's parent may be named by number only: one of another namespace has no name here.
    parent = names.get(message.get("link") or 0, "") if kind == "vlan" else ""
    return ObservedLink(
        name=message.get("ifname"),
        index=message["index"],
        kind=kind,
        mac_address=message.get("address") or "",
        mtu=message.get("mtu"),
        up=bool(message["flags"] & _UP),
        bridge=names.get(message.get("master") or 0, "") or "",
        parent=parent,
        options=data,
        isolated=bool(port.get("brport_isolated", 0)),
        alias=alias,
        mark=_mark(message, kind, alias, layout) or layout.mark_among(_other_names(message)),
    )


def _mark(message: Any, kind: str, alias: str, layout: Layout) -> Mark | None:
    if not alias and message.get("group") == layout.group:
        # Made by an agent that ended before it could write the alias.
        return Mark("bridge" if kind == "bridge" else "carrier", "")
    return layout.mark(alias)


def _other_names(message: Any) -> list[str]:
    names = message.get("prop_list")
    return [value for name, value in names["attrs"] if name == "IFLA_ALT_IFNAME"] if names is not None else []


def _values(info: Any, name: str) -> dict[str, Any]:
    """Return the attributes nested in a link's info by the names that requests have for them."""
    nested = info.get_attr(name) if info is not None else None
    # The data of a kind that pyroute2 does not know are bytes.
    attributes = getattr(nested, "get", lambda _, absent: absent)("attrs", ())
    return {key.removeprefix("IFLA_").lower(): value for key, value in attributes}
