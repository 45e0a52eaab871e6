"""What Neutron's users may not ask of a subnet: whoever asks for it is told which attribute does not fit, and why.

The words are Neutron's wherever it refuses the same, because clients have
learned to look for them.
"""

import ipaddress

from jackfield_core.db.subnet import AUTOMATIC, Subnet
from jackfield_core.db.tree import NetworkTree
from jackfield_core.errors import Invalid
from jackfield_core.ipam import pools
from jackfield_core.services.network import MIN_MTU_IPV6
from jackfield_core.services.spec import SubnetCreate

LONGEST_DHCP_PREFIX = {4: 30, 6: 126}
"""Bits of the longest prefix that leaves addresses for a network, a server and a client, by IP version."""


def check_fits(subnet: Subnet, tree: NetworkTree) -> None:
    """Compare a new subnet with what is on its network already.

    Raises:
        Invalid: It overlaps another subnet, names a segment that it cannot be
            tied to, or needs a larger MTU.
    """
    for other in tree.subnets:
        if pools.overlap(subnet.cidr, other.cidr):
            raise Invalid(
                f"Invalid input for operation: Requested subnet with cidr: {subnet.cidr} for network:"
                f" {subnet.network_id} overlaps with another subnet (id: {other.id}, cidr: {other.cidr}).",
                type="InvalidInput",
            )
    _check_segment(subnet, tree)
    if subnet.ip_version == 6 and 0 < tree.network.mtu < MIN_MTU_IPV6:
        raise Invalid(
            f"Invalid input for ip_version. Reason: the MTU {tree.network.mtu} of network {subnet.network_id} is below"
            f" {MIN_MTU_IPV6}, which IPv6 needs.",
            type="InvalidInput",
        )


def _check_segment(subnet: Subnet, tree: NetworkTree) -> None:
    """Check what a new subnet is tied to: on one network either all subnets are tied to segments, or none is.

    Raises:
        Invalid: The segment is of another network or dynamic, or other subnets hold it otherwise.
    """
    if subnet.segment_id is not None:
        segment = next((one for one in tree.segments if one.id == subnet.segment_id), None)
        if segment is None:
            raise Invalid(
                f"Invalid input for segment_id. Reason: segment {subnet.segment_id} is not of network"
                f" {subnet.network_id}.",
                type="InvalidInput",
            )
        if segment.is_dynamic:
            raise Invalid(
                f"A subnet cannot be associated with a dynamic segment: segment_id {segment.id}.",
                type="SubnetCantAssociateToDynamicSegment",
            )
    if any((other.segment_id is None) != (subnet.segment_id is None) for other in tree.subnets):
        raise Invalid(
            f"All of the subnets on network '{subnet.network_id}' must either all be associated with segments or all"
            " not associated with any segment: segment_id does not fit.",
            type="SubnetsNotAllAssociatedWithSegments",
        )


def check_dhcp(cidr: str) -> None:
    """Check whether a DHCP service could give addresses of *cidr*, which is in canonical form.

    Raises:
        Invalid: There is no room for a server and a client, or no host can have such an address.
    """
    net = pools.parsed(cidr)
    if net.prefixlen > LONGEST_DHCP_PREFIX[net.version]:
        raise _bad(f"Subnet has a prefix length that is incompatible with DHCP service enabled: {cidr}.")
    if net.is_multicast:
        raise _bad(f"Multicast IP subnet is not supported if enable_dhcp is True: {cidr}.")
    if net.is_loopback:
        raise _bad(f"Loopback IP subnet is not supported if enable_dhcp is True: {cidr}.")
    if net.network_address == ipaddress.IPv4Address(0):
        raise _bad(f"First IP '0.0.0.0' of network is not supported if enable_dhcp is True: {cidr}.")


def check_modes(spec: SubnetCreate) -> None:
    """Check the IPv6 modes.

    Raises:
        Invalid: They are given for IPv4, contradict each other, or ask for
            addresses from the MAC on a prefix that is not 64 bits long (RFC 4862).
    """
    ra_mode, address_mode = spec.ipv6_ra_mode, spec.ipv6_address_mode
    if ra_mode is None and address_mode is None:
        return
    if spec.ip_version == 4:
        raise _bad("ipv6_ra_mode and ipv6_address_mode cannot be set on an IPv4 subnet.")
    if not spec.enable_dhcp:
        raise modes_without_dhcp()
    if ra_mode and address_mode and ra_mode != address_mode:
        raise _bad(
            f"ipv6_ra_mode set to '{ra_mode}' with ipv6_address_mode set to '{address_mode}' is not valid. If both"
            " attributes are set, they must be the same value."
        )
    if {ra_mode, address_mode} & {*AUTOMATIC} and not spec.cidr.endswith("/64"):
        raise _bad(
            f"Invalid CIDR {spec.cidr} for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires"
            " the prefix to be /64."
        )


def modes_without_dhcp() -> Invalid:
    """Return the error for IPv6 modes on a subnet without DHCP."""
    return _bad("ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False.")


def _bad(reason: str) -> Invalid:
    return Invalid(f"Invalid input for operation: {reason}", type="InvalidInput")
