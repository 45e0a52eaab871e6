"""Ports on the wire.

The host of a port and how it is plugged there are ``binding:`` attributes, and
for administrators and services; users see the VNIC type. ``binding:failures`` is
ours: which mechanism driver did not bind the port, at which level, and in its
words why. So is ``jackfield:wiring``: what the host, or the driver that plugs the
port, said last.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from jackfield_core.api.schemas.moment import moment
from jackfield_core.api.schemas.port_values import (
    AddressPairBody,
    DhcpOptionBody,
    FixedIpBody,
    merged_options,
    read_address_pairs,
    read_fixed_ips,
    read_profile,
    read_vnic_type,
)
from jackfield_core.api.schemas.values import Flag, Text, Uuid, flag, host_name, mac_address, project
from jackfield_core.context import RequestContext
from jackfield_core.db.port import Port
from jackfield_core.services.spec import PortCreate, PortUpdate
from jackfield_core.types import AddressPair, DhcpOption, FixedIp


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
        pairs = read_address_pairs(self.allowed_address_pairs) if self.allowed_address_pairs else ()
        secure = flag("port_security_enabled", self.port_security_enabled)
        return PortCreate(
            network_id=self.network_id.lower(),
            project_id=project(ctx, self.project_id, self.tenant_id),
            name=self.name,
            description=self.description,
            admin_state_up=flag("admin_state_up", self.admin_state_up),
            mac_address=UNSET if self.mac_address is UNSET else mac_address(self.mac_address),
            fixed_ips=UNSET if self.fixed_ips is UNSET else read_fixed_ips(self.fixed_ips),
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
        pairs = UNSET if self.allowed_address_pairs is UNSET else read_address_pairs(self.allowed_address_pairs or ())
        secure = flag("port_security_enabled", self.port_security_enabled)
        return PortUpdate(
            name=self.name,
            description=self.description,
            admin_state_up=flag("admin_state_up", self.admin_state_up),
            mac_address=UNSET if self.mac_address is UNSET else mac_address(self.mac_address),
            fixed_ips=UNSET if self.fixed_ips is UNSET else read_fixed_ips(self.fixed_ips),
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
