"""What the operator says about switches, groups, credentials and cables; frozen, and true in itself.

A switch belongs to a group, and a group is a physical network: VLANs mean the same on all its
switches. An attachment says which ports a host hangs on. The core knows nothing of this; the driver
asks `of_host` where a host's VLANs have to be, and `links` where a machine is that Ironic has plugged
in. What does not fit together (a group that is not there, one port given to two hosts) is
found when the inventory is made, by `consistency`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from jackfield_arista.inventory.attachments import Attachment, Place, Role
from jackfield_arista.inventory.consistency import Inconsistent, faults
from jackfield_arista.inventory.credentials import Credential
from jackfield_arista.inventory.entries import Group, Switch
from jackfield_arista.inventory.notation import same_host, short_host


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
        if found := faults(self.switches, self.groups, self.credentials, self.attachments):
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
        members = self.switches[switch].members(port, mlag=mlag)
        return tuple(Place(name, port, role, self.group_of(name).physical_network) for name in members)

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
