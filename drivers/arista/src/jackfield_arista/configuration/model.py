"""What a switch holds of what we look at, as values: VLANs, ports, and which VXLAN network a VLAN is.

A port is an interface or a port-channel. What it says of its trunk is kept in the switch's own words
(`entries`: `"7"`, `"2000..2005"`), because an edit changes single entries and leaves the others as
they were written, order and all.

A trunk without any entry is no empty trunk: it carries every VLAN (openconfig-vlan, `trunk-vlans`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

AGGREGATE_PREFIX = "Port-Channel"


class Mode(StrEnum):
    """What a port does with tags. None in its place: nothing is configured, and EOS takes it for access."""

    ACCESS = "access"
    TRUNK = "trunk"


@dataclass(frozen=True, slots=True)
class SwitchPort:
    """An interface or a port-channel (`Port-Channel7`), as far as VLANs are concerned.

    `trunk_vlans` is what `entries` say, one id each. Ports made without `entries` have one for each VLAN.
    """

    name: str
    mode: Mode | None = None
    access_vlan: int | None = None
    native_vlan: int | None = None
    trunk_vlans: frozenset[int] = frozenset()
    exists: bool = True
    entries: tuple[str, ...] = field(default=(), compare=False)

    @property
    def is_aggregate(self) -> bool:
        """Return whether this is a port-channel."""
        return self.name.startswith(AGGREGATE_PREFIX)

    @property
    def carries_all(self) -> bool:
        """Return whether this is a trunk without a list, which is a trunk of every VLAN."""
        return self.mode is Mode.TRUNK and not self.trunk_vlans

    @property
    def trunk_entries(self) -> tuple[str, ...]:
        """Return the trunk's entries as the switch has them."""
        return self.entries or tuple(str(vlan) for vlan in sorted(self.trunk_vlans))

    def carries(self, vlan: int) -> bool:
        """Return whether frames of this VLAN pass the port, tagged or not."""
        if self.mode is Mode.TRUNK:
            return self.carries_all or vlan in self.trunk_vlans
        return vlan == self.access_vlan


@dataclass(frozen=True, slots=True)
class Configuration:
    """A switch's running configuration.

    `vlans` maps ids to names (empty if there is none), `ports` names to ports, `vnis` VLAN ids to VXLAN
    network identifiers. `carriers` names what maps a VLAN where that is an instance with a name of its own.
    """

    vlans: Mapping[int, str] = field(default_factory=dict)
    ports: Mapping[str, SwitchPort] = field(default_factory=dict)
    vnis: Mapping[int, int] = field(default_factory=dict)
    carriers: Mapping[int, str] = field(default_factory=dict, compare=False)

    def port(self, name: str) -> SwitchPort:
        """Return the port, or one that does not exist."""
        return self.ports.get(name) or SwitchPort(name, exists=False)


def entry_range(entry: str) -> tuple[int, int]:
    """Return the first and last VLAN of an entry: `7`, `7..9`, or `7-9` as the command line has it."""
    first, separator, last = entry.replace("..", "-").partition("-")
    return (int(first), int(last)) if separator else (int(first), int(first))


def vlans_of(entries: Iterable[str]) -> frozenset[int]:
    """Return the ids that entries name."""
    ranges = (entry_range(entry) for entry in entries)
    return frozenset(vlan for first, last in ranges for vlan in range(first, last + 1))


def without(entries: Iterable[str], vlans: frozenset[int]) -> tuple[str, ...]:
    """Return entries that name the same ids except for these; an entry that names none of them stays as it is."""
    left: list[str] = []
    for entry in entries:
        first, last = entry_range(entry)
        if vlans.isdisjoint(range(first, last + 1)):
            left.append(entry)
        else:
            left += ranges(vlan for vlan in range(first, last + 1) if vlan not in vlans)
    return tuple(left)


def ranges(vlans: Iterable[int]) -> list[str]:
    """Return ascending ids in as few entries as can be."""
    runs: list[list[int]] = []
    for vlan in vlans:
        if runs and runs[-1][-1] == vlan - 1:
            runs[-1][1:] = [vlan]
        else:
            runs.append([vlan])
    return [str(run[0]) if len(run) == 1 else f"{run[0]}..{run[1]}" for run in runs]
