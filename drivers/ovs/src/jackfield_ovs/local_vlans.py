"""Local VLANs: the number by which one host knows a network.

A number means nothing beyond the host. It is written down on the integration bridge's row in the
OVSDB, one key for each VLAN, because that row outlives the agent and the last port of a network.
So an agent that restarts goes on with the numbers that the switch is using, and a number is
never given to two networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

FIRST, LAST = 1, 4094

_PREFIX = "jackfield-vlan-"


def assign(wanted: Iterable[str], held: Mapping[str, int]) -> dict[str, int]:
    """Return the VLAN of every wanted network: the one it holds, or else the lowest free one.

    A network that is not wanted any more keeps its number until that is released. When no
    number is left, the networks without one are missing in the answer.
    """
    networks = sorted(wanted)
    assigned = {network: held[network] for network in networks if network in held}
    taken = set(held.values())
    free = (vlan for vlan in range(FIRST, LAST + 1) if vlan not in taken)
    new = (network for network in networks if network not in held)
    return assigned | dict(zip(new, free, strict=False))


def key(vlan: int) -> str:
    """Return the key in external_ids under which a VLAN is written down."""
    return f"{_PREFIX}{vlan}"


def read(external_ids: Mapping[str, str]) -> dict[str, int]:
    """Return network -> VLAN as written down; other keys are somebody else's."""
    vlans = {
        int(name.removeprefix(_PREFIX)): network
        for name, network in external_ids.items()
        if name.startswith(_PREFIX) and name.removeprefix(_PREFIX).isdigit()
    }
    return {vlans[vlan]: vlan for vlan in sorted(vlans, reverse=True)}
