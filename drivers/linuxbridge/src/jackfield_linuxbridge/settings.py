"""What the operator tells the agent about one host's devices.

The tree is read once at start from three places, the first that speaks wins: the environment
(`JACKFIELD_LINUXBRIDGE_TUNNEL_IP`), the `[linuxbridge]` table of the TOML file given with
`--config`, the defaults below. It is frozen: a change is a restart, and a restart loses no packet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, IPvAnyAddress, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from jackfield_linuxbridge.layout import NAME_LENGTH, Layout

TunnelType = Literal["vxlan", "gre"]
VifType = Literal["tap", "bridge"]


class LinuxBridgeSettings(BaseSettings):
    """Settings of the agent that concern the host; those of its link to the core are the SDK's."""

    model_config = SettingsConfigDict(
        env_prefix="JACKFIELD_LINUXBRIDGE_", frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    # The devices.
    physical_networks: dict[str, str] = Field(default_factory=dict)
    """physical_network -> network device that is wired to it (`eth1`, `bond0`)."""
    vif_type: VifType = "tap"
    """How the compute service plugs: `tap` makes a tap device that the agent puts into the bridge;
    `bridge` is for Nova before 34, which makes the bridge and puts the tap into it."""
    deployment: str = Field(default="default", pattern=r"^[A-Za-z0-9._-]{1,64}$")
    """Name in the marks of ownership, so that two deployments can share a host."""

    # The cables.
    lldp: bool = True
    """Hear by LLDP which switch port each uplink is on, and tell the core. Needs the capability NET_RAW."""
    lldp_interfaces: tuple[str, ...] = ()
    """Devices to listen on instead of those of `physical_networks`; of a bond its members are meant."""

    # The tunnels.
    tunnel_ip: IPvAnyAddress | None = None
    """This host's tunnel endpoint; needed when `tunnel_types` is not empty."""
    tunnel_types: tuple[TunnelType, ...] = ()
    """What this host can terminate. `gre` needs an IPv4 endpoint."""
    vxlan_udp_port: int = Field(default=4789, ge=1, le=65535)
    """UDP port of VXLAN (RFC 7348); the same on all hosts."""

    # The pace.
    debounce: float = Field(default=0.01, ge=0, le=1)
    """Seconds to collect events before acting on them, so that a burst is one pass."""
    audit_interval: float = Field(default=60.0, gt=0)
    """Seconds between comparisons of the forwarding entries with the wanted ones; repairs what
    somebody else deleted by hand. Devices are compared in every pass, and events wake it."""
    retry_max: float = Field(default=15.0, gt=0)
    """Longest pause in seconds between attempts while the kernel refuses; the first is 0.2 s."""

    @field_validator("physical_networks")
    @classmethod
    def _one_device_for_each(cls, value: dict[str, str]) -> dict[str, str]:
        devices = [_device_name(device) for device in value.values()]
        for device in devices:
            if devices.count(device) > 1:
                raise ValueError(f"device {device} is given to two physical networks")
        return value

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.tunnel_types and self.tunnel_ip is None:
            raise ValueError("tunnel_types needs tunnel_ip, the address that the tunnels end on")
        if "gre" in self.tunnel_types and self.tunnel_ip is not None and self.tunnel_ip.version != 4:
            raise ValueError("gre needs an IPv4 tunnel_ip")
        return self

    def layout(self, unsupported: Mapping[str, str]) -> Layout:
        """Return what the plan needs to know of this host; `unsupported` is its kernel's part."""
        return Layout(
            physical_networks=dict(self.physical_networks),
            tunnel_ip=str(self.tunnel_ip) if self.tunnel_ip else None,
            tunnel_types=frozenset(self.tunnel_types),
            vxlan_udp_port=self.vxlan_udp_port,
            vif_type=self.vif_type,
            deployment=self.deployment,
            unsupported=dict(unsupported),
        )


def _device_name(value: str) -> str:
    if not 0 < len(value) <= NAME_LENGTH or "/" in value or value.split() != [value]:
        raise ValueError(f"{value!r} is no device name: 1 to {NAME_LENGTH} characters")
    return value
