"""Addresses that a new subnet finds in use already.

A subnet may come back before drivers have heard that the ports of the former
one are gone: devices still answer for those addresses. So whatever is in use
on deleted subnets of the network, and lies within the new one, is in use there
too, by the same port, and is free there at the same moment.
"""

from msgspec.structs import replace

from jackfield_core.db.address import MAX_POSITION, Address
from jackfield_core.db.subnet import Subnet
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.ipam import pools


async def inherit(tables: Tables, subnet: Subnet) -> None:
    """Reserve what is left of former subnets; hosts that make their own addresses need not choose, so none are there.

    The caller holds the network.
    """
    if subnet.is_auto_address:
        return
    found = {}
    for ip_address, port_id, left in await tables.addresses.of_former_subnets(subnet.network_id):
        place = pools.position(subnet.cidr, ip_address)
        if place is not None:
            found[ip_address] = (
                Address(subnet.id, ip_address, place if place <= MAX_POSITION else None),
                port_id,
                left,
            )
    if found:
        await tables.addresses.reserve([(address, port_id) for address, port_id, _ in found.values()])
        await tables.leaving.add(replace(left, subnet_id=subnet.id) for _, _, left in found.values() if left)
