"""What becomes of a resource in its life: turns that users, operators and the core itself give it.

A turn is one edit of the resource as it was made, so each also takes back the one before it. What
may be refused for good reasons, as an MTU that no cable carries, is not among them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any

from jackfield.driver.v1 import binding_pb2, network_pb2, port_pb2, subnet_pb2

from jackfield_sdk.conformance.mint import Spec
from jackfield_sdk.conformance.model import copy_of

# Users write names as they please, and a device that is told them has to quote.
_NAME = 'Zürich "東京"; no shutdown $(x) \\ %s'

Turns = Mapping[str, Callable[[Any], None]]


def after(spec: Spec, turn: Callable[[Any], None]) -> Spec:
    """Return a resource as it is after a turn."""
    turned = copy_of(spec)
    turn(turned)
    return turned


def turns_of_network(segment: Any) -> Turns:
    """Return what becomes of a network; `segment` is one that it may get beside its own, or None."""
    turns: dict[str, Callable[[Any], None]] = {
        "a name of any letters": _named,
        "no name": _nameless,
        "down": _down,
        "shared and external": _open,
    }
    if segment is not None:
        turns["a segment more"] = lambda network: network.segments.append(segment)
    return turns


def turns_of_subnet() -> Turns:
    """Return what becomes of a subnet."""
    return {
        "a name of any letters": _named,
        "no gateway": lambda subnet: subnet.ClearField("gateway_ip"),
        "name servers and routes": _told_to_hosts,
        "no DHCP": _without_dhcp,
        "no pools": lambda subnet: subnet.ClearField("allocation_pools"),
    }


def turns_of_port(network: network_pb2.Network, second: subnet_pb2.Subnet, hosts: list[str], driver: str) -> Turns:
    """Return what becomes of a port on a network.

    `second` is a subnet of IPv6 beside the port's own. Where there is another host the port moves there,
    and on a network of two segments its levels change.
    """
    turns: dict[str, Callable[[Any], None]] = {
        "a name of any letters": _named,
        "down": _down,
        "no host": _unbound,
        "a binding that failed": _failed,
        "another MAC address": _with_another_mac,
        "no address": lambda port: port.ClearField("fixed_ips"),
        "an address of IPv6 too": lambda port: _add_address(port, second),
        "further addresses to send from": _with_pairs,
        "no device": _without_device,
    }
    if len(hosts) > 1:
        turns["another host"] = lambda port: setattr(port.binding, "host", hosts[1])
    if len(network.segments) > 1:
        first, other = (segment.id for segment in network.segments[:2])
        turns["bound to another segment"] = lambda port: _bind(port, (driver, other))
        turns["bound in two levels"] = lambda port: _bind(port, ("conformance-fabric", first), (driver, other))
    return turns


def _named(resource: Any) -> None:
    resource.name = _NAME


def _nameless(resource: Any) -> None:
    resource.name = ""


def _down(resource: Any) -> None:
    resource.admin_state_up = False


def _open(network: network_pb2.Network) -> None:
    network.shared = network.external = True


def _told_to_hosts(subnet: subnet_pb2.Subnet) -> None:
    block = ipaddress.ip_network(subnet.cidr)
    subnet.dns_nameservers.append(str(block[3]))
    route = "192.0.2.0/24" if subnet.ip_version == 4 else "2001:db8::/32"
    subnet.host_routes.add(destination=route, nexthop=str(block[4]))


def _without_dhcp(subnet: subnet_pb2.Subnet) -> None:
    subnet.enable_dhcp = False


def _unbound(port: port_pb2.Port) -> None:
    port.binding.host = ""
    port.binding.vif_type = "unbound"
    del port.binding.levels[:]


def _failed(port: port_pb2.Port) -> None:
    port.binding.vif_type = "binding_failed"
    del port.binding.levels[:]


def _with_another_mac(port: port_pb2.Port) -> None:
    port.mac_address = port.mac_address.replace("fa:16:3e", "fa:16:3f")


def _add_address(port: port_pb2.Port, subnet: subnet_pb2.Subnet) -> None:
    port.fixed_ips.add(subnet_id=subnet.id, ip_address=str(ipaddress.ip_network(subnet.cidr)[5]))


def _with_pairs(port: port_pb2.Port) -> None:
    port.allowed_address_pairs.add(mac_address=port.mac_address, ip_address="192.0.2.0/24")
    port.dhcp_options.add(name="bootfile-name", value="undionly.kpxe", ip_version=4)
    port.port_security_enabled = True


def _without_device(port: port_pb2.Port) -> None:
    port.device_id = port.device_owner = ""
    port.port_security_enabled = False


def _bind(port: port_pb2.Port, *levels: tuple[str, str]) -> None:
    del port.binding.levels[:]
    for number, (driver, segment_id) in enumerate(levels):
        port.binding.levels.append(binding_pb2.BindingLevel(level=number, driver=driver, segment_id=segment_id))
