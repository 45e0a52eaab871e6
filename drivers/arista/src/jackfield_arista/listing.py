"""What the switches hold, and what a change would do to them: read from the switches, never from memory.

A port is listed on every switch that has anything of it; with its digest only if the switch has all of
it. A VLAN with our mark that nobody has told us of is listed as its network, at revision 0: an orphan,
or a network that a lost memory has yet to be told of. A switch that cannot be read is unreachable.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from jackfield_sdk import DriverError, Kind, Line, Owned, Unreachable

from jackfield_arista.configuration.model import Configuration, Mode
from jackfield_arista.fleet.fleet import Fleet
from jackfield_arista.fleet.making import situation_of
from jackfield_arista.fleet.plan import Situation, plan_for
from jackfield_arista.memory.memory import Memory
from jackfield_arista.memory.tables import Resource, Row
from jackfield_arista.wanted.wants import Membership, Want

# Seconds for all switches to be read, all at the same time.
_READ_WITHIN = 60.0
_NOT_WRITTEN = -1


async def owned(fleet: Fleet, memory: Memory, kinds: Collection[Kind]) -> AsyncIterator[Owned | Unreachable]:
    """List what the switches hold of ours; no kinds means all."""
    found = await fleet.look([worker.switch for worker in fleet.workers], _READ_WITHIN)
    for switch, configuration in sorted(found.items()):
        if isinstance(configuration, DriverError):
            yield Unreachable(switch, configuration.reason)
            continue
        for one in await asyncio.to_thread(_on_switch, memory, switch, configuration, fleet.uplinks(switch)):
            if not kinds or one.kind in kinds:
                yield one


async def compare(fleet: Fleet, memory: Memory, want: Want) -> Sequence[Line]:
    """Tell in lines what making a resource true would do to each switch concerned."""
    switches = {member.switch for member in want.memberships} | memory.switches_of(want.kind, want.id)
    if want.leaving and want.kind is Kind.NETWORK:
        switches |= {*fleet.holding(want.id)}
    found = await fleet.look(switches, _READ_WITHIN)
    lines: list[Line] = []
    for switch, configuration in sorted(found.items()):
        if isinstance(configuration, DriverError):
            lines.append(Line(f"cannot be compared: {configuration.reason}", switch))
        else:
            lines += await asyncio.to_thread(_lines, memory, switch, configuration, fleet.uplinks(switch), want)
    return lines


def _on_switch(memory: Memory, switch: str, configuration: Configuration, uplinks: Collection[str]) -> Sequence[Owned]:
    situation, ports = situation_of(memory, switch, configuration, uplinks), memory.ports()
    by_port: dict[str, list[bool]] = {}
    for row in situation.rows:
        if not row.leaving and row.id in ports:
            by_port.setdefault(row.id, []).append(row.revision == ports[row.id].revision and situation.holds(row))
    listed = [_owned(ports[id], held, switch) for id, held in by_port.items() if any(held)]
    return [*listed, *_orphans(situation)]


def _owned(port: Resource, held: Sequence[bool], switch: str) -> Owned:
    return Owned(Kind.PORT, port.id, port.revision, port.digest if all(held) else b"", switch)


def _orphans(situation: Situation) -> Iterator[Owned]:
    marked = {network for vlan in situation.configuration.vlans if (network := situation.network_of(vlan))}
    for network in sorted(marked.difference(situation.known)):
        yield Owned(Kind.NETWORK, network, 0, b"", situation.switch)


def _lines(
    memory: Memory, switch: str, configuration: Configuration, uplinks: Collection[str], want: Want
) -> Sequence[Line]:
    """Compare the switch with and without the resource: what only the first would do is said."""
    situation = situation_of(memory, switch, configuration, uplinks)
    situation = replace(situation, known={*situation.known, want.network_id})
    others = [row for row in situation.rows if (row.kind, row.id) != (want.kind, want.id)]
    mine = _rows_of(want, switch, situation.rows)
    with_it = plan_for(replace(situation, rows=[*others, *mine]))
    undone = [replace(row, leaving=not row.leaving) for row in mine if row.member.port]
    without = plan_for(replace(situation, rows=[*others, *undone]))
    unsaid = {*without.edit.lines()}
    lines = [line for line in with_it.edit.lines() if line not in unsaid]
    failure: DriverError | None = with_it.failures.get((want.kind, want.id))
    return [Line(text, switch) for text in ([failure.reason] if failure else []) + lines]


def _rows_of(want: Want, switch: str, rows: Sequence[Row]) -> Sequence[Row]:
    """Return the rows that the memory would have of a want, with the numbers that it has."""
    known: Mapping[tuple[str, int], Row] = {
        (row.member.port, row.member.vlan): row for row in rows if (row.kind, row.id) == (want.kind, want.id)
    }
    left = {pair: replace(row, leaving=True) for pair, row in known.items()}
    for member in want.memberships:
        if member.switch == switch:
            pair = member.port, member.vlan
            number = known[pair].number if pair in known else _NOT_WRITTEN
            left[pair] = Row(
                number, want.kind, want.id, want.network_id, member, want.revision, leaving=False, made=False
            )
    if want.leaving and want.kind is Kind.NETWORK:
        everywhere = Membership(switch, "", Mode.TRUNK, 0)
        left["", 0] = Row(
            _NOT_WRITTEN, want.kind, want.id, want.id, everywhere, want.revision, leaving=True, made=False
        )
    return list(left.values())
