"""The mechanism driver: it binds, and nothing else.

Hosts learn what to wire through their agents, so no change has to be delivered by this driver. It
answers one question: can this host carry one of these segments with Linux bridges? The answer
rests on nothing but what the host's agent said of itself when it connected, and that includes what
its kernel cannot.
"""

from __future__ import annotations

from collections.abc import Mapping

from jackfield_sdk import (
    Agent,
    BindContext,
    Bound,
    Host,
    MechanismDriver,
    Segment,
    Skip,
    VifType,
    bridge_vif_details,
    tap_vif_details,
)

from jackfield_linuxbridge.layout import bridge_name
from jackfield_linuxbridge.obstacles import PHYSICAL_TYPES, TUNNEL_TYPES
from jackfield_linuxbridge.version import VERSION


class LinuxBridgeDriver(MechanismDriver):
    """Binds ports to hosts that run `jackfield-linuxbridge agent`."""

    name = "linuxbridge"
    version = VERSION
    network_types = PHYSICAL_TYPES | TUNNEL_TYPES | {"local"}
    vnic_types = frozenset({"normal"})

    async def bind_port(self, context: BindContext) -> Bound | Skip:
        """Bind to the first segment that the host's agent can carry."""
        vnic_type = context.port.binding.vnic_type
        if vnic_type not in ("", "normal"):
            return Skip(f"vnic_type {vnic_type} is not normal")
        agents = [agent for agent in context.host.agents if agent.driver == self.name]
        alive = [agent for agent in agents if agent.alive]
        if not alive:
            state = "is not alive" if agents else "is not known"
            return Skip(f"host {context.host.name}: the {self.name} agent {state}")
        return _first_carried(context, alive)


def _first_carried(context: BindContext, agents: list[Agent]) -> Bound | Skip:
    reasons: list[str] = []
    for segment in context.segments:
        for agent in agents:
            reason = why_not(segment, agent)
            if not reason:
                return _bound(context, segment, agent)
            reasons.append(f"{_described(segment)}: {reason}")
    return Skip(_summary(context.host, reasons))


def _bound(context: BindContext, segment: Segment, agent: Agent) -> Bound:
    if agent.configurations.get("vif_type") == VifType.BRIDGE:
        return Bound(segment.id, VifType.BRIDGE, bridge_vif_details(bridge_name(context.network.id)))
    return Bound(segment.id, VifType.TAP, tap_vif_details(context.port.mac_address))


def why_not(segment: Segment, agent: Agent) -> str:
    """Say which fact of the agent stands against a segment; empty if none does."""
    unsupported = agent.configurations.get("unsupported")
    if isinstance(unsupported, Mapping) and segment.network_type in unsupported:
        return str(unsupported[segment.network_type])
    if segment.network_type in PHYSICAL_TYPES:
        if segment.physical_network in agent.physical_networks:
            return ""
        known = ", ".join(sorted(agent.physical_networks)) or "none"
        return f'physical_network "{segment.physical_network}" is not among the agent\'s ({known})'
    if segment.network_type in TUNNEL_TYPES:
        if segment.network_type not in agent.tunnel_types:
            known = ", ".join(sorted(agent.tunnel_types)) or "none"
            return f"{segment.network_type} is not among the agent's tunnel_types ({known})"
        return "" if agent.tunnel_ip else "the agent has no tunnel_ip"
    if segment.network_type == "local":
        return ""
    return f"network_type {segment.network_type} is not for Linux bridge"


def _described(segment: Segment) -> str:
    number = "" if segment.segmentation_id is None else f" {segment.segmentation_id}"
    return f"segment {segment.id} ({segment.network_type}{number})"


def _summary(host: Host, reasons: list[str]) -> str:
    return f"host {host.name}: {'; '.join(reasons) or 'there is no segment to bind to'}"
