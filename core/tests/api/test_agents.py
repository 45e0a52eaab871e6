"""Node agents through the API."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from jackfield_core.db.agent import Agent
from jackfield_core.db.base import now
from jackfield_core.db.unit_of_work import UnitOfWork

NEIGHBOUR = {
    "interface": "eth1",
    "chassis_id": "00:1c:73:00:00:01",
    "port_id": "Ethernet7",
    "system_name": "leaf1",
}


@pytest.fixture
async def agents(unit_of_work: UnitOfWork) -> list[str]:
    """Let one agent report now, and one have reported an hour ago."""
    at = now()
    ids = []
    async with unit_of_work() as tx:
        for host, heartbeat_at in (("host-1", at), ("host-2", at - timedelta(hours=1))):
            agent = Agent(
                id=str(uuid.uuid4()),
                agent_type="Open vSwitch agent",
                host=host,
                binary="jackfield-ovs",
                version="0.1.0",
                driver="ovs",
                description="",
                admin_state_up=True,
                physical_networks={"physnet1": "br-phys"},
                tunnel_types=("vxlan",),
                tunnel_ip="192.0.2.1",
                vif_types=("ovs",),
                configurations={"integration_bridge": "br-int"},
                neighbours=(NEIGHBOUR,),
                created_at=at - timedelta(days=1),
                started_at=at - timedelta(hours=2),
                heartbeat_at=heartbeat_at,
            )
            ids.append(await tx.agents.save(agent))
    return ids


async def test_agents_say_whether_they_live(api: Any, agents: list[str]) -> None:
    """An agent that reports is alive, one that has not for long is not."""
    alive = {agent["host"]: agent["alive"] for agent in await api.list("agents")}

    assert alive == {"host-1": True, "host-2": False}
    assert [agent["id"] for agent in await api.list("agents", "alive=True")] == agents[:1]
    assert [agent["id"] for agent in await api.list("agents", "alive=false")] == agents[1:]
    assert [agent["id"] for agent in await api.list("agents", "host=host-2&agent_type=Open+vSwitch+agent")] == agents[
        1:
    ]


async def test_agent_shows_what_the_compute_side_reads(api: Any, agents: list[str]) -> None:
    """Physical networks and tunnels appear under the names of Neutron's agents, times without a zone."""
    agent = (await api.get(f"agents/{agents[0]}"))["agent"]

    assert agent["binary"] == "jackfield-ovs"
    assert agent["configurations"]["bridge_mappings"] == {"physnet1": "br-phys"}
    assert agent["configurations"]["tunnel_types"] == ["vxlan"]
    assert agent["configurations"]["integration_bridge"] == "br-int"
    assert agent["configurations"]["lldp_neighbours"] == [NEIGHBOUR]
    assert len(agent["heartbeat_timestamp"]) == len("2026-11-21 11:00:00")
    assert " " in agent["started_at"]
    shown = (await api.get(f"agents/{agents[0]}", fields=["id", "alive"]))["agent"]
    assert shown == {"id": agents[0], "alive": True}


async def test_agent_is_put_out_of_service_and_forgotten(api: Any, agents: list[str]) -> None:
    """An operator sets the administrative state and removes an agent; nobody creates one."""
    changed = await api.update("agent", agents[0], admin_state_up=False, description="in repair")
    assert (changed["admin_state_up"], changed["description"]) == (False, "in repair")
    refused = await api.refused("PUT", f"agents/{agents[0]}", json={"agent": {"host": "elsewhere"}})
    assert refused == (400, "HTTPBadRequest", "Cannot update read-only attribute host")

    await api.delete("agent", agents[0])

    assert (await api.refused("GET", f"agents/{agents[0]}"))[:2] == (404, "AgentNotFound")
    assert (await api.refused("POST", "agents", json={"agent": {}}))[:2] == (405, "HTTPMethodNotAllowed")
