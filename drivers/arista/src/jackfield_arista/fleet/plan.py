"""What one switch should hold of all that is wanted of it, and what of that cannot be.

Pure: rows of the memory and the switch's configuration in, one edit out. Rows that ask for the same
thing in two ways are settled by who came first. Rows that something of somebody else stands in the way
of are left out, each with its reason, so that they keep no other row from being made. A row that is
left out changes nothing: what the switch has in its place stays.

Only ports that rows are, or were, on are compared. A number of ours on the trunk of another port is the
operator's: uplinks have ranges on their lists long before there is a VLAN.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from jackfield_sdk import DriverError, Effect, Kind, RetryLater

from jackfield_arista.configuration import ownership
from jackfield_arista.configuration.difference import Obstacle, difference, has_lost_its_list, obstacles
from jackfield_arista.configuration.edit import Edit, Wanted, WantedPort
from jackfield_arista.configuration.model import Configuration, Mode, SwitchPort
from jackfield_arista.device.errors import Obstructed
from jackfield_arista.memory.tables import Key, Pair, Row


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a plan for one switch depends on.

    `known` are networks that the core has told of, `inherited` what of ours was there before anybody told,
    `taken` what ports were before us, and `left_out` the numbers of rows to leave alone this time.
    """

    switch: str
    deployment_id: str
    rows: Sequence[Row]
    configuration: Configuration
    known: Collection[str] = ()
    inherited: Mapping[Pair, str] = field(default_factory=dict)
    taken: Mapping[str, SwitchPort] = field(default_factory=dict)
    left_out: Collection[int] = ()

    def mark(self, network_id: str) -> str:
        """Return the name that a network's VLAN has."""
        return ownership.mark(self.deployment_id, network_id)

    def network_of(self, vlan: int) -> str | None:
        """Return the network whose VLAN this is on the switch; None if it is not ours, or not there."""
        return ownership.network_of(self.deployment_id, self.configuration.vlans.get(vlan, ""))

    def holds(self, row: Row) -> bool:
        """Tell whether the switch has what a row wants, or anything of a network that leaves."""
        if not row.member.port:
            return any(self.network_of(vlan) == row.network_id for vlan in self.configuration.vlans)
        vlan, port = row.member.vlan, self.configuration.port(row.member.port)
        if has_lost_its_list(port, self.taken.get(port.name)):
            return False
        named = self.configuration.vlans.get(vlan) == self.mark(row.network_id)
        mapped = row.member.vni is None or self.configuration.vnis.get(vlan) == row.member.vni
        return named and mapped and port.exists and _carried(port, row.member.mode, vlan)


@dataclass(frozen=True, slots=True)
class Plan:
    """The edit, and what follows from it once it is made.

    `takes` are ports as they are before something of ours comes on them for the first time, `freed` those
    that have nothing of ours any more. `failures` say for resources why they cannot be made.
    """

    edit: Edit
    wanted: Wanted
    failures: Mapping[Key, DriverError]
    takes: tuple[SwitchPort, ...] = ()
    freed: tuple[str, ...] = ()
    made: tuple[Row, ...] = ()
    gone: tuple[Row, ...] = ()


def plan_for(situation: Situation) -> Plan:
    """Return what is to be done on a switch."""
    staying = [row for row in situation.rows if not row.leaving and row.number not in situation.left_out]
    failures: dict[Key, DriverError] = {}
    good = list(_without_clashes(situation, staying, failures))
    is_ours = ownership.owner(situation.deployment_id)
    wanted = _wanted(situation, good)
    while found := list(obstacles(situation.configuration, wanted, is_ours)):
        hit = {row.number: obstacle for obstacle in found for row in good if _is_hit(row, obstacle)}
        for row in good:
            if row.number in hit:
                failures.setdefault((row.kind, row.id), Obstructed(situation.switch, hit[row.number]).answer())
        good = [row for row in good if row.number not in hit]
        wanted = _wanted(situation, good)
    edit = difference(situation.configuration, wanted, is_ours)
    return Plan(
        edit,
        wanted,
        failures,
        takes=tuple(_takes(situation, wanted)),
        freed=tuple(_freed(situation, wanted, edit.applied_to(situation.configuration))),
        made=tuple(good),
        gone=tuple(row for row in situation.rows if row.leaving and row.number not in situation.left_out),
    )


def _without_clashes(situation: Situation, rows: Iterable[Row], failures: dict[Key, DriverError]) -> Iterator[Row]:
    """Give a VLAN to the first network that wants it, and a port's untagged frames to the first access VLAN."""
    networks: dict[int, str] = {}
    untagged: dict[str, int] = {}
    for row in rows:
        vlan, port = row.member.vlan, row.member.port
        if networks.setdefault(vlan, row.network_id) != row.network_id:
            reason = f'switch "{situation.switch}": VLAN {vlan} belongs to network {networks[vlan]}'
            failures.setdefault((row.kind, row.id), RetryLater(reason, code="VLAN_IN_USE", effect=Effect.NONE))
        elif row.member.mode is Mode.ACCESS and untagged.setdefault(port, vlan) != vlan:
            reason = f'switch "{situation.switch}": {port} is on VLAN {untagged[port]} for another port'
            failures.setdefault((row.kind, row.id), RetryLater(reason, code="PORT_IN_USE", effect=Effect.NONE))
        else:
            yield row


def _wanted(situation: Situation, rows: Sequence[Row]) -> Wanted:
    """Return what the switch should hold, with what is not to be touched as it is."""
    pairs: dict[str, dict[int, Mode]] = {}
    for row in rows:
        pairs.setdefault(row.member.port, {})[row.member.vlan] = row.member.mode
    vlans = {row.member.vlan: situation.mark(row.network_id) for row in rows}
    vnis = {row.member.vlan: row.member.vni for row in rows if row.member.vni is not None}
    for port, vlan in _untouched(situation):
        if vlans.setdefault(vlan, situation.configuration.vlans[vlan]) != situation.configuration.vlans[vlan]:
            continue  # The VLAN is another network's now, so nothing on it is the old one's.
        if vlan in situation.configuration.vnis:
            vnis.setdefault(vlan, situation.configuration.vnis[vlan])
        if port:
            mode = situation.configuration.port(port).mode or Mode.ACCESS
            pairs.setdefault(port, {}).setdefault(vlan, mode)
    scope = _scope(situation)
    return Wanted(
        vlans=vlans,
        ports={port: _wanted_port(port, pairs.get(port, {})) for port in _ports(situation) | pairs.keys()},
        vnis=vnis,
        restore=_restore(situation),
        scope=scope | vlans.keys(),
    )


def _untouched(situation: Situation) -> Iterator[Pair]:
    """Yield what is on the switch and stays so: inherited, or left out this time."""
    leaving = {row.network_id for row in situation.rows if row.leaving and row.kind is Kind.NETWORK}
    for (port, vlan), network in situation.inherited.items():
        is_there = not port or situation.configuration.port(port).carries(vlan)
        if is_there and network not in leaving and situation.network_of(vlan) == network:
            yield port, vlan
    for row in situation.rows:
        member = row.member
        is_there = bool(member.port) and situation.configuration.port(member.port).carries(member.vlan)
        if is_there and row.number in situation.left_out and situation.network_of(member.vlan) == row.network_id:
            yield member.port, member.vlan


def _scope(situation: Situation) -> frozenset[int]:
    """Return the VLANs that are ours to judge: those of rows, and those of networks that the core told of."""
    of_rows = {row.member.vlan for row in situation.rows if row.member.port}
    known = {vlan for vlan in situation.configuration.vlans if situation.network_of(vlan) in situation.known}
    return frozenset(of_rows | known)


def _ports(situation: Situation) -> set[str]:
    """Return the ports that we have put something on, or are about to."""
    of_rows = {row.member.port for row in situation.rows}
    return (of_rows | situation.taken.keys() | {port for port, _ in situation.inherited}) - {""}


def _restore(situation: Situation) -> Mapping[str, SwitchPort]:
    """Return what ports were before us; those that we never touched are what they are."""
    touched = _ports(situation)
    others = {name: port for name, port in situation.configuration.ports.items() if name not in touched}
    return {**others, **situation.taken}


def _wanted_port(name: str, vlans: Mapping[int, Mode]) -> WantedPort | None:
    """Return what is wanted on a port; with trunk VLANs beside it, an access VLAN is the native one."""
    if not vlans:
        return None
    tagged = frozenset(vlan for vlan, mode in vlans.items() if mode is Mode.TRUNK)
    untagged = next((vlan for vlan, mode in vlans.items() if mode is Mode.ACCESS), None)
    if not tagged:
        return WantedPort(name, Mode.ACCESS, access_vlan=untagged)
    return WantedPort(name, Mode.TRUNK, native_vlan=untagged, trunk_vlans=tagged)


def _carried(port: SwitchPort, mode: Mode, vlan: int) -> bool:
    if mode is Mode.TRUNK:
        return port.mode is Mode.TRUNK and port.carries(vlan)
    return vlan == (port.native_vlan if port.mode is Mode.TRUNK else port.access_vlan)


def _takes(situation: Situation, wanted: Wanted) -> Iterator[SwitchPort]:
    """Yield the ports that nothing of ours was seen on yet; an edit that was refused leaves them to the operator."""
    had = {row.member.port for row in situation.rows if row.made} | {port for port, _ in situation.inherited}
    for name, port in wanted.ports.items():
        seen = situation.configuration.port(name)
        if port is not None and seen.exists and name not in had and not _is_known(situation, seen):
            yield seen


def _is_known(situation: Situation, seen: SwitchPort) -> bool:
    """Tell whether a port was remembered as it is, or may show what we have made of it and nobody has confirmed."""
    before = situation.taken.get(seen.name)
    shown = seen.trunk_vlans | {seen.access_vlan, seen.native_vlan}
    may_be_ours = any(row.member.vlan in shown for row in situation.rows if row.member.port == seen.name)
    return before is not None and (before == seen or may_be_ours)


def _freed(situation: Situation, wanted: Wanted, after: Configuration) -> Iterator[str]:
    """Yield the ports that have nothing of ours: no number either that was on a list before us and is ours now.

    What a port was is still needed if something of somebody else has come in the way of what stays on it.
    """
    needed = {row.member.port for row in situation.rows if not row.leaving}
    is_ours = ownership.owner(situation.deployment_id)
    ours = {vlan for vlan, name in after.vlans.items() if is_ours(name)}
    for port in situation.taken:
        if port not in needed and wanted.ports.get(port) is None and ours.isdisjoint(after.port(port).trunk_vlans):
            yield port


def _is_hit(row: Row, obstacle: Obstacle) -> bool:
    of_vlan = obstacle.vlan is None or obstacle.vlan == row.member.vlan
    of_port = obstacle.port is None or obstacle.port == row.member.port
    return of_vlan and of_port
