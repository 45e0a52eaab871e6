"""A mechanism driver whose ports are wired by agents on hosts: it binds, and nothing else.

Hosts learn what to wire through their agents, so no change has to be delivered by such a driver. It
answers one question: can this host carry one of these segments? The answer rests on nothing but
what the host's agent said of itself when it connected, and that includes what it cannot.
"""

from __future__ import annotations

from collections.abc import Mapping

from jackfield_sdk.answers import Bound, Skip
from jackfield_sdk.context import BindContext
from jackfield_sdk.driver import MechanismDriver
from jackfield_sdk.resources import Agent, Host, Segment

LOCAL = "local"


class HostDriver(MechanismDriver):
    """Base of a driver that binds ports to the hosts of its agents; a subclass gives `bound`.

    `physical_types` are network types that need a physical network of the host, `tunnel_types`
    those that need a tunnel endpoint; `local` networks need nothing. `switch` is what forwards on
    the host, in words. An agent that cannot carry a type for a reason of its own says so in its
    configurations: `unsupported`, a reason for each type.
    """

    switch: str
    physical_types: frozenset[str]
    tunnel_types: frozenset[str]
    vnic_types = frozenset({"normal"})

    def bound(self, context: BindContext, segment: Segment, agent: Agent) -> Bound:
        """Return the binding to a segment that the agent can carry."""
        raise NotImplementedError

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
        return self._first_carried(context, alive)

    def why_not(self, segment: Segment, agent: Agent) -> str:
        """Say which fact of the agent stands against a segment; empty if none does."""
        unsupported = agent.configurations.get("unsupported")
        if isinstance(unsupported, Mapping) and segment.network_type in unsupported:
            return str(unsupported[segment.network_type])
        if segment.network_type in self.physical_types:
            if segment.physical_network in agent.physical_networks:
                return ""
            known = ", ".join(sorted(agent.physical_networks)) or "none"
            return f'physical_network "{segment.physical_network}" is not among the agent\'s ({known})'
        if segment.network_type in self.tunnel_types:
            if segment.network_type not in agent.tunnel_types:
                known = ", ".join(sorted(agent.tunnel_types)) or "none"
                return f"{segment.network_type} is not among the agent's tunnel_types ({known})"
            return "" if agent.tunnel_ip else "the agent has no tunnel_ip"
        return "" if segment.network_type == LOCAL else f"network_type {segment.network_type} is not for {self.switch}"

    def _first_carried(self, context: BindContext, agents: list[Agent]) -> Bound | Skip:
        reasons: list[str] = []
        for segment in context.segments:
            for agent in agents:
                reason = self.why_not(segment, agent)
                if not reason:
                    return self.bound(context, segment, agent)
                reasons.append(f"{_described(segment)}: {reason}")
        return Skip(_summary(context.host, reasons))


def _described(segment: Segment) -> str:
    number = "" if segment.segmentation_id is None else f" {segment.segmentation_id}"
    return f"segment {segment.id} ({segment.network_type}{number})"


def _summary(host: Host, reasons: list[str]) -> str:
    return f"host {host.name}: {'; '.join(reasons) or 'there is no segment to bind to'}"
