"""The entries of an inventory that a switch is described by: itself, and the group whose VLANs it shares."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, IPvAnyAddress

from jackfield_arista.inventory.attachments import PortName
from jackfield_arista.inventory.notation import canonical_chassis, is_lag
from jackfield_arista.inventory.vlan_ranges import Vlans, VlanSet

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
_HOST_KEY = re.compile(r"(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( .*)?")


def _name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("a name has 1 to 63 letters, digits, dots, dashes or underscores")
    return value


def _address(value: str) -> str:
    if _HOST_NAME.fullmatch(value):
        return value
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        raise ValueError("must be an IP address or a host name, and its port is a setting of its own") from None


def _host_key(value: str) -> str:
    if not _HOST_KEY.fullmatch(value):
        raise ValueError("must be a public key as ssh-keyscan prints it without the address: ssh-ed25519 AAAA…")
    return value


Name = Annotated[str, AfterValidator(_name)]
Chassis = Annotated[str, AfterValidator(canonical_chassis)]


class Switch(BaseModel):
    """One switch. Times are in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Name
    address: Annotated[str, AfterValidator(_address)]
    port: int = Field(default=830, ge=1, le=65535)
    platform: Literal["eos"] = "eos"
    credential: str
    host_key: Annotated[str, AfterValidator(_host_key)] | None = None
    """Public key as `ssh-keyscan` prints it, without the address. None: the known_hosts file of the settings."""
    chassis_id: Chassis | None = None
    """MAC address that the switch sends in LLDP, and that Ironic calls `switch_id`."""
    group: str
    mlag_peer: str | None = None
    reserved_vlans: Vlans = VlanSet()
    """VLANs of the network team: never used, whatever the core says."""
    uplinks: tuple[PortName, ...] = ()
    """Ports towards the fabric: never touched, and still up after a commit that is kept."""
    datastore: Literal["candidate", "running"] = "candidate"
    save: Literal["startup", "cli", "never"] = "startup"
    confirm_timeout: int = Field(default=60, ge=5, le=600)
    """How long the switch waits for our confirmation until it takes a commit back."""
    vtep: IPvAnyAddress | None = None
    """Address of its VXLAN tunnel endpoint; without one no VLAN is mapped to a VNI on it."""
    maintenance: bool = False
    """True: it is left alone, and what it is owed waits."""

    def members(self, port: str, *, mlag: bool = True) -> tuple[str, ...]:
        """Return the switches that a port of it is on: for a port-channel of an MLAG pair its peer as well."""
        peer = self.mlag_peer if mlag and is_lag(port) else None
        return (self.name,) if peer is None else (self.name, peer)


class Group(BaseModel):
    """Switches that share VLANs: a rack, an MLAG pair, a hall. No `vlan_ranges` leaves all VLANs to the core."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Name
    physical_network: Annotated[str, Field(min_length=1, max_length=64)]
    vlan_ranges: Vlans = VlanSet()

    def allows(self, vlan: int) -> bool:
        """Tell whether a VLAN is within the group's ranges."""
        return not self.vlan_ranges or vlan in self.vlan_ranges
