"""A physical network's bridge: the operator's own, in which we only guard one patch port.

Frames from the integration bridge leave with the VLAN of their segment, or without one on a flat
network; those of unknown local VLANs are dropped. All other rules of the bridge are the
operator's: it must forward by itself, as a bridge does that has no controller.
"""

from __future__ import annotations

from collections.abc import Iterator

from jackfield_ovs.flows.flow import DROP, Flow, retag_as


def physical_flows(ofport: int, networks: tuple[tuple[int | None, int], ...]) -> Iterator[Flow]:
    """Yield the rules for the patch port `ofport`, with (segmentation id or None, local VLAN)."""
    yield Flow(0, 2, f"in_port={ofport}", DROP)
    for segmentation_id, local_vlan in networks:
        translate = "pop_vlan" if segmentation_id is None else retag_as(segmentation_id)
        yield Flow(0, 4, f"in_port={ofport},dl_vlan={local_vlan}", f"{translate},NORMAL")
