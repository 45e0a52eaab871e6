"""Addresses of ports: taken with a new port, exchanged with a change, and kept until every driver has let go.

An address that a port loses is not free at once: it stays noted as leaving
until no device uses it any more, and so does a MAC address. Whoever wants it
back before that has it back.
"""

from collections.abc import Mapping, Sequence

from msgspec import UNSET
from msgspec.structs import replace

from jackfield_core.db.attempts import Stale
from jackfield_core.db.leaving import Leaving
from jackfield_core.db.port import Port
from jackfield_core.db.tree import NetworkTree
from jackfield_core.db.unit_of_work import Transaction
from jackfield_core.errors import Conflict
from jackfield_core.ipam.allocator import Allocator, PortAddresses
from jackfield_core.ipam.wishes import ROUTER_OWNERS
from jackfield_core.services.spec import PortCreate, PortUpdate
from jackfield_core.types import FixedIp, FixedIpRequest, Kind


async def take(
    allocator: Allocator,
    tx: Transaction,
    specs: Sequence[PortCreate],
    drafts: Sequence[Port],
    trees: Mapping[str, NetworkTree],
) -> Sequence[Port]:
    """Return *drafts* with the addresses that *specs* ask for, which are taken now."""
    fixed_ips: dict[str, tuple[FixedIp, ...]] = {}
    for network_id, tree in trees.items():
        wanted = [
            PortAddresses(
                draft.id, draft.mac_address, draft.device_owner, None if spec.fixed_ips is UNSET else spec.fixed_ips
            )
            for spec, draft in zip(specs, drafts, strict=True)
            if draft.network_id == network_id
        ]
        fixed_ips |= await allocator.assign(tx, tree, wanted)
    return [replace(draft, fixed_ips=fixed_ips[draft.id]) for draft in drafts]


async def exchange(
    allocator: Allocator, tx: Transaction, before: Port, after: Port, tree: NetworkTree, spec: PortUpdate
) -> Port:
    """Return *after* with its new addresses: those still asked for are kept, and their order if all are.

    Raises:
        Stale: An address that it had left is free since a moment.
    """
    left = await tx.leaving.addresses(after.id)
    held = (*before.fixed_ips, *left)
    requested = tuple(_requested(before, tree, spec))
    wanted = PortAddresses(after.id, after.mac_address, after.device_owner, requested, held=held)
    fixed_ips = (await allocator.assign(tx, tree, [wanted]))[after.id]
    if await tx.leaving.take_back(after.id, *(one for one in left if one in fixed_ips)):
        raise Stale(after.id)  # the last driver has heard of it, and it is free
    await tx.leaving.add(
        Leaving(Kind.PORT, after.id, after.network_id, after.revision_number, one.ip_address, one.subnet_id)
        for one in before.fixed_ips
        if one not in fixed_ips
    )
    return after if {*fixed_ips} == {*before.fixed_ips} else replace(after, fixed_ips=fixed_ips)


def _requested(before: Port, tree: NetworkTree, spec: PortUpdate) -> Sequence[FixedIpRequest]:
    """Return the addresses that an update asks for; those made from an old MAC address are made anew."""
    if spec.fixed_ips is not UNSET:
        return spec.fixed_ips
    automatic = {subnet.id for subnet in tree.subnets if subnet.is_auto_address}
    follows = automatic if before.device_owner not in ROUTER_OWNERS else set()
    return [
        FixedIpRequest(one.subnet_id, None if one.subnet_id in follows else one.ip_address) for one in before.fixed_ips
    ]


async def exchange_mac(tx: Transaction, before: Port, after: Port) -> None:
    """Let go of the MAC address that a port had, and see that nobody else is about to let go of the new one.

    Raises:
        Conflict: Another port has not let go of it on all devices.
        Stale: The port had it once, and it is free since a moment.
    """
    holder = await tx.leaving.holder(after.network_id, after.mac_address)
    if holder not in (None, after.id):
        raise mac_in_use(after)
    if holder and await tx.leaving.take_back(after.id, after.mac_address):
        raise Stale(after.id)
    mac_address = before.mac_address
    await tx.leaving.add([Leaving(Kind.PORT, after.id, after.network_id, after.revision_number, mac_address)])


def mac_in_use(port: Port) -> Conflict:
    """Return the error for a MAC address that another port of the network has."""
    return Conflict(
        f"Unable to complete operation for network {port.network_id}. The mac address {port.mac_address} is in use.",
        type="MacAddressInUse",
    )
