"""Views as the core would send them, with ids that can be read."""

from __future__ import annotations

import uuid
from typing import Any

from jackfield_sdk import ForwardingEntry, NetworkView, PortView

NUMBERS = {"vlan": 1234, "vxlan": 5001, "gre": 5002, "geneve": 5003}
TUNNELS = ("vxlan", "gre", "geneve")

_NAMESPACE = uuid.UUID(int=0)


def identifier(name: str) -> str:
    """Return the same UUID for the same name."""
    return str(uuid.uuid5(_NAMESPACE, name))


def a_network(name: str = "net", network_type: str = "vxlan", **fields: Any) -> NetworkView:
    """Return a network; tunnels and VLANs get a number, flat and vlan the physical network `leaf`."""
    defaults: dict[str, Any] = {
        "id": identifier(name),
        "version": "1",
        "segment_id": identifier(f"{name} segment"),
        "network_type": network_type,
        "physical_network": "leaf" if network_type in ("flat", "vlan") else None,
        "segmentation_id": NUMBERS.get(network_type),
        "mtu": 1400 if network_type in TUNNELS else 1500,
    }
    return NetworkView(**(defaults | fields))


def a_port(number: int = 1, *, network: NetworkView | None = None, **fields: Any) -> PortView:
    """Return the port 192.168.7.NUMBER."""
    defaults: dict[str, Any] = {
        "id": identifier(f"port {number}"),
        "version": "1",
        "network_id": (network or a_network()).id,
        "mac_address": f"fa:16:3e:00:{number // 256:02x}:{number % 256:02x}",
        "ip_addresses": (f"192.168.7.{number}",),
    }
    return PortView(**(defaults | fields))


def entry(port: PortView, endpoint: str) -> ForwardingEntry:
    """Return where a port is."""
    return ForwardingEntry(port.mac_address, port.ip_addresses, endpoint)
