"""Why this host cannot carry a network, in words that an operator can act on.

`obstacle` knows the settings and the kernel, and is asked as soon as a network comes;
`obstacle_here` looks at the devices, and is asked in every pass, and so is `taken`: a device carries one
network, so of two that want the same one has it.
"""

from __future__ import annotations

from collections.abc import Iterable

from jackfield_sdk import NetworkView, Views

from jackfield_linuxbridge.desired import Device, PlannedNetwork
from jackfield_linuxbridge.layout import Layout
from jackfield_linuxbridge.observed import Observed

PHYSICAL_TYPES = frozenset({"flat", "vlan"})
TUNNEL_TYPES = frozenset({"vxlan", "gre"})

# IEEE 802.1Q, RFC 7348 (24 bits), RFC 2890 (32 bits).
SEGMENTATION_IDS = {"vlan": (1, 4094), "vxlan": (1, 2**24 - 1), "gre": (1, 2**32 - 1)}


def obstacle(view: NetworkView, layout: Layout) -> str:
    """Say why this host can never carry the network as it is set up; empty if it can."""
    if view.network_type in PHYSICAL_TYPES:
        if view.physical_network not in layout.physical_networks:
            return f'physical_network "{view.physical_network}" has no device on this host'
    elif view.network_type in TUNNEL_TYPES:
        if view.network_type not in layout.tunnel_types:
            return f"this host terminates no {view.network_type} tunnels"
    elif view.network_type != "local":
        return f"network_type {view.network_type} is unknown to this agent"
    if view.network_type in layout.unsupported:
        return layout.unsupported[view.network_type]
    lowest, highest = SEGMENTATION_IDS.get(view.network_type, (0, 0))
    if highest and not lowest <= (view.segmentation_id or 0) <= highest:
        return f"segmentation_id {view.segmentation_id} is not between {lowest} and {highest} ({view.network_type})"
    return ""


def obstacle_here(network: PlannedNetwork, views: Views, observed: Observed, layout: Layout) -> str:
    """Say which device stands against a network now; empty if none does."""
    for device in (network.bridge, *network.carriers):
        reason = _foreign(device, observed, layout)
        if reason:
            return reason
    view = network.view
    if view.network_type not in PHYSICAL_TYPES:
        return ""
    return _unfit_uplink(network, layout.physical_networks[view.physical_network or ""], views, observed)


def taken(networks: Iterable[PlannedNetwork], observed: Observed) -> dict[str, str]:
    """Say which device each network lacks because another network has it.

    Who has a device keeps it; one that nobody has goes to the first of the networks that want it.
    """
    owners: dict[str, str] = {}
    obstacles: dict[str, str] = {}
    for network in sorted(networks, key=lambda network: not _has_devices(network, observed)):
        wanted = _devices(network)
        others = [name for name in wanted if name in owners]
        if others:
            obstacles[network.view.id] = f"device {others[0]} carries network {owners[others[0]]} already"
        else:
            owners |= dict.fromkeys(wanted, network.view.id)
    return obstacles


def _devices(network: PlannedNetwork) -> list[str]:
    """Return the names of the devices that only one network can have."""
    names = [device.name for device in (network.bridge, *network.carriers)]
    return [*names, network.uplink] if network.uplink else names


def _has_devices(network: PlannedNetwork, observed: Observed) -> bool:
    """Return whether what carries a network is its own already."""
    deciding = network.carriers or (network.bridge,)
    seen = [observed.links[device.name] for device in deciding if device.name in observed.links]
    marks = [link.mark for link in seen if link.mark is not None and link.mark.id == network.view.id]
    return any(mark.uplink == network.uplink for mark in marks)


def _foreign(device: Device, observed: Observed, layout: Layout) -> str:
    seen = observed.links.get(device.name)
    if seen is None or seen.mark is not None:
        return ""
    # The compute service makes the bridge if it comes first, under the name that is the contract.
    claimed = device.kind == "bridge" and layout.vif_type == "bridge" and seen.kind == "bridge" and not seen.alias
    return "" if claimed else f"device {device.name} is not ours: it lacks our alias"


def _unfit_uplink(network: PlannedNetwork, uplink: str, views: Views, observed: Observed) -> str:
    which = f'{uplink} of physical_network "{network.view.physical_network}"'
    seen = observed.links.get(uplink)
    if seen is None:
        return f"device {which} does not exist"
    if seen.mtu < network.view.mtu:
        return f"device {which} has MTU {seen.mtu}, and the network {network.view.mtu}"
    if network.view.network_type == "vlan" or seen.bridge in ("", network.bridge.name):
        return f"device {which} is a bridge itself" if network.uplink and seen.kind == "bridge" else ""
    mark = observed.links[seen.bridge].mark if seen.bridge in observed.links else None
    if mark is None or mark.id in views.networks:
        return f"device {which} is a port of {seen.bridge} already"
    return ""
