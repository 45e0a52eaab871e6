"""The mechanism driver: it binds, and nothing else.

Hosts learn what to wire through their agents, so no change has to be delivered by this driver.
It answers one question: can the Open vSwitch of this host carry one of these segments? The
answer rests on nothing but what the host's agent said of itself when it connected.
"""

from __future__ import annotations

from jackfield_sdk import Agent, BindContext, Bound, Host, MechanismDriver, Segment, Skip, VifType, ovs_vif_details

from jackfield_ovs.plan import PHYSICAL_TYPES, TUNNEL_TYPES
from jackfield_ovs.version import VERSION


class OvsDriver(MechanismDriver):
    """Binds ports to hosts that run `jackfield-ovs agent`."""

    name = "ovs"
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
                return Bound(segment.id, VifType.OVS, vif_details(agent))
            reasons.append(f"{_described(segment)}: {reason}")
    return Skip(_summary(context.host, reasons))


def why_not(segment: Segment, agent: Agent) -> str:
    """Say which fact of the agent stands against a segment; empty if none does."""
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
    return f"network_type {segment.network_type} is not for Open vSwitch"


def vif_details(agent: Agent) -> dict[str, object]:
    """Return what the compute service needs to plug into this host's bridge, as the agent reported it."""
    told = agent.configurations
    return ovs_vif_details(
        str(told.get("integration_bridge", "br-int")),
        datapath_type=str(told.get("datapath_type", "system")),
        hybrid_plug=told.get("ovs_hybrid_plug") is True,
    )


def _described(segment: Segment) -> str:
    number = "" if segment.segmentation_id is None else f" {segment.segmentation_id}"
    return f"segment {segment.id} ({segment.network_type}{number})"


def _summary(host: Host, reasons: list[str]) -> str:
    return f"host {host.name}: {'; '.join(reasons) or 'there is no segment to bind to'}"
