"""The integration bridge: guests on one side, patch ports on the other, local VLANs between.

Table 0 asks where a frame comes from. A wired guest's frame passes anti-spoofing, which is strict
if its port has port security, and then the bridge switches it like any learning switch inside the local VLAN
of its port. A frame from a physical network gets the local VLAN of its network. Everything else
is dropped: a port that nobody wired is dead, whatever its VLAN says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from jackfield_ovs.flows import antispoof
from jackfield_ovs.flows.flow import DROP, Flow, retag_as, tag_as
from jackfield_ovs.layout import DEAD_VLAN

CLASSIFY = 0
SWITCH = antispoof.PASSED


@dataclass(frozen=True, slots=True)
class Guest:
    """A wired port. `rules` is None if it may send anything."""

    ofport: int
    rules: antispoof.Rules | None


@dataclass(frozen=True, slots=True)
class Uplink:
    """The patch port to a physical bridge, with (segmentation id or None, local VLAN) behind it."""

    ofport: int
    networks: tuple[tuple[int | None, int], ...]


def integration_flows(guests: tuple[Guest, ...], uplinks: tuple[Uplink, ...], tunnels: int | None) -> Iterator[Flow]:
    """Yield the rules; `tunnels` is the patch port to the tunnel bridge, if there is one."""
    yield Flow(CLASSIFY, 65535, f"dl_vlan={DEAD_VLAN}", DROP)
    yield Flow(CLASSIFY, 0, "", DROP)
    yield Flow(SWITCH, 0, "", "NORMAL")
    yield from antispoof.common_flows()
    if tunnels is not None:
        yield Flow(CLASSIFY, 10, f"in_port={tunnels}", f"goto_table:{SWITCH}")
    for uplink in uplinks:
        yield from _from_physical(uplink)
    for guest in guests:
        yield from _from_guest(guest)


def _from_physical(uplink: Uplink) -> Iterator[Flow]:
    yield Flow(CLASSIFY, 2, f"in_port={uplink.ofport}", DROP)
    for segmentation_id, local_vlan in uplink.networks:
        if segmentation_id is None:
            match = f"in_port={uplink.ofport},vlan_tci=0x0000/0x1fff"
            actions = tag_as(local_vlan)
        else:
            match = f"in_port={uplink.ofport},dl_vlan={segmentation_id}"
            actions = retag_as(local_vlan)
        yield Flow(CLASSIFY, 3, match, f"{actions},goto_table:{SWITCH}")


def _from_guest(guest: Guest) -> Iterator[Flow]:
    first = antispoof.TRUSTED if guest.rules is None else antispoof.FIRST
    yield Flow(CLASSIFY, 10, f"in_port={guest.ofport}", f"goto_table:{first}")
    if guest.rules is not None:
        yield from antispoof.guest_flows(guest.ofport, guest.rules)
