"""Addresses that hosts make themselves, when a subnet for them comes or goes.

On a SLAAC subnet every port has the address that its host makes of the prefix
and its MAC (RFC 4862). So a new subnet gives all ports of its network one, or
port security would drop what the hosts send, and a subnet that goes takes them
back. Ports of routers are left out: their addresses are chosen. Any subnet that
goes takes back those of services such as DHCP, which serve it and nothing else.

Drivers judge the subnet and nothing else; each port is only owed to them, as
an update. docs/decisions/0010 says why.
"""

from collections.abc import Sequence

from jackfield_core.db.address import MAX_POSITION, Address
from jackfield_core.db.leaving import Leaving
from jackfield_core.db.occupancy import OccupancyTable
from jackfield_core.db.port import Port
from jackfield_core.db.subnet import Subnet
from jackfield_core.db.tree import NetworkTree
from jackfield_core.db.unit_of_work import Change, Transaction
from jackfield_core.errors import Conflict
from jackfield_core.ipam import pools
from jackfield_core.ipam.wishes import ROUTER_OWNERS
from jackfield_core.services import revision
from jackfield_core.types import Action, FixedIp, Kind


async def give(tx: Transaction, tree: NetworkTree, subnets: Sequence[Subnet]) -> None:
    """Give the ports of a network their addresses on its new subnets.

    The caller holds the network, so that no port comes in between.
    """
    automatic = [subnet for subnet in subnets if subnet.is_auto_address]
    if not automatic:
        return
    found = await OccupancyTable(tx.connection).on_network(tree.network.id)
    ports = [port for port in found if port.device_owner not in ROUTER_OWNERS]
    if ports:
        addresses = [(_address(subnet, port), port.id) for port in ports for subnet in automatic]
        await tx.addresses.reserve(addresses)
        await _record(tx, tree, ports, [_with(port, automatic) for port in ports])


async def take_back(tx: Transaction, tree: NetworkTree, subnet: Subnet) -> None:
    """Take their addresses on a subnet from the ports of its network; *tree* is the network without it.

    Raises:
        Conflict: A router has an address there.
    """
    table = OccupancyTable(tx.connection)
    ports = await table.on_subnet(subnet.id)
    if any(port.device_owner in ROUTER_OWNERS for port in ports):
        raise in_use(subnet.id)
    if ports:
        after = [_without(port, subnet) for port in ports]
        await tx.leaving.add(
            Leaving(Kind.PORT, one.id, one.network_id, one.revision_number, address.ip_address, subnet.id)
            for before, one in zip(ports, after, strict=True)
            for address in before.fixed_ips
            if address.subnet_id == subnet.id
        )
        await _record(tx, tree, ports, after)


def in_use(subnet_id: str) -> Conflict:
    """Return the error for a subnet of which ports have addresses that somebody chose."""
    return Conflict(
        f"Unable to complete operation on subnet {subnet_id}: One or more ports have an IP allocation from this"
        " subnet.",
        type="SubnetInUse",
    )


async def _record(tx: Transaction, tree: NetworkTree, before: Sequence[Port], after: Sequence[Port]) -> None:
    """Write ports with their new addresses; owe them to the drivers, and let their hosts look."""
    await OccupancyTable(tx.connection).write(after)
    levels = await tx.ports.levels(port.id for port in after)
    for original, current in zip(before, after, strict=True):
        bound = levels.get(current.id, ())
        tx.record(
            Change(Kind.PORT, Action.UPDATE, current, original, tree, levels=bound, original_levels=bound),
        )


def _with(port: Port, subnets: Sequence[Subnet]) -> Port:
    made = (FixedIp(subnet.id, pools.eui64(subnet.cidr, port.mac_address)) for subnet in subnets)
    return revision.changed(port, fixed_ips=(*port.fixed_ips, *made))


def _without(port: Port, subnet: Subnet) -> Port:
    return revision.changed(port, fixed_ips=tuple(one for one in port.fixed_ips if one.subnet_id != subnet.id))


def _address(subnet: Subnet, port: Port) -> Address:
    """Return the address of a port, and its place if that can be counted."""
    ip_address = pools.eui64(subnet.cidr, port.mac_address)
    place = pools.position(subnet.cidr, ip_address)
    return Address(subnet.id, ip_address, place if place is not None and place <= MAX_POSITION else None)
