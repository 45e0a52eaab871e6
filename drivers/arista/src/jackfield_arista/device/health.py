"""Whether a switch is as well as it was: its links that were up, and who LLDP hears at their other ends.

One look before an edit and one after it. A neighbour that is silent for a moment or a link that comes
up slowly is no reason to take a change back, so whoever looks does it again for a while until all is
well. What is new does no harm.

LLDP keeps a neighbour for two minutes after its last word, so what an edit cuts off shows at the links
first, and of these the uplinks count: a machine may switch its own link off at any moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A row of the switch's LLDP table: its interface, and who is at the other end, as the switch spells it."""

    interface: str
    system_name: str = ""
    chassis_id: str = ""
    port_id: str = ""
    port_description: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """One look: who is at the other ends, and which interfaces are up."""

    neighbours: tuple[Neighbour, ...] = ()
    links: Mapping[str, bool] = field(default_factory=dict)

    def lost(self, after: Health, uplinks: Iterable[str]) -> tuple[str, ...]:
        """Return in words what worked at this look and does not at a later one."""
        still = {_end(neighbour) for neighbour in after.neighbours}
        return (
            *(
                f"uplink {name} is down"
                for name in sorted(uplinks)
                if self.links.get(name, False) and not after.links.get(name, False)
            ),
            *(
                f"LLDP neighbour {neighbour.system_name or neighbour.chassis_id} of {neighbour.interface} is gone"
                for neighbour in self.neighbours
                if _end(neighbour) not in still
            ),
        )


def _end(neighbour: Neighbour) -> tuple[str, str, str]:
    # A neighbour may reword its description at any time; it is the same one as long as these are.
    return neighbour.interface, neighbour.chassis_id or neighbour.system_name, neighbour.port_id
