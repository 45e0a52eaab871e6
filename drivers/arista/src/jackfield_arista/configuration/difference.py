"""What has to change on a switch, and what stands in the way.

An obstacle is something of somebody else in the place of what we want. `difference` refuses at the
first one; who wants to leave out what cannot be and make the rest asks `obstacles` for all of them.

A VLAN is ours if its name says so, and what a port has of it is ours with it, but for numbers that the
operator had put on a trunk's list before us. VLANs of ours that nobody wants go if they are in the scope,
and take their place on every port with them.

A trunk whose list is empty carries every VLAN. One that was so before us stays so; one that had a list, its
own or ours, has lost it to somebody's hand, and is taken for what it was before us until ours is on it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from jackfield_arista.configuration.edit import Edit, PortChange, VlanChange, VniChange, Wanted, WantedPort
from jackfield_arista.configuration.model import Configuration, Mode, SwitchPort, vlans_of, without

IsOurs = Callable[[str], bool]


class Cause(StrEnum):
    """What an obstacle is; in capitals, the code that operators find in the manual."""

    VLAN_TAKEN = "vlan_taken"
    PORT_MISSING = "interface_missing"
    PORT_TAKEN = "port_taken"
    VNI_TAKEN = "vni_taken"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """What stands in the way of a VLAN, a port, or both. `fact` is a sentence without the switch's name."""

    cause: Cause
    fact: str
    vlan: int | None = None
    port: str | None = None


class Conflict(Exception):
    """Something that is not ours is where ours belongs."""

    def __init__(self, obstacle: Obstacle) -> None:
        """Say what."""
        super().__init__(obstacle.fact)
        self.obstacle = obstacle

    @property
    def vlan(self) -> int | None:
        """Return the VLAN in question."""
        return self.obstacle.vlan


class MissingPort(Conflict):
    """The switch has no such interface or port-channel."""


def difference(current: Configuration, wanted: Wanted, is_ours: IsOurs) -> Edit:
    """Return the edit that makes a switch hold what is wanted. Conflict or MissingPort at the first obstacle."""
    for obstacle in obstacles(current, wanted, is_ours):
        raise MissingPort(obstacle) if obstacle.cause is Cause.PORT_MISSING else Conflict(obstacle)
    ours = _ours(current, wanted, is_ours)
    going = frozenset(vlan for vlan in ours & current.vlans.keys() if vlan not in wanted.vlans)
    return Edit(
        vlans=dict(_vlan_changes(current, wanted, going)),
        ports=dict(_port_changes(current, wanted, ours, going)),
        vnis=dict(_vni_changes(current, wanted, is_ours)),
    )


def obstacles(current: Configuration, wanted: Wanted, is_ours: IsOurs) -> Iterator[Obstacle]:
    """Yield what stands in the way of what is wanted, VLANs first."""
    foreign = {vlan: name for vlan, name in current.vlans.items() if not is_ours(name)}
    for vlan in sorted(wanted.vlans.keys() & foreign.keys()):
        yield Obstacle(Cause.VLAN_TAKEN, _taken(vlan, foreign[vlan]), vlan=vlan)
    for vlan, vni in sorted(wanted.vnis.items()):
        carrier = current.carriers.get(vlan, "")
        if carrier and not is_ours(carrier) and current.vnis.get(vlan) != vni:
            fact = f'VLAN {vlan} is mapped to VNI {current.vnis[vlan]} by "{carrier}", which is not ours'
            yield Obstacle(Cause.VNI_TAKEN, fact, vlan=vlan)
    for name, port in sorted(wanted.ports.items()):
        if port is not None:
            seen = _relisted(current.port(name), wanted.restore.get(name))
            yield from _obstacles_of_port(seen, port, foreign, current, is_ours)


def _obstacles_of_port(
    seen: SwitchPort, port: WantedPort, foreign: Mapping[int, str], current: Configuration, is_ours: IsOurs
) -> Iterator[Obstacle]:
    if not seen.exists:
        yield Obstacle(Cause.PORT_MISSING, f"there is no interface {seen.name}", port=seen.name)
        return
    for vlan in sorted(port.vlans & foreign.keys()):
        yield Obstacle(Cause.VLAN_TAKEN, _taken(vlan, foreign[vlan]), vlan=vlan, port=seen.name)
    if port.mode is Mode.ACCESS and seen.mode is Mode.TRUNK:
        others = sorted(vlan for vlan in seen.trunk_vlans if not is_ours(current.vlans.get(vlan, "")))
        if seen.carries_all or others:
            listed = ", ".join(map(str, others[:8])) or "every VLAN"
            yield Obstacle(Cause.PORT_TAKEN, f"{seen.name} is a trunk of {listed} of somebody else", port=seen.name)


def _taken(vlan: int, name: str) -> str:
    return f"VLAN {vlan} is there already" + (f' and is called "{name}"' if name else " and has no name")


def _ours(current: Configuration, wanted: Wanted, is_ours: IsOurs) -> frozenset[int]:
    """Return the VLANs of the scope that are ours, or will be."""
    named = {vlan for vlan, name in current.vlans.items() if is_ours(name)}
    return frozenset((named | wanted.vlans.keys()) & wanted.scope)


def _vlan_changes(current: Configuration, wanted: Wanted, going: frozenset[int]) -> Iterator[tuple[int, VlanChange]]:
    for vlan, name in wanted.vlans.items():
        if current.vlans.get(vlan) != name:
            yield vlan, VlanChange(current.vlans.get(vlan), name)
    for vlan in going:
        yield vlan, VlanChange(current.vlans[vlan], None)


def _port_changes(
    current: Configuration, wanted: Wanted, ours: frozenset[int], going: frozenset[int]
) -> Iterator[tuple[str, PortChange]]:
    for name, before in current.ports.items():
        before_us, port = wanted.restore.get(name), wanted.ports.get(name)
        judged = ours if name in wanted.ports else going
        listed = judged - _listed_before_us(before, before_us)
        back, seen = _put_back(before_us, name, ours), _relisted(before, before_us)
        after = _released(seen, back, judged, listed) if port is None else _with(seen, port, back, judged, listed)
        if after != before:
            yield name, PortChange(before, after)


def has_lost_its_list(port: SwitchPort, before_us: SwitchPort | None) -> bool:
    """Tell whether a port carries every VLAN that did not do so before us: somebody has emptied our list."""
    return port.carries_all and before_us is not None and not before_us.carries_all


def without_ours(port: SwitchPort, ours: frozenset[int]) -> SwitchPort:
    """Return what is left of a port without VLANs of ours; as EOS starts with it if that is nothing."""
    return _released(port, SwitchPort(port.name), ours, ours)


def _relisted(port: SwitchPort, before_us: SwitchPort | None) -> SwitchPort:
    """Return a port that has lost its list as it was before us, and every other as it is."""
    if before_us is None or not has_lost_its_list(port, before_us):
        return port
    if before_us.mode is Mode.TRUNK:
        return replace(port, trunk_vlans=before_us.trunk_vlans, entries=before_us.entries)
    return replace(before_us, name=port.name, exists=True)


def _listed_before_us(port: SwitchPort, before_us: SwitchPort | None) -> frozenset[int]:
    """Return the numbers that a trunk had on its list without us: a range of the operator's stays whole."""
    if before_us is None or before_us.mode is not Mode.TRUNK or port.mode is not Mode.TRUNK:
        return frozenset()
    return before_us.trunk_vlans


def _with(
    before: SwitchPort, port: WantedPort, back: SwitchPort, ours: frozenset[int], listed: frozenset[int]
) -> SwitchPort:
    """Return a port with what is wanted on it, and with what others have put on its trunk.

    `ours` are VLANs of ours, `listed` those that we have put on the trunk's list.
    """
    if port.mode is Mode.ACCESS:
        return SwitchPort(before.name, Mode.ACCESS, access_vlan=port.access_vlan)
    if before.carries_all:
        return replace(before, native_vlan=_native(before, back, ours, port.native_vlan))
    if not port.vlans:
        return _released(before, back, ours, listed)
    if before.mode is not Mode.TRUNK:
        return _trunk(before, port.native_vlan, (), port.vlans)
    kept = without(before.trunk_entries, listed - port.vlans)
    return _trunk(before, _native(before, back, ours, port.native_vlan), kept, port.vlans)


def _released(before: SwitchPort, back: SwitchPort, ours: frozenset[int], listed: frozenset[int]) -> SwitchPort:
    """Return a port with nothing of ours: what others have on it stays, or else it is as it was before us."""
    if listed.isdisjoint(before.trunk_vlans) and ours.isdisjoint({before.access_vlan, before.native_vlan}):
        return before
    if before.mode is not Mode.TRUNK:
        return back
    native = _native(before, back, ours)
    if before.carries_all:
        return replace(before, native_vlan=native)
    kept = without(before.trunk_entries, listed)
    if kept:
        return _trunk(before, native, kept)
    if native is not None and native == before.native_vlan:
        # A trunk of its native VLAN alone: without any list it would be a trunk of all.
        return _trunk(before, native, (str(native),))
    return back


def _trunk(
    before: SwitchPort, native: int | None, entries: tuple[str, ...], more: frozenset[int] = frozenset()
) -> SwitchPort:
    entries = (*entries, *(str(vlan) for vlan in sorted(more - vlans_of(entries))))
    return SwitchPort(before.name, Mode.TRUNK, None, native, vlans_of(entries), entries=entries)


def _native(before: SwitchPort, back: SwitchPort, ours: frozenset[int], wanted: int | None = None) -> int | None:
    if wanted is not None:
        return wanted
    return back.native_vlan if before.native_vlan in ours else before.native_vlan


def _put_back(before_us: SwitchPort | None, name: str, ours: frozenset[int]) -> SwitchPort:
    """Return what a port was before us; as EOS starts with it if nobody remembers.

    A number that is a VLAN of ours by now is no access or native VLAN to go back to.
    """
    if before_us is None:
        return SwitchPort(name)
    access, native = (None if vlan in ours else vlan for vlan in (before_us.access_vlan, before_us.native_vlan))
    return replace(before_us, name=name, exists=True, access_vlan=access, native_vlan=native)


def _vni_changes(current: Configuration, wanted: Wanted, is_ours: IsOurs) -> Iterator[tuple[int, VniChange]]:
    for vlan, vni in wanted.vnis.items():
        seen, by = current.vnis.get(vlan), current.carriers.get(vlan, "")
        carrier = wanted.vlans.get(vlan) or current.vlans.get(vlan, "")
        if seen != vni or (by != carrier and is_ours(by)):
            yield vlan, VniChange(seen, vni, carrier, by)
    for vlan in current.vnis.keys() & wanted.scope - wanted.vnis.keys():
        by = current.carriers.get(vlan) or current.vlans.get(vlan, "")
        if is_ours(by):
            yield vlan, VniChange(current.vnis[vlan], None, "", by)
