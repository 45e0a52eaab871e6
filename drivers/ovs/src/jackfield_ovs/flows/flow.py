"""One OpenFlow rule, in the notation of ovs-fields(7) and ovs-actions(7).

A rule is known by its table, priority and match: adding one whose key exists replaces its
actions in place, and no packet sees the table without it.

Actions are written in the form in which an OpenFlow 1.3 switch gives them back (`push_vlan` and
`set_field`, never `mod_vlan_vid`), otherwise a comparison would see a difference for ever.
"""

from __future__ import annotations

from typing import NamedTuple

from jackfield_ovs.layout import COOKIE

DROP = "drop"

# OpenFlow 1.3 counts a VLAN tag as present by this bit of vlan_vid (OFPVID_PRESENT).
_PRESENT = 0x1000


class FlowKey(NamedTuple):
    """What makes two rules the same one."""

    table: int
    priority: int
    match: str


class Flow(NamedTuple):
    """A rule. `match` may be empty: it then matches everything."""

    table: int
    priority: int
    match: str
    actions: str

    @property
    def key(self) -> FlowKey:
        """What makes two rules the same one."""
        return FlowKey(self.table, self.priority, self.match)

    def __str__(self) -> str:
        """Write the rule as ovs-ofctl reads it."""
        match = f"{self.match}," if self.match else ""
        return f"table={self.table},priority={self.priority},cookie={COOKIE:#x},{match}actions={self.actions}"


def tag_as(vlan: int) -> str:
    """Action: give an untagged frame a VLAN."""
    return f"push_vlan:0x8100,{retag_as(vlan)}"


def retag_as(vlan: int) -> str:
    """Action: change the VLAN of a tagged frame."""
    return f"set_field:{vlan | _PRESENT}->vlan_vid"
