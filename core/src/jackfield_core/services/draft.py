"""Ports as requests want them: nothing is taken yet, and nobody has been asked.

A new port has its id and its MAC address, but no IP address and no binding. A
changed one has everything that the request names but new addresses; where it
comes to another place on the network it is unbound again.
"""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from jackfield_core.db.base import now
from jackfield_core.db.port import Binding, Port
from jackfield_core.db.tree import NetworkTree
from jackfield_core.errors import Conflict
from jackfield_core.ipam import mac
from jackfield_core.services import revision
from jackfield_core.services.spec import PortCreate, PortUpdate
from jackfield_core.types import BINDING_FAILED, UNBOUND, AddressPair, Status


def drafts(specs: Sequence[PortCreate], trees: Mapping[str, NetworkTree], base_mac: str) -> Sequence[Port]:
    """Return the ports that *specs* ask for, without addresses and unbound.

    Raises:
        Conflict: Attributes of a port do not go together.
    """
    addresses = _mac_addresses(specs, base_mac)
    return [_draft(spec, trees[spec.network_id], next(addresses)) for spec in specs]


def edited(before: Port, spec: PortUpdate) -> Port:
    """Return *before* as the user wants it, its addresses not yet changed.

    A new place on the network starts unbound: what the old host reported does
    not count there.

    Raises:
        Conflict: Attributes of the port do not go together, or a bound port is to have another MAC address.
    """
    values = revision.given(spec)
    values.pop("fixed_ips", None)
    asked = {name: values.pop(name) for name in ("host", "vnic_type", "profile") if name in values}
    after = revision.changed(before, **values)
    _check_mac_address(before, after)
    pairs = _own_mac(after.allowed_address_pairs, after.mac_address)
    binding = before.binding
    wanted = Binding(
        host=asked.get("host", binding.host),
        vnic_type=asked.get("vnic_type", binding.vnic_type),
        profile=asked.get("profile", binding.profile),
    )
    after = _checked(replace(after, allowed_address_pairs=pairs))
    if not after.admin_state_up:
        after = replace(after, status=Status.DOWN)
    if _place(wanted) == _place(binding) and binding.vif_type != BINDING_FAILED:
        return after
    return replace(after, binding=wanted, status=Status.DOWN)


def _mac_addresses(specs: Sequence[PortCreate], base_mac: str) -> Iterator[str]:
    """Yield the MAC address of each port: the one asked for, or one that is new within the request."""
    taken = {spec.mac_address for spec in specs if spec.mac_address is not UNSET}
    for spec in specs:
        if spec.mac_address is not UNSET:
            yield spec.mac_address
            continue
        address = mac.generate(base_mac)
        while address in taken:
            address = mac.generate(base_mac)
        taken.add(address)
        yield address


def _draft(spec: PortCreate, tree: NetworkTree, mac_address: str) -> Port:
    at = now()
    secure = tree.network.port_security_enabled
    return _checked(
        Port(
            id=str(uuid.uuid4()),
            network_id=spec.network_id,
            project_id=spec.project_id,
            name=spec.name,
            description=spec.description,
            admin_state_up=spec.admin_state_up,
            status=Status.DOWN,
            mac_address=mac_address,
            device_id=spec.device_id,
            device_owner=spec.device_owner,
            port_security_enabled=secure if spec.port_security_enabled is UNSET else spec.port_security_enabled,
            fixed_ips=(),
            allowed_address_pairs=_own_mac(spec.allowed_address_pairs, mac_address),
            extra_dhcp_opts=spec.extra_dhcp_opts,
            revision_number=1,
            created_at=at,
            updated_at=at,
            binding=Binding(host=spec.host, vnic_type=spec.vnic_type, profile=spec.profile),
        )
    )


def _checked(port: Port) -> Port:
    """Return *port*, if its attributes go together.

    Raises:
        Conflict: It names address pairs, and nothing restricts its addresses.
    """
    if port.allowed_address_pairs and not port.port_security_enabled:
        raise Conflict(
            "Port Security must be enabled in order to have allowed address pairs on a port.",
            type="AddressPairAndPortSecurityRequired",
        )
    return port


def _check_mac_address(before: Port, after: Port) -> None:
    """Keep the MAC address of a port that is plugged: a guest uses it.

    Raises:
        Conflict: The port is bound.
    """
    if after.mac_address == before.mac_address or before.binding.vif_type in (UNBOUND, BINDING_FAILED):
        return
    raise Conflict(
        f"Unable to complete operation on port {before.id}: its mac_address cannot change from {before.mac_address} to"
        f" {after.mac_address} while it is bound on host {before.binding.host} (vif_type {before.binding.vif_type}).",
        type="PortBound",
    )


def _own_mac(pairs: Sequence[AddressPair], mac_address: str) -> tuple[AddressPair, ...]:
    """Fill in the port's own MAC address where a pair names none."""
    return tuple(pair if pair.mac_address else replace(pair, mac_address=mac_address) for pair in pairs)


def _place(binding: Binding) -> tuple[str, str, dict[str, Any]]:
    return binding.host, binding.vnic_type, binding.profile
