"""What the operator says about switches, groups, credentials and cables; frozen, and true in itself.

A switch belongs to a group, and a group is a physical network: VLANs mean the same on all its
switches. An attachment says which ports a host hangs on. The core knows nothing of this; the driver
asks `of_host` where a host's VLANs have to be, and `of_link` where a machine is that Ironic has
plugged in. What does not fit together (a group that is not there, one port given to two hosts) is
found when the inventory is made, by `consistency`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, IPvAnyAddress, model_validator

from jackfield_arista.attachments import Attachment, Place, PortName, Role
from jackfield_arista.consistency import Inconsistent, faults
from jackfield_arista.credentials import Credential
from jackfield_arista.links import places_of_links
from jackfield_arista.notation import canonical_chassis, same_host, short_host
from jackfield_arista.vlan_ranges import Vlans, VlanSet

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


class Group(BaseModel):
    """Switches that share VLANs: a rack, an MLAG pair, a hall. No `vlan_ranges` leaves all VLANs to the core."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Name
    physical_network: Annotated[str, Field(min_length=1, max_length=64)]
    vlan_ranges: Vlans = VlanSet()

    def allows(self, vlan: int) -> bool:
        """Tell whether a VLAN is within the group's ranges."""
        return not self.vlan_ranges or vlan in self.vlan_ranges


class Inventory(BaseModel):
    """All that the driver knows of the datacentre, by name. ValidationError if it is not consistent."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    credentials: Mapping[str, Credential] = Field(default_factory=dict)
    groups: Mapping[str, Group] = Field(default_factory=dict)
    switches: Mapping[str, Switch] = Field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _names_are_keys(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {key: _named(part) if key in _NAMED else part for key, part in data.items()}

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if found := faults(self):
            raise Inconsistent(found)
        return self

    def switch(self, name: str) -> Switch:
        """Return a switch; KeyError if there is none of that name."""
        return self.switches[name]

    def group_of(self, switch: str) -> Group:
        """Return the group of a switch; KeyError if there is no such switch."""
        return self.groups[self.switches[switch].group]

    def members(self, group: str) -> Sequence[Switch]:
        """Return the switches of a group."""
        return [switch for switch in self.switches.values() if switch.group == group]

    def credential_of(self, switch: str) -> Credential:
        """Return the credential of a switch; KeyError if there is no such switch."""
        return self.credentials[self.switches[switch].credential]

    def of_host(self, host: str) -> tuple[Place, ...]:
        """Return the places that the file gives to a host, by its name or by that without a domain; or none."""
        if host in self._places:
            return self._places[host]
        listed = self.attachments_of(host)
        return tuple(sorted({place for attachment in listed for place in self.places_of(attachment)}))

    def of_link(self, local_link_information: Any, local_group_information: Any = None) -> tuple[Place, ...]:
        """Return the places of a baremetal port, from `binding:profile` as Ironic writes it.

        Raises:
            links.UnknownLink: It names no switch of ours, or no port; `reason` says which and why.
        """
        return places_of_links(self, local_link_information, local_group_information)

    def find_switch(self, chassis_id: str = "", name: str = "") -> Switch | None:
        """Return the switch with this chassis (a MAC in the one spelling), or else of this name; None if none is."""
        by_chassis = self._by_chassis.get(chassis_id)
        return by_chassis or self.switches.get(name) or self.switches.get(name.partition(".")[0])

    def owner_of(self, switch: str, port: str) -> Attachment | None:
        """Return the attachment that a port is given to, itself or as a member of a port-channel."""
        return self._owners.get((switch, port))

    def attachments_of(self, host: str) -> Sequence[Attachment]:
        """Return what the file says of a host, by its name with or without its domain."""
        return [one for one in self._by_short_host.get(short_host(host), ()) if same_host(one.host, host)]

    def places_on(self, switch: str, port: str, role: Role, *, mlag: bool = True) -> tuple[Place, ...]:
        """Return a port as a place, and for a port-channel of an MLAG pair that of the peer."""
        peer = self.switches[switch].mlag_peer if mlag and port.startswith("Port-Channel") else None
        return tuple(
            Place(name, port, role, self.group_of(name).physical_network) for name in (switch, peer) if name is not None
        )

    def places_of(self, attachment: Attachment) -> tuple[Place, ...]:
        """Return the places of one attachment."""
        ports = attachment.ports
        switch, role, mlag = attachment.switch, attachment.role, attachment.mlag
        return tuple(place for port in ports for place in self.places_on(switch, port, role, mlag=mlag))

    @cached_property
    def _places(self) -> Mapping[str, tuple[Place, ...]]:
        places: dict[str, dict[Place, None]] = {}
        for attachment in self.attachments:
            places.setdefault(attachment.host, {}).update(dict.fromkeys(self.places_of(attachment)))
        return {host: tuple(sorted(found)) for host, found in places.items()}

    @cached_property
    def _by_short_host(self) -> Mapping[str, Sequence[Attachment]]:
        found: dict[str, list[Attachment]] = {}
        for attachment in self.attachments:
            found.setdefault(short_host(attachment.host), []).append(attachment)
        return found

    @cached_property
    def _by_chassis(self) -> Mapping[str, Switch]:
        return {switch.chassis_id: switch for switch in self.switches.values() if switch.chassis_id}

    @cached_property
    def _owners(self) -> Mapping[tuple[str, str], Attachment]:
        owners = {(one.switch, member): one for one in self.attachments for member in one.interfaces}
        for attachment in self.attachments:
            owners.update({(place.switch, place.port): attachment for place in self.places_of(attachment)})
        return owners


_NAMED = ("credentials", "groups", "switches")


def _named(part: Any) -> Any:
    """Give every entry of a mapping its key as its name."""
    if not isinstance(part, Mapping):
        return part
    return {key: {**entry, "name": key} if isinstance(entry, Mapping) else entry for key, entry in part.items()}
