"""Values of ports that have rules of their own: what may be plugged, addresses, address pairs, and DHCP options.

Each is read into what the port service takes, or refused in a sentence that
names the attribute. Bounds keep one port from costing as much as a thousand.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from jackfield_core.api.schemas.values import (
    Number,
    Text,
    Uuid,
    bounded,
    cidr,
    each,
    ip_address,
    mac_address,
    number,
    one_of,
    refuse,
)
from jackfield_core.errors import Invalid
from jackfield_core.types import AddressPair, DhcpOption, FixedIpRequest

VNIC_TYPES = (
    "normal",
    "direct",
    "macvtap",
    "baremetal",
    "direct-physical",
    "virtio-forwarder",
    "smart-nic",
    "vdpa",
    "accelerator-direct",
    "accelerator-direct-physical",
    "remote-managed",
)
MAX_PROFILE = 4095
"""Characters of a binding profile as JSON; Neutron's bound."""
MAX_PROFILE_DEPTH = 100
"""Levels of a binding profile: each one costs a call on the way to database, drivers and client."""
MAX_ADDRESS_PAIRS = 10
"""Neutron's default bound."""
MAX_FIXED_IPS = 100
"""Addresses of one port, ours: each one is a row, and travels to drivers and hosts with every change."""
MAX_DHCP_OPTIONS = 100
"""DHCP options of one port, ours."""

_encode = msgspec.json.Encoder().encode


class FixedIpBody(Struct, frozen=True, forbid_unknown_fields=True):
    """An address that is asked for: on a subnet, a certain one, or both."""

    subnet_id: Uuid | None = None
    ip_address: str | None = None


class AddressPairBody(Struct, frozen=True, forbid_unknown_fields=True):
    """An address or block that a port may send from; without a MAC address, with the port's own."""

    ip_address: str
    mac_address: str | None = None


class DhcpOptionBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A DHCP option; ``null`` as value takes the option away."""

    opt_name: Text
    opt_value: Text | None
    ip_version: Number = 4


def read_vnic_type(value: str) -> str:
    """Return *value*, if it is a VNIC type."""
    return one_of("binding:vnic_type", value, VNIC_TYPES)


def read_profile(value: dict[str, Any]) -> dict[str, Any]:
    """Return *value*, if it is not too large for a binding profile."""
    if len(_encode(value)) > MAX_PROFILE:
        raise refuse("binding:profile", f"it exceeds maximum length of {MAX_PROFILE}")
    if _is_deeper(value, MAX_PROFILE_DEPTH):
        raise refuse("binding:profile", f"it is nested deeper than {MAX_PROFILE_DEPTH} levels")
    return value


def _is_deeper(value: dict[str, Any], levels: int) -> bool:
    """Return whether dictionaries and lists are nested in more than so many levels."""
    containers: list[Any] = [value]
    for _ in range(levels):
        containers = [inner for one in containers for inner in _inside(one) if isinstance(inner, (dict, list))]
        if not containers:
            return False
    return True


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value


def read_fixed_ips(bodies: Sequence[FixedIpBody]) -> tuple[FixedIpRequest, ...]:
    """Return the addresses that are asked for, if none of them is asked for twice."""
    found = each(bounded("fixed_ips", bodies, MAX_FIXED_IPS), _fixed_ip)
    addresses = [request.ip_address for request in found if request.ip_address]
    if len(set(addresses)) < len(addresses):
        raise refuse("fixed_ips", "an IP address is listed twice")
    return found


def _fixed_ip(body: FixedIpBody) -> FixedIpRequest:
    subnet_id = body.subnet_id and body.subnet_id.lower()
    if body.ip_address is None:
        return FixedIpRequest(subnet_id)
    return FixedIpRequest(subnet_id, ip_address("fixed_ips", body.ip_address))


def read_address_pairs(bodies: Sequence[AddressPairBody]) -> tuple[AddressPair, ...]:
    """Return what a port may send from, if nothing is named twice."""
    bounded("allowed_address_pairs", bodies, MAX_ADDRESS_PAIRS, "AllowedAddressPairExhausted")
    found = each(bodies, _address_pair)
    if len(set(found)) < len(found):
        raise Invalid(
            "Request contains duplicate address pair in allowed_address_pairs.",
            type="DuplicateAddressPairInRequest",
        )
    return found


def _address_pair(body: AddressPairBody) -> AddressPair:
    read = cidr if "/" in body.ip_address else ip_address
    mac = mac_address(body.mac_address, "allowed_address_pairs") if body.mac_address else ""
    return AddressPair(read("allowed_address_pairs", body.ip_address), mac)


def merged_options(current: Sequence[DhcpOption], bodies: Sequence[DhcpOptionBody] | None) -> tuple[DhcpOption, ...]:
    """Return the DHCP options of a port after a request: named ones change or go, all others stay."""
    options = {(option.opt_name, option.ip_version): option for option in current}
    for body in bodies or ():
        ip_version = _ip_version(body.ip_version)
        if not body.opt_name.strip():
            raise refuse("extra_dhcp_opts", "opt_name is empty")
        if body.opt_value is None:
            options.pop((body.opt_name, ip_version), None)
        else:
            options[body.opt_name, ip_version] = DhcpOption(body.opt_name, body.opt_value, ip_version)
    return tuple(bounded("extra_dhcp_opts", [*options.values()], MAX_DHCP_OPTIONS))


def _ip_version(value: Number) -> int:
    found = number("extra_dhcp_opts", value, 255)
    if found not in (4, 6):
        raise refuse("extra_dhcp_opts", f"ip_version '{value}' is not in [4, 6]")
    return found
