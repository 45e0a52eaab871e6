"""Small frozen values that every layer shares.

They are :class:`msgspec.Struct` types: as cheap as tuples, compared by value,
and written to JSON columns and to the wire without a copy in between.
"""

from enum import StrEnum

from msgspec import Struct

UNBOUND = "unbound"
BINDING_FAILED = "binding_failed"


class Kind(StrEnum):
    """Kinds of resources that mechanism drivers are told about, parents first."""

    NETWORK = "network"
    SUBNET = "subnet"
    PORT = "port"


class Action(StrEnum):
    """What happened to a resource."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class Status(StrEnum):
    """Status of a network or port, as Neutron's clients know it."""

    ACTIVE = "ACTIVE"
    """A network that can be used; a port through which frames pass."""
    DOWN = "DOWN"
    """A port through which no frames pass, or not yet."""
    ERROR = "ERROR"
    """A network or port that cannot become true as it stands: a required driver refuses it, or its host does."""


class Wiring(StrEnum):
    """What the host of a port last reported about it."""

    UNKNOWN = "unknown"
    UP = "up"
    DOWN = "down"
    ERROR = "error"


class AllocationPool(Struct, frozen=True):
    """A range of addresses, both ends included."""

    start: str
    end: str


class HostRoute(Struct, frozen=True):
    """A static route that hosts of a subnet are told."""

    destination: str
    nexthop: str


class FixedIp(Struct, frozen=True):
    """An address of a port, in canonical form."""

    subnet_id: str
    ip_address: str


class FixedIpRequest(Struct, frozen=True):
    """An address that is asked for: on a subnet, a certain one, or both."""

    subnet_id: str | None = None
    ip_address: str | None = None


class AddressPair(Struct, frozen=True, omit_defaults=False):
    """An address (or block) that a port may send from besides its own."""

    ip_address: str
    mac_address: str


class DhcpOption(Struct, frozen=True):
    """A DHCP option of one port; *ip_version* is 4 or 6."""

    opt_name: str
    opt_value: str
    ip_version: int = 4


class SegmentSpec(Struct, frozen=True):
    """An encapsulation that is asked for; what is ``None`` is chosen by the type driver."""

    network_type: str | None = None
    physical_network: str | None = None
    segmentation_id: int | None = None


class BindingLevel(Struct, frozen=True):
    """One step of a binding: which driver bound which segment; level 0 is the fabric."""

    level: int
    driver: str
    segment_id: str


def is_host_name(text: str) -> bool:
    """Return whether a host can have this name: people can read it, and it fits between two slashes of a path."""
    return bool(text.strip()) and text.isprintable() and "/" not in text and text not in (".", "..")
