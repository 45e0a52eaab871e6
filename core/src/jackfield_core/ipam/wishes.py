"""What the addresses of one port have to be, decided before anything is taken.

A port asks for addresses on subnets, for certain addresses, or for whatever
the network has: then it gets one IPv4 address and one stateful IPv6 address.
On a subnet where hosts make their own addresses (SLAAC, stateless DHCPv6)
nobody chooses: every port has the address that its host will make there.
Routers are the exception, they are given addresses on such subnets like on any
other. The rules and the names of the errors are Neutron's.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from jackfield_core.db.subnet import Subnet
from jackfield_core.db.tree import NetworkTree
from jackfield_core.errors import Invalid
from jackfield_core.ipam import pools
from jackfield_core.types import FixedIp, FixedIpRequest

ROUTER_OWNERS = frozenset(
    {
        "network:router_interface",
        "network:ha_router_replicated_interface",
        "network:router_interface_distributed",
        "network:router_centralized_snat",
    }
)
"""Values of ``device_owner`` that mark the port of a router."""
SERVICE_OWNERS = ("network:dhcp", "network:distributed", "network:floatingip_agent_gateway")
"""Values of ``device_owner`` whose ports keep neither a network nor a subnet from being deleted, as in Neutron."""


class PortAddresses(Struct, frozen=True):
    """The addresses that one port asks for."""

    port_id: str
    mac_address: str
    device_owner: str = ""
    fixed_ips: tuple[FixedIpRequest, ...] | None = None
    """None means automatic addresses, empty means none."""
    held: tuple[FixedIp, ...] = ()
    """Addresses that the port has already: kept where they are still asked for."""


class Choice(Struct, frozen=True):
    """Any address of the first of these subnets that has a free one."""

    subnets: tuple[Subnet, ...]


class Certain(Struct, frozen=True):
    """One address and no other."""

    subnet: Subnet
    ip_address: str


Wish = FixedIp | Certain | Choice
"""A :class:`FixedIp` is held already; the rest has to be taken."""


def wishes(tree: NetworkTree, wanted: PortAddresses) -> list[Wish]:
    """Return what a port is to get, in the order of its ``fixed_ips``.

    Raises:
        Invalid: The network has no such subnet or address.
    """
    if wanted.fixed_ips is None:
        found: list[Certain | Choice] = [*_automatic(tree.subnets)]
    else:
        found = [wish for request in wanted.fixed_ips if (wish := _requested(tree, wanted, request))]
    if wanted.fixed_ips != () and wanted.device_owner not in ROUTER_OWNERS:
        found += _self_made(tree.subnets, wanted.mac_address)
    return _without_held(found, wanted.held)


def _automatic(subnets: Sequence[Subnet]) -> Iterator[Choice]:
    for ip_version in (4, 6):
        eligible = tuple(one for one in subnets if one.ip_version == ip_version and not one.is_auto_address)
        if eligible:
            yield Choice(eligible)


def _requested(tree: NetworkTree, wanted: PortAddresses, request: FixedIpRequest) -> Certain | Choice | None:
    """Return what one entry of ``fixed_ips`` asks for; None for a self-made address, which comes anyway."""
    is_router = wanted.device_owner in ROUTER_OWNERS
    ip_address = pools.parse_address(request.ip_address) if request.ip_address else None
    subnet = _subnet(tree, request.subnet_id, ip_address, is_router)
    if subnet.is_auto_address and not is_router:
        if ip_address and ip_address != pools.eui64(subnet.cidr, wanted.mac_address):
            raise Invalid(
                f"IPv6 address {ip_address} cannot be directly assigned to a port on subnet {subnet.id} as the"
                " subnet is configured for automatic addresses",
                type="AllocationOnAutoAddressSubnet",
            )
        return None
    return Certain(subnet, ip_address) if ip_address else Choice((subnet,))


def _subnet(tree: NetworkTree, subnet_id: str | None, ip_address: str | None, is_router: bool) -> Subnet:
    """Return the subnet that a request names, or the one that its address lies in."""
    if not tree.subnets:
        raise _invalid("IP allocation requires subnets for network")
    if subnet_id is not None:
        return _named_subnet(tree, subnet_id, ip_address, is_router)
    if ip_address is None:
        raise _invalid("IP allocation requires subnet_id or ip_address")
    for subnet in tree.subnets:
        if _fits(subnet, ip_address, is_router):
            return subnet
    raise Invalid(
        f"IP address {ip_address} is not a valid IP for any of the subnets on the specified network.",
        type="InvalidIpForNetwork",
    )


def _named_subnet(tree: NetworkTree, subnet_id: str, ip_address: str | None, is_router: bool) -> Subnet:
    subnet = next((one for one in tree.subnets if one.id == subnet_id), None)
    if subnet is None:
        raise _invalid(
            f"Failed to create port on network {tree.network.id}, because fixed_ips included invalid subnet {subnet_id}"
        )
    if ip_address and not _fits(subnet, ip_address, is_router):
        raise Invalid(f"IP address {ip_address} is not a valid IP for the specified subnet.", type="InvalidIpForSubnet")
    return subnet


def _fits(subnet: Subnet, ip_address: str, is_router: bool) -> bool:
    # The first address of an IPv6 subnet belongs to its routers.
    return pools.is_host(subnet.cidr, ip_address) or (
        is_router and subnet.ip_version == 6 and pools.position(subnet.cidr, ip_address) == 0
    )


def _self_made(subnets: Sequence[Subnet], mac_address: str) -> list[Certain]:
    return [Certain(one, pools.eui64(one.cidr, mac_address)) for one in subnets if one.is_auto_address]


def _without_held(found: Sequence[Certain | Choice], held: Sequence[FixedIp]) -> list[Wish]:
    """Replace wishes by held addresses that fulfil them, certain ones first."""
    left = list(held)
    kept: dict[int, FixedIp] = {}
    for place, wish in sorted(enumerate(found), key=lambda entry: isinstance(entry[1], Choice)):
        match = next((one for one in left if _fulfils(one, wish)), None)
        if match:
            left.remove(match)
            kept[place] = match
    return [kept.get(place, wish) for place, wish in enumerate(found)]


def _fulfils(held: FixedIp, wish: Certain | Choice) -> bool:
    if isinstance(wish, Certain):
        return held == FixedIp(wish.subnet.id, wish.ip_address)
    return any(held.subnet_id == subnet.id for subnet in wish.subnets)


def _invalid(reason: str) -> Invalid:
    return Invalid(f"Invalid input for operation: {reason}.", type="InvalidInput")
