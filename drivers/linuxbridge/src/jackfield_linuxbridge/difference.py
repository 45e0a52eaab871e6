"""From a plan and what is seen to operations, in the order in which the kernel has to do them.

An operation names devices, never their numbers: one that an earlier operation makes has none yet.
Where plan and host agree there is no operation, so a pass too many writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jackfield_sdk import host_mac_address

from jackfield_linuxbridge.desired import Device, Plan, PlannedNetwork, PlannedPort
from jackfield_linuxbridge.layout import TAP_PREFIX, Layout, Mark, tap_name
from jackfield_linuxbridge.observed import Observed, ObservedLink


@dataclass(frozen=True, slots=True)
class Make:
    """Make a device with its mark, down and in no bridge; the host takes no address on it."""

    device: Device


@dataclass(frozen=True, slots=True)
class Change:
    """Change attributes of a link: `mtu`, `up`, `alias`, `address`, or options of its `kind`.

    `bridge` is the one to join, empty to leave the one it is in, None to stay.
    """

    name: str
    bridge: str | None = None
    isolated: bool | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    kind: str = ""


@dataclass(frozen=True, slots=True)
class AddName:
    """Have a device known by another name as well, which does not change when it is renamed."""

    name: str
    other_name: str


@dataclass(frozen=True, slots=True)
class RemoveName:
    """Take another name from a device again."""

    name: str
    other_name: str


@dataclass(frozen=True, slots=True)
class TakeUplink:
    """Make the operator's device a port of a bridge, and move its addresses and routes there."""

    uplink: str
    bridge: str


@dataclass(frozen=True, slots=True)
class ReturnUplink:
    """Take the operator's device out of the bridge, and move addresses and routes to where it is then."""

    uplink: str
    bridge: str


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a device of ours."""

    name: str


@dataclass(frozen=True, slots=True)
class RemoveBridge:
    """Remove a bridge of ours, unless the host has addresses on it."""

    name: str


Operation = Make | Change | AddName | RemoveName | TakeUplink | ReturnUplink | Remove | RemoveBridge


def network_operations(network: PlannedNetwork, observed: Observed) -> list[Operation]:
    """Have the bridge and what carries it; a bridge comes up before anything joins it."""
    operations = list(_other_uplink_returned(network, observed))
    operations += _device_operations(network.bridge, observed)
    for carrier in network.carriers:
        operations += _brought_up(carrier.parent, observed)
        operations += _device_operations(carrier, observed)
    if network.uplink:
        operations += _uplink_returned(network, observed)
        operations.append(TakeUplink(network.uplink, network.bridge.name))
    return operations


def port_operations(port: PlannedPort, layout: Layout) -> list[Operation]:
    """Have a tap where it belongs, marked so that a later pass knows that we put it there."""
    tap = port.tap
    if tap is None or port.bridge is None:
        return []
    if not port.bridge:
        return [Change(tap.name, bridge="")] if tap.bridge else []
    attributes: dict[str, Any] = {}
    if tap.mtu != port.mtu:
        attributes["mtu"] = port.mtu
    if tap.mac_address == port.view.mac_address.lower():
        attributes["address"] = host_mac_address(port.view.mac_address)
    if not tap.alias:
        attributes["alias"] = layout.alias("port", port.view.id)
    if not tap.up:
        attributes["up"] = True
    # Before it joins the bridge, so that a tap in a bridge is known whatever becomes of its name.
    marks = [AddName(tap.name, layout.other_name(port.view.id))] if tap.alias and tap.mark is None else []
    joins = tap.bridge != port.bridge
    if not joins and not attributes:
        return [*marks]
    return [*marks, Change(tap.name, bridge=port.bridge if joins else None, attributes=attributes)]


def unplug_operations(plan: Plan, observed: Observed, layout: Layout) -> list[Operation]:
    """Have no tap in a bridge of ours for a port that is gone, whether the tap has our mark or only the name of one.

    The filter knows taps by name, so one that we wired and somebody renamed goes as well: nothing would judge it.
    """
    wanted = {port.view.id: tap_name(port.view.id) for port in plan.ports}
    names = set(wanted.values())
    bridges = {link.name for link in observed.marked("bridge")}
    operations: list[Operation] = []
    for link in observed.links.values():
        if link.mark is not None and link.mark.role == "port":
            if link.name != wanted.get(link.mark.id):
                operations += _unplugged(link, link.mark, layout)
        elif link.bridge in bridges and link.name.startswith(TAP_PREFIX) and link.name not in names:
            operations.append(Change(link.name, bridge=""))
    return operations


def _unplugged(tap: ObservedLink, mark: Mark, layout: Layout) -> Iterator[Operation]:
    """Have a tap of ours in no bridge, and without our mark after that."""
    by_alias = layout.mark(tap.alias) == mark
    if tap.bridge or by_alias:
        yield Change(tap.name, bridge="" if tap.bridge else None, attributes={"alias": ""} if by_alias else {})
    if not by_alias:
        yield RemoveName(tap.name, layout.other_name(mark.id))


def sweep_operations(plan: Plan, obstructed: frozenset[str], observed: Observed) -> dict[str, list[Operation]]:
    """Have nothing of ours that nobody wants, by the network that it was for.

    Networks in `obstructed` are wanted and cannot be made now: what is left of them stays.
    """
    wanted = {device.name for network in plan.networks.values() for device in (network.bridge, *network.carriers)}
    operations: dict[str, list[Operation]] = {}
    for link in observed.marked("carrier"):
        mark = link.mark
        if mark is not None and link.name not in wanted and mark.id not in obstructed:
            operations.setdefault(mark.id, []).append(Remove(link.name))
    for link in observed.marked("bridge"):
        mark = link.mark
        if mark is not None and link.name not in wanted and mark.id not in obstructed:
            operations.setdefault(mark.id, []).extend(_bridge_removal(link, mark, observed))
    return operations


def foreign_ports(bridge: str, observed: Observed) -> list[str]:
    """Return the ports of a bridge of ours that are neither ours nor its uplink."""
    seen = observed.links.get(bridge)
    uplink = seen.mark.uplink if seen is not None and seen.mark is not None else ""
    return sorted(port.name for port in observed.ports_of(bridge) if port.mark is None and port.name != uplink)


def _other_uplink_returned(network: PlannedNetwork, observed: Observed) -> Iterator[Operation]:
    """Give back the uplink that a bridge had before the settings named another one."""
    seen = observed.links.get(network.bridge.name)
    before = seen.mark.uplink if seen is not None and seen.mark is not None else ""
    if before and before != network.uplink and before in observed.links:
        yield ReturnUplink(before, network.bridge.name)


def _uplink_returned(network: PlannedNetwork, observed: Observed) -> Iterator[Operation]:
    """Have the uplink back from bridges of ours that had it for other networks, with the host's addresses."""
    for link in observed.marked("bridge"):
        has_it = observed.links[network.uplink].bridge == link.name
        had_it = link.mark is not None and link.mark.uplink == network.uplink
        if link.name != network.bridge.name and (has_it or had_it):
            yield ReturnUplink(network.uplink, link.name)


def _device_operations(device: Device, observed: Observed) -> Iterator[Operation]:
    seen = observed.links.get(device.name)
    if seen is not None and device.kind != "bridge" and not _same(device, seen):
        yield Remove(device.name)
        seen = None
    if seen is None:
        yield Make(device)
        isolated = True if device.isolated else None
        yield Change(device.name, device.bridge or None, isolated, {"up": True})
        return
    change = _change(device, seen)
    if change != Change(device.name):
        yield change


def _change(device: Device, seen: ObservedLink) -> Change:
    attributes: dict[str, Any] = {}
    if seen.mtu != device.mtu:
        attributes["mtu"] = device.mtu
    if seen.alias != device.alias:
        attributes["alias"] = device.alias
    options = {name: value for name, value in device.options.items() if seen.options.get(name) != value}
    attributes |= options
    if not seen.up:
        attributes["up"] = True
    joins = device.bridge if device.bridge and seen.bridge != device.bridge else None
    # A port that joins a bridge is not isolated yet.
    isolated = None if device.isolated == (seen.isolated and not joins) else device.isolated
    return Change(device.name, joins, isolated, attributes, device.kind if options else "")


def _same(device: Device, seen: ObservedLink) -> bool:
    """Return whether a link is what the plan wants, apart from what can be changed in place."""
    options = all(seen.options.get(name) == value for name, value in device.options.items())
    return seen.kind == device.kind and seen.parent == device.parent and options


def _brought_up(name: str, observed: Observed) -> Iterator[Operation]:
    if name in observed.links and not observed.links[name].up:
        yield Change(name, attributes={"up": True})


def _bridge_removal(link: ObservedLink, mark: Mark, observed: Observed) -> Iterator[Operation]:
    if mark.uplink and mark.uplink in observed.links:
        yield ReturnUplink(mark.uplink, link.name)
    if not foreign_ports(link.name, observed):
        yield RemoveBridge(link.name)
