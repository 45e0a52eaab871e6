"""Ports on the wire.

The host of a port and how it is plugged there are ``binding:`` attributes, and
for administrators and services; users see the VNIC type. ``binding:failures`` is
ours: which mechanism driver did not bind the port, at which level, and in its
words why. So is ``jackfield:wiring``: what the host, or the driver that plugs the
port, said last.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from jackfield_core.api.schemas.moment import moment
from jackfield_core.api.schemas.values import (
    Flag,
    Number,
    Text,
    Uuid,
    bounded,
    cidr,
    each,
    flag,
    host_name,
    ip_address,
    mac_address,
    number,
    one_of,
    project,
    refuse,
)
from jackfield_core.context import RequestContext
from jackfield_core.db.port import Port
from jackfield_core.errors import Invalid
from jackfield_core.services.spec import PortCreate, PortUpdate
from jackfield_core.types import AddressPair, DhcpOption, FixedIp, FixedIpRequest

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


class CreateBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a request for a port."""

    network_id: Uuid
    project_id: Text | UnsetType = UNSET
    tenant_id: Text | UnsetType = UNSET
    name: Text = ""
    description: Text = ""
    admin_state_up: Flag = True
    mac_address: str | UnsetType = UNSET
    fixed_ips: list[FixedIpBody] | UnsetType = UNSET
    device_id: Text = ""
    device_owner: Text = ""
    port_security_enabled: Flag | UnsetType = UNSET
    allowed_address_pairs: list[AddressPairBody] | None = None
    extra_dhcp_opts: list[DhcpOptionBody] | None = None
    host: Text | None = field(name="binding:host_id", default=None)
    vnic_type: str = field(name="binding:vnic_type", default="normal")
    profile: dict[str, Any] | None = field(name="binding:profile", default=None)

    def spec(self, ctx: RequestContext) -> PortCreate:
        """Return what the port service is asked for."""
        pairs = _address_pairs(self.allowed_address_pairs) if self.allowed_address_pairs else ()
        secure = flag("port_security_enabled", self.port_security_enabled)
        return PortCreate(
            network_id=self.network_id.lower(),
            project_id=project(ctx, self.project_id, self.tenant_id),
            name=self.name,
            description=self.description,
            admin_state_up=flag("admin_state_up", self.admin_state_up),
            mac_address=UNSET if self.mac_address is UNSET else mac_address(self.mac_address),
            fixed_ips=UNSET if self.fixed_ips is UNSET else _fixed_ips(self.fixed_ips),
            device_id=self.device_id,
            device_owner=self.device_owner,
            port_security_enabled=secure,
            allowed_address_pairs=pairs,
            extra_dhcp_opts=merged_options((), self.extra_dhcp_opts) if self.extra_dhcp_opts else (),
            host=host_name("binding:host_id", self.host or ""),
            vnic_type=read_vnic_type(self.vnic_type),
            profile=read_profile(self.profile) if self.profile else {},
        )


class UpdateBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a request to change a port."""

    name: Text | UnsetType = UNSET
    description: Text | UnsetType = UNSET
    admin_state_up: Flag | UnsetType = UNSET
    mac_address: str | UnsetType = UNSET
    fixed_ips: list[FixedIpBody] | UnsetType = UNSET
    device_id: Text | UnsetType = UNSET
    device_owner: Text | UnsetType = UNSET
    port_security_enabled: Flag | UnsetType = UNSET
    allowed_address_pairs: list[AddressPairBody] | UnsetType | None = UNSET
    extra_dhcp_opts: list[DhcpOptionBody] | UnsetType | None = UNSET
    host: Text | UnsetType | None = field(name="binding:host_id", default=UNSET)
    vnic_type: str | UnsetType = field(name="binding:vnic_type", default=UNSET)
    profile: dict[str, Any] | UnsetType | None = field(name="binding:profile", default=UNSET)

    def spec(self) -> PortUpdate:
        """Return what the port service is asked for, but for DHCP options, which depend on those of the port."""
        pairs = UNSET if self.allowed_address_pairs is UNSET else _address_pairs(self.allowed_address_pairs or ())
        secure = flag("port_security_enabled", self.port_security_enabled)
        return PortUpdate(
            name=self.name,
            description=self.description,
            admin_state_up=flag("admin_state_up", self.admin_state_up),
            mac_address=UNSET if self.mac_address is UNSET else mac_address(self.mac_address),
            fixed_ips=UNSET if self.fixed_ips is UNSET else _fixed_ips(self.fixed_ips),
            device_id=self.device_id,
            device_owner=self.device_owner,
            port_security_enabled=secure,
            allowed_address_pairs=pairs,
            host=UNSET if self.host is UNSET else host_name("binding:host_id", self.host or ""),
            vnic_type=UNSET if self.vnic_type is UNSET else read_vnic_type(self.vnic_type),
            profile=UNSET if self.profile is UNSET else read_profile(self.profile or {}),
        )


class WiringOut(Struct, frozen=True):
    """What was last reported of a port: ``up``, ``down``, ``error`` or ``unknown``, and why it is not up."""

    state: str
    reason: str


class PortOut(Struct, frozen=True):
    """A port as administrators and services see it; UNSET is what others do not."""

    id: str
    name: str
    network_id: str
    project_id: str
    tenant_id: str
    description: str
    admin_state_up: bool
    status: str
    mac_address: str
    fixed_ips: Sequence[FixedIp]
    device_id: str
    device_owner: str
    port_security_enabled: bool
    allowed_address_pairs: Sequence[AddressPair]
    extra_dhcp_opts: Sequence[DhcpOption]
    host: str | UnsetType = field(name="binding:host_id")
    vnic_type: str = field(name="binding:vnic_type")
    profile: dict[str, Any] | UnsetType = field(name="binding:profile")
    vif_type: str | UnsetType = field(name="binding:vif_type")
    vif_details: dict[str, Any] | UnsetType = field(name="binding:vif_details")
    failures: Sequence[dict[str, Any]] | UnsetType = field(name="binding:failures")
    wiring: WiringOut | UnsetType = field(name="jackfield:wiring")
    revision_number: int
    created_at: str
    updated_at: str


def render(port: Port) -> PortOut:
    """Return a port as administrators and services see it."""
    binding = port.binding
    created_at = moment(port.created_at)
    # Positional, and times only once where they are the same: lists of thousands come through here.
    return PortOut(
        port.id,
        port.name,
        port.network_id,
        port.project_id,
        port.project_id,
        port.description,
        port.admin_state_up,
        port.status,
        port.mac_address,
        port.fixed_ips,
        port.device_id,
        port.device_owner,
        port.port_security_enabled,
        port.allowed_address_pairs,
        port.extra_dhcp_opts,
        binding.host,
        binding.vnic_type,
        binding.profile,
        binding.vif_type,
        binding.vif_details,
        binding.failures,
        WiringOut(binding.wiring, binding.wiring_reason),
        port.revision_number,
        created_at,
        created_at if port.updated_at == port.created_at else moment(port.updated_at),
    )


def render_for_users(port: Port) -> PortOut:
    """Return a port as everybody else sees it: where it is, and what is plugged there, is not for them."""
    return msgspec.structs.replace(
        render(port), host=UNSET, profile=UNSET, vif_type=UNSET, vif_details=UNSET, failures=UNSET, wiring=UNSET
    )


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


def _fixed_ips(bodies: Sequence[FixedIpBody]) -> tuple[FixedIpRequest, ...]:
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


def _address_pairs(bodies: Sequence[AddressPairBody]) -> tuple[AddressPair, ...]:
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


def _ip_version(value: Number) -> int:
    found = number("extra_dhcp_opts", value, 255)
    if found not in (4, 6):
        raise refuse("extra_dhcp_opts", f"ip_version '{value}' is not in [4, 6]")
    return found
