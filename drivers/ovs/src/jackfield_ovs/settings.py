"""What the operator tells the agent about one host's Open vSwitch.

The tree is read once at start from three places, the first that speaks wins: the environment
(`JACKFIELD_OVS_TUNNEL_IP`), the `[ovs]` table of the TOML file given with `--config`, the
defaults below. It is frozen: a change is a restart, and a restart loses no packet.

The defaults serve the common case, an agent beside its own switch. To serve a switch from
another machine, point `ovsdb` and `openflow` at it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple, Self

from pydantic import Field, IPvAnyAddress, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from jackfield_ovs.layout import BRIDGE_NAME_LENGTH, Layout

DatapathType = Literal["system", "netdev"]
TunnelType = Literal["vxlan", "gre", "geneve"]

_OVSDB_SCHEMES = ("unix:", "tcp:", "ssl:")


class OpenFlowRemote(NamedTuple):
    """Where the switch listens for OpenFlow: a run directory, or an address and a first port."""

    scheme: Literal["unix", "tcp", "ssl"]
    where: str
    first_port: int


class OvsSettings(BaseSettings):
    """Settings of the agent that concern the switch; those of its link to the core are the SDK's."""

    model_config = SettingsConfigDict(
        env_prefix="JACKFIELD_OVS_", frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    # The switch, and the way to it.
    ovsdb: str = "unix:/run/openvswitch/db.sock"
    """OVSDB server: `unix:PATH`, `tcp:IP:PORT` or `ssl:IP:PORT`."""
    openflow: str = "unix:/run/openvswitch"
    """OpenFlow: `unix:RUN_DIRECTORY` (its `<bridge>.mgmt` sockets), or `tcp:IP:FIRST_PORT` or
    `ssl:IP:FIRST_PORT`. Remotely every bridge listens on a port of its own, counted from
    FIRST_PORT: integration bridge, tunnel bridge, then the bridges of the physical networks in
    the order of the networks' names. The agent makes the bridges listen."""
    tls_private_key: Path | None = None
    """PEM file; needed by `ssl:`."""
    tls_certificate: Path | None = None
    """PEM file; needed by `ssl:`."""
    tls_ca_certificate: Path | None = None
    """PEM file of the authority that signed the switch's certificate; needed by `ssl:`."""
    timeout: float = Field(default=10.0, gt=0)
    """Seconds until a silent OVSDB server, ovs-vswitchd or ovs-ofctl counts as gone; after it
    the agent tries again, so a short time costs retries and a long one costs blindness."""

    # The bridges.
    integration_bridge: str = "br-int"
    """Bridge on which the compute service plugs; made if absent."""
    tunnel_bridge: str = "br-tun"
    """Bridge that holds the tunnels; made if `tunnel_types` is not empty."""
    physical_networks: dict[str, str] = Field(default_factory=dict)
    """physical_network -> bridge that the operator made and wired to it."""
    datapath_type: DatapathType = "system"
    """Of the bridges that the agent makes: `system` is the kernel's, `netdev` is in user space.
    It must be that of the operator's bridges, because patch ports do not cross the two."""

    ovs_hybrid_plug: bool = False
    """Have the compute service put a Linux bridge between guest and switch (`qbr`, `qvb`, `qvo`), for
    a filter of the host that can only be on one. The agent's own filters need none."""

    # The cables.
    lldp: bool = True
    """Hear by LLDP which switch port each uplink is on, and tell the core. Needs the capability NET_RAW."""
    lldp_interfaces: tuple[str, ...] = ()
    """Devices of this host to listen on instead of those that the bridges of `physical_networks` have; of
    a bond its members are meant. An Open vSwitch of another host has no devices here."""

    # The tunnels.
    tunnel_ip: IPvAnyAddress | None = None
    """This host's tunnel endpoint; needed when `tunnel_types` is not empty."""
    tunnel_types: tuple[TunnelType, ...] = ()
    """What this host can terminate."""
    vxlan_udp_port: int = Field(default=4789, ge=1, le=65535)
    """UDP port of VXLAN (RFC 7348); the same on all hosts."""
    geneve_udp_port: int = Field(default=6081, ge=1, le=65535)
    """UDP port of Geneve (RFC 8926); the same on all hosts."""
    df_default: bool = True
    """Set the outer Don't Fragment bit. Off lets an underlay with too small an MTU fragment."""
    flood_unknown_unicast: bool = False
    """Send a frame for a MAC address that the core did not name to all endpoints of its network.
    Off, because the core names every port; on for guests that bridge or nest other guests."""

    # The pace.
    debounce: float = Field(default=0.01, ge=0, le=1)
    """Seconds to collect events before acting on them, so that a burst is one transaction."""
    audit_interval: float = Field(default=60.0, gt=0)
    """Seconds between comparisons of the switch's flows with the wanted ones; repairs what
    somebody else deleted by hand. A restart of ovs-vswitchd is noticed at once without it."""
    tunnel_linger: float = Field(default=600.0, ge=0)
    """Seconds that a tunnel stays after the last rule that named it, rounded up to the next audit.
    Taking a port away costs a switch in user space some frames of other guests."""
    retry_max: float = Field(default=15.0, gt=0)
    """Longest pause in seconds between attempts while the switch refuses; the first is 0.2 s."""

    @field_validator("ovsdb")
    @classmethod
    def _ovsdb_has_a_scheme(cls, value: str) -> str:
        if not value.startswith(_OVSDB_SCHEMES):
            raise ValueError(f"{value!r} must start with unix:, tcp: or ssl:")
        return value

    @field_validator("openflow")
    @classmethod
    def _openflow_can_be_read(cls, value: str) -> str:
        parse_openflow(value)
        return value

    @field_validator("integration_bridge", "tunnel_bridge")
    @classmethod
    def _bridge_has_a_name(cls, value: str) -> str:
        return _bridge_name(value)

    @field_validator("physical_networks")
    @classmethod
    def _one_bridge_for_each(cls, value: dict[str, str]) -> dict[str, str]:
        bridges = [_bridge_name(bridge) for bridge in value.values()]
        for bridge in bridges:
            if bridges.count(bridge) > 1:
                raise ValueError(f"bridge {bridge} is given to two physical networks")
        return value

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.tunnel_types and self.tunnel_ip is None:
            raise ValueError("tunnel_types needs tunnel_ip, the address that the tunnels end on")
        if self.integration_bridge == self.tunnel_bridge:
            raise ValueError("integration_bridge and tunnel_bridge must be two bridges")
        taken = {self.integration_bridge, self.tunnel_bridge} & set(self.physical_networks.values())
        if taken:
            raise ValueError(f"bridge {taken.pop()} cannot serve a physical network as well")
        if self.uses_tls and not all(self.tls_files):
            raise ValueError("ssl: needs tls_private_key, tls_certificate and tls_ca_certificate")
        return self

    @property
    def is_local(self) -> bool:
        """True if the switch is this host's."""
        return self.ovsdb.startswith("unix:")

    @property
    def uses_tls(self) -> bool:
        """True if any of the two ways to the switch is `ssl:`."""
        return self.ovsdb.startswith("ssl:") or self.openflow.startswith("ssl:")

    @property
    def tls_files(self) -> tuple[Path | None, Path | None, Path | None]:
        """Private key, certificate and authority."""
        return self.tls_private_key, self.tls_certificate, self.tls_ca_certificate

    @property
    def layout(self) -> Layout:
        """What the plan needs to know of this host."""
        return Layout(
            integration_bridge=self.integration_bridge,
            tunnel_bridge=self.tunnel_bridge,
            physical_networks=dict(self.physical_networks),
            datapath_type=self.datapath_type,
            tunnel_ip=str(self.tunnel_ip) if self.tunnel_ip else None,
            tunnel_types=frozenset(self.tunnel_types),
            udp_ports={"vxlan": self.vxlan_udp_port, "geneve": self.geneve_udp_port},
            df_default=self.df_default,
            flood_unknown_unicast=self.flood_unknown_unicast,
        )


def parse_openflow(value: str) -> OpenFlowRemote:
    """Split the setting `openflow`; ValueError names what is missing.

    An IPv6 address is written in brackets: `tcp:[2001:db8::1]:6653`.
    """
    scheme, _, rest = value.partition(":")
    if scheme == "unix" and rest:
        return OpenFlowRemote("unix", rest, 0)
    address, _, port = rest.rpartition(":")
    if scheme not in ("tcp", "ssl") or not address or not port.isdigit():
        raise ValueError(f"{value!r} must be unix:RUN_DIRECTORY, tcp:IP:PORT or ssl:IP:PORT")
    return OpenFlowRemote("tcp" if scheme == "tcp" else "ssl", address, int(port))


def _bridge_name(value: str) -> str:
    if not 0 < len(value) <= BRIDGE_NAME_LENGTH or "/" in value or value.split() != [value]:
        raise ValueError(f"{value!r} is no bridge name: 1 to {BRIDGE_NAME_LENGTH} characters")
    return value
