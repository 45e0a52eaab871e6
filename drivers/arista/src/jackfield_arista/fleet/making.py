"""One turn at a switch: look, plan, make one edit of all that is wanted, look again, and remember.

What the ports were is remembered before they are touched, and what is done is remembered after the
switch was seen with it. If a switch refuses the edit as a whole, it is halved until the memberships
that it refuses stand alone: they fail with the switch's words, and everything else is made.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog
from jackfield_sdk import DriverError

from jackfield_arista.configuration.edit import Edit
from jackfield_arista.configuration.model import Configuration
from jackfield_arista.device.errors import RpcFailed
from jackfield_arista.device.health import Neighbour
from jackfield_arista.fleet.inheriting import inherit
from jackfield_arista.fleet.plan import Plan, Situation, plan_for
from jackfield_arista.memory.memory import Memory
from jackfield_arista.memory.tables import Key, Pair, Row

log = structlog.get_logger(__name__)


class Device(Protocol):
    """A session with a switch, used by one thread. All raise `SwitchError`."""

    def read(self) -> Configuration: ...
    def neighbours(self) -> tuple[Neighbour, ...]: ...
    def settle(self) -> None: ...
    def apply(self, edit: Edit) -> Configuration: ...
    def save(self) -> None: ...
    def close(self) -> None: ...


@dataclass(slots=True)
class Made:
    """What a turn came to. `failures` say why resources could not be made; `edits` counts what was committed."""

    situation: Situation
    plan: Plan
    failures: dict[Key, DriverError] = field(default_factory=dict)
    edits: int = 0


def situation_of(
    memory: Memory,
    switch: str,
    configuration: Configuration,
    uplinks: Collection[str],
    left_out: Mapping[Key, int] | None = None,
) -> Situation:
    """Put together what is known of a switch that was just read. `left_out` maps resources to their revision."""
    deployment_id, rows = memory.deployment_id, memory.rows(switch)
    situation = Situation(switch, deployment_id, rows, configuration)
    inherited = memory.inherited(switch)
    if inherited is None:
        inherited = inherit(memory, situation, uplinks)
    return replace(
        situation,
        known=memory.networks(),
        inherited=inherited,
        taken=memory.taken(switch),
        left_out=frozenset(row.number for row in rows if (left_out or {}).get((row.kind, row.id)) == row.revision),
    )


def is_emptied(situation: Situation) -> bool:
    """Tell whether a switch lost everything of ours that it was seen with: it came up with another configuration.

    A VLAN that somebody gave another name is not lost, nor what the ports were before us.
    """
    had = {row.member.vlan for row in situation.rows if row.made}
    vlans = situation.configuration.vlans
    return bool(had) and had.isdisjoint(vlans) and not any(situation.network_of(vlan) for vlan in vlans)


def still_ours(situation: Situation) -> frozenset[str]:
    """Return the ports that show what was made on them: their configuration is not a new one."""
    rows = [(row.member.vlan, situation.configuration.port(row.member.port)) for row in situation.rows if row.made]
    return frozenset(
        port.name for vlan, port in rows if vlan in port.trunk_vlans | {port.access_vlan, port.native_vlan}
    )


def differing(situation: Situation) -> Sequence[Row]:
    """Return what was true on the switch and is not any more."""
    return [row for row in situation.rows if row.made and not row.leaving and not situation.holds(row)]


def has_surplus(situation: Situation) -> bool:
    """Tell whether there is a VLAN of ours that nobody wants, of a known network: an old configuration is back."""
    spoken_of = {row.member.vlan for row in situation.rows} | {vlan for _, vlan in situation.inherited}
    others = situation.configuration.vlans.keys() - spoken_of
    return any(situation.network_of(vlan) in situation.known for vlan in others)


def make(device: Device, memory: Memory, situation: Situation) -> Made:
    """Make a switch true to all that is wanted of it, as far as it can be; SwitchError if it cannot be reached."""
    made = Made(situation, plan_for(situation))
    was_unsaved = memory.is_unsaved(situation.switch)
    try:
        _apply(device, memory, made)
    except RpcFailed as refusal:
        _divide(device, memory, made, refusal)
    made.failures.update(made.plan.failures)
    # An edit ends with its saving; one that was refused has left nothing to save.
    _remember(memory, made, is_saved=made.edits > 0 or not was_unsaved)
    return made


def _apply(device: Device, memory: Memory, made: Made) -> None:
    plan = made.plan
    if plan.edit.is_empty:
        return
    memory.begin_edit(made.situation.switch, plan.takes)
    for line in plan.edit.lines():
        log.debug("switch.edit", switch=made.situation.switch, line=line)
    configuration = device.apply(plan.edit)
    made.edits += 1
    made.situation = replace(made.situation, configuration=configuration)


def _divide(device: Device, memory: Memory, made: Made, refusal: RpcFailed) -> None:
    """Find what a switch refuses, and make the rest."""
    always_out = frozenset(made.situation.left_out)
    asked = _pairs_to_do(made.situation)
    all_asked = frozenset(number for pair in asked for number in pair)
    open_ones: list[tuple[Sequence[frozenset[int]], RpcFailed]] = [(asked, refusal)]
    refused: frozenset[int] = frozenset()
    while open_ones:
        pairs, refusal = open_ones.pop()
        if len(pairs) <= 1:
            alone = frozenset(number for pair in pairs for number in pair) or all_asked
            refused |= alone
            _fail(made, alone, refusal)
            continue
        middle = len(pairs) // 2
        for half in (pairs[:middle], pairs[middle:]):
            only = frozenset(number for pair in half for number in pair)
            made.situation = replace(made.situation, left_out=always_out | (all_asked - only))
            made.plan = plan_for(made.situation)
            try:
                _apply(device, memory, made)
            except RpcFailed as again:
                open_ones.append((half, again))
    made.situation = replace(made.situation, left_out=always_out | refused)
    made.plan = plan_for(made.situation)
    if not made.plan.edit.is_empty:
        # What it refuses is nothing that a resource wants now, so no resource is to blame alone.
        raise refusal


def _pairs_to_do(situation: Situation) -> Sequence[frozenset[int]]:
    """Return the numbers of the rows that something has to be done for, those of one port and VLAN together."""
    pairs: dict[Pair, set[int]] = {}
    for row in situation.rows:
        is_done = row.leaving != situation.holds(row)
        if not is_done and row.number not in situation.left_out:
            pairs.setdefault((row.member.port, row.member.vlan), set()).add(row.number)
    return [frozenset(numbers) for _, numbers in sorted(pairs.items())]


def _fail(made: Made, numbers: Collection[int], refusal: RpcFailed) -> None:
    for row in made.situation.rows:
        if row.number in numbers:
            made.failures[row.kind, row.id] = refusal.answer()


def _remember(memory: Memory, made: Made, *, is_saved: bool) -> None:
    plan, switch = made.plan, made.situation.switch
    news = [row for row in plan.made if not row.made]
    is_saved = is_saved and memory.is_unsaved(switch)
    # A port that had all that is wanted needed no edit, and may need one tomorrow.
    takes = () if made.edits else plan.takes
    if news or plan.gone or plan.freed or takes or is_saved:
        memory.settle(switch, news, plan.gone, plan.freed, takes, is_saved=is_saved)
