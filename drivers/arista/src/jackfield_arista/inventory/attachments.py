"""Where a host is plugged in: attachments of the inventory, and the places that follow from them.

An attachment says that a host's cables end on interfaces of a switch, or on a port-channel of it. A
place is one (switch, port) whose VLANs have to be right for the host. A port-channel of an MLAG pair
has the same name on both members and is one attachment and two places: the VLANs have to be right on
both, because a frame may take either cable.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from jackfield_arista.inventory.notation import canonical_port, is_lag

PortName = Annotated[str, AfterValidator(canonical_port)]


class Role(StrEnum):
    """What is at the other end: machines with VLANs of their own, or one machine."""

    HYPERVISOR = "hypervisor"
    BAREMETAL = "baremetal"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A port of a switch, as the models name it, that a host hangs on.

    `physical_network` is that of the switch's group: a host with cables into two fabrics has places in both.
    """

    switch: str
    port: str
    role: Role = Role.HYPERVISOR
    physical_network: str = ""


class Attachment(BaseModel):
    """A host's cables into one switch, or into an MLAG pair.

    Either `interfaces`, each on its own, or `lag`; with a `lag`, `interfaces` are its members on this switch.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: str = Field(min_length=1, max_length=255)
    switch: str
    interfaces: tuple[PortName, ...] = ()
    lag: PortName | None = None
    mlag: bool = True
    """False for a port-channel of a switch with an MLAG peer whose cables all end on this switch."""
    role: Role = Role.HYPERVISOR

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if not self.interfaces and self.lag is None:
            raise ValueError("needs interfaces or lag")
        if self.lag is not None and not is_lag(self.lag):
            raise ValueError("lag must be a port-channel, such as Port-Channel7")
        if self.lag is not None and any(is_lag(port) for port in self.interfaces):
            raise ValueError("interfaces are the members of lag and cannot be port-channels")
        return self

    @property
    def ports(self) -> tuple[str, ...]:
        """The ports whose VLANs matter: the port-channel if there is one, the interfaces otherwise."""
        return self.interfaces if self.lag is None else (self.lag,)
