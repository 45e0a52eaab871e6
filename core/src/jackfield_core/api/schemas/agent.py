"""Node agents on the wire.

Agents of Neutron say what they can do in ``configurations``, and the compute
side reads ``bridge_mappings`` there; what our agents report is shown under the
same names, and what they hear by LLDP as ``lldp_neighbours``.
"""

from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from jackfield_core.api.schemas.values import Flag, Text, flag
from jackfield_core.db.agent import Agent
from jackfield_core.services.agent import AgentView
from jackfield_core.services.spec import AgentUpdate


class UpdateBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of a request to change an agent."""

    admin_state_up: Flag | UnsetType = UNSET
    description: Text | UnsetType | None = UNSET

    def spec(self) -> AgentUpdate:
        """Return what the agent service is asked for."""
        return AgentUpdate(
            admin_state_up=flag("admin_state_up", self.admin_state_up),
            description="" if self.description is None else self.description,
        )


class AgentOut(Struct, frozen=True):
    """An agent as operators see it; *alive* means that it was heard of lately."""

    id: str
    agent_type: str
    binary: str
    host: str
    topic: str
    alive: bool
    admin_state_up: bool
    description: str
    availability_zone: str | None
    configurations: dict[str, Any]
    resources_synced: bool | None
    created_at: str
    started_at: str
    heartbeat_timestamp: str


def render(view: AgentView) -> AgentOut:
    """Return an agent as operators see it."""
    agent = view.agent
    return AgentOut(
        agent.id,
        agent.agent_type,
        agent.binary,
        agent.host,
        "N/A",  # there is no message queue
        view.alive,
        agent.admin_state_up,
        agent.description,
        None,
        _configurations(agent),
        None,
        _moment(agent.created_at),
        _moment(agent.started_at),
        _moment(agent.heartbeat_at),
    )


def _configurations(agent: Agent) -> dict[str, Any]:
    return {
        **agent.configurations,
        "bridge_mappings": agent.physical_networks,
        "tunnel_types": agent.tunnel_types,
        "tunneling_ip": agent.tunnel_ip,
        "vif_types": agent.vif_types,
        "driver": agent.driver,
        "version": agent.version,
        "lldp_neighbours": agent.neighbours,
    }


def _moment(at: datetime) -> str:
    # Agents are the one resource whose times Neutron writes with a blank and no zone.
    return at.isoformat(sep=" ", timespec="seconds")
