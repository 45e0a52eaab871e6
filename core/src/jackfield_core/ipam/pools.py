"""The arithmetic of a subnet: which of its addresses ports may have.

Everything here is pure. Addresses come and go as text; in between they are
*positions*, counted from the subnet's first address, so that IPv4 and IPv6 are
the same and a database can keep them in order.

An IPv4 subnet keeps its first address (the network) and its last (broadcast)
for itself; an IPv6 subnet only its first (the anycast address of its routers,
RFC 4291 section 2.6.1). Point-to-point subnets of two addresses (RFC 3021,
RFC 6164) and subnets of one address give away all they have.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache

from jackfield_core.errors import Conflict, Invalid
from jackfield_core.types import AllocationPool

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_cidr(text: str, ip_version: int) -> str:
    """Return a subnet's CIDR in canonical form.

    Raises:
        Invalid: *text* is no CIDR of this version, has bits set behind its
            prefix, or is the whole Internet.
    """
    network = _any_network(text)
    if "/" not in text or ipaddress.ip_interface(text).ip != network.network_address:
        raise _invalid("cidr", f"'{text}' isn't a recognized IP subnet cidr, '{network}' is recommended")
    if network.version != ip_version:
        raise _invalid("cidr", f"'{text}' is not an IPv{ip_version} subnet cidr")
    if network.prefixlen == 0:
        raise _invalid("cidr", "0 is not allowed as CIDR prefix length")
    return str(network)


def parse_address(text: str, name: str = "ip_address") -> str:
    """Return an address in canonical form; *name* is the attribute that an error names.

    Raises:
        Invalid: *text* is no address.
    """
    return str(_address(text, name))


def default_gateway(cidr: str) -> str | None:
    """Return the address behind the subnet's first; None if there is only one."""
    network = parsed(cidr)
    return str(network[1]) if network.num_addresses > 1 else None


def check_gateway(cidr: str, gateway_ip: str) -> None:
    """Check that the gateway is not an address that no host can have.

    Outside of the subnet anything goes: hosts may reach it over a link route.

    Raises:
        Invalid: It is of the other IP version, or the network or broadcast address.
    """
    network, gateway = parsed(cidr), _address(gateway_ip, "gateway_ip")
    if gateway.version != network.version:
        raise _invalid("gateway_ip", f"'{gateway_ip}' is not an IPv{network.version} address")
    if network.version == 4 and gateway in network and not _is_host(network, gateway):
        raise _invalid("gateway_ip", f"gateway '{gateway_ip}' is not valid on subnet {cidr}")


def default_pools(cidr: str, gateway_ip: str | None) -> tuple[AllocationPool, ...]:
    """Return everything that ports may have, around the gateway."""
    network = parsed(cidr)
    first, last = _hosts(network)
    gateway = _position_in(network, gateway_ip) if gateway_ip else None
    if gateway is None or not first <= gateway <= last:
        spans = [(first, last)]
    else:
        spans = [(first, gateway - 1), (gateway + 1, last)]
    return tuple(AllocationPool(str(network[low]), str(network[high])) for low, high in spans if low <= high)


def check_pools(cidr: str, pools: Iterable[AllocationPool], gateway_ip: str | None) -> tuple[AllocationPool, ...]:
    """Return allocation pools in canonical form, lowest first.

    Raises:
        Invalid: A pool is none, or leaves the subnet.
        Conflict: Two pools overlap, or the gateway lies in one.
    """
    network = parsed(cidr)
    ordered = sorted((_parse_pool(network, pool) for pool in pools), key=lambda ends: int(ends[0]))
    texts = tuple(AllocationPool(str(start), str(end)) for start, end in ordered)
    for place in range(1, len(ordered)):
        if int(ordered[place][0]) <= int(ordered[place - 1][1]):
            raise Conflict(
                f"Found overlapping allocation pools: {_text(texts[place - 1])} {_text(texts[place])}"
                f" for subnet {cidr}.",
                type="OverlappingAllocationPools",
            )
    if gateway_ip:
        check_gateway_outside(gateway_ip, texts)
    return texts


def check_gateway_outside(gateway_ip: str, pools: Sequence[AllocationPool]) -> None:
    """Check that no port can get the gateway's address by chance.

    Raises:
        Conflict: The gateway lies in a pool.
    """
    gateway = ipaddress.ip_address(gateway_ip)
    for pool in pools:
        start, end = ipaddress.ip_address(pool.start), ipaddress.ip_address(pool.end)
        if start.version == gateway.version and int(start) <= int(gateway) <= int(end):
            raise Conflict(
                f"Gateway ip {gateway_ip} conflicts with allocation pool {_text(pool)}.",
                type="GatewayConflictWithAllocationPools",
            )


def overlap(cidr: str, other: str) -> bool:
    """Return whether two subnets share an address."""
    one, two = parsed(cidr), parsed(other)
    return one.version == two.version and one.overlaps(two)


def position(cidr: str, ip_address: str) -> int | None:
    """Return how far an address lies from the subnet's first; None outside of the subnet."""
    return _position_in(parsed(cidr), ip_address)


def address_at(cidr: str, place: int) -> str:
    """Return the address at a position, in canonical form."""
    return str(parsed(cidr)[place])


def is_host(cidr: str, ip_address: str) -> bool:
    """Return whether an address lies in the subnet and is one that hosts can have."""
    network, address = parsed(cidr), ipaddress.ip_address(ip_address)
    return address in network and _is_host(network, address)


def eui64(cidr: str, mac_address: str) -> str:
    """Return the address that a host makes from its MAC address on a /64 (RFC 4291, appendix A)."""
    raw = bytes.fromhex(mac_address.replace(":", ""))
    interface = bytes([raw[0] ^ 0x02]) + raw[1:3] + b"\xff\xfe" + raw[3:]
    return str(parsed(cidr)[int.from_bytes(interface, "big")])


@lru_cache(maxsize=4096)
def parsed(cidr: str) -> IpNetwork:
    """Return the network of a canonical CIDR; reading one costs more than all arithmetic on it."""
    return ipaddress.ip_network(cidr)


def _any_network(text: str) -> IpNetwork:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise _invalid("cidr", f"'{text}' is not a valid IP subnet") from None


def _address(text: str, name: str) -> IpAddress:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise _invalid(name, f"'{text}' is not a valid IP address") from None
    if getattr(address, "scope_id", None):
        raise _invalid(name, f"'{text}' names an interface")
    return address


def _hosts(network: IpNetwork) -> tuple[int, int]:
    """Return the first and last position that a port can have."""
    size = network.num_addresses
    if size <= 2:
        return 0, size - 1
    return 1, size - (2 if network.version == 4 else 1)


def _is_host(network: IpNetwork, address: IpAddress) -> bool:
    first, last = _hosts(network)
    return first <= int(address) - int(network.network_address) <= last


def _position_in(network: IpNetwork, ip_address: str) -> int | None:
    address = ipaddress.ip_address(ip_address)
    return int(address) - int(network.network_address) if address in network else None


def _parse_pool(network: IpNetwork, pool: AllocationPool) -> tuple[IpAddress, IpAddress]:
    start, end = (_address(text, "allocation_pools") for text in (pool.start, pool.end))
    if start.version != network.version or end.version != network.version or int(start) > int(end):
        raise Invalid(f"The allocation pool {_text(pool)} is not valid.", type="InvalidAllocationPool")
    if not all(address in network and _is_host(network, address) for address in (start, end)):
        raise Invalid(
            f"The allocation pool {_text(pool)} spans beyond the subnet cidr {network}.",
            type="OutOfBoundsAllocationPool",
        )
    return start, end


def _text(pool: AllocationPool) -> str:
    return f"{pool.start}-{pool.end}"


def _invalid(name: str, reason: str) -> Invalid:
    return Invalid(f"Invalid input for {name}. Reason: {reason}.", type="InvalidInput")
