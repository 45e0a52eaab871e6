"""The two halves that ship: our node service, and the agent that vendors build on."""

from typing import Any

import pytest
from jackfield_sdk import AgentSettings, RetryLater, start_agent
from jackfield_sdk.testing import RecordingAgent


@pytest.fixture
async def agent(site: Any) -> Any:
    """Run an agent of the SDK against the node service."""
    agent = RecordingAgent()
    settings = AgentSettings(core=site.service.address, host="host1", reconnect_max=0.2)
    running = await start_agent(agent, settings)
    yield agent
    await running.stop()


async def test_agent_carries_what_its_host_has_to_carry(site: Any, agent: Any) -> None:
    """Views arrive, change and go; the agent's word decides the status."""
    network = await site.fabric.network()
    port = await site.fabric.port(network, "host1", driver="recording")

    async def is_wired() -> bool:
        return port.id in agent.ports

    await site.eventually(is_wired)
    agent.reporter.port(port.id, "up")
    assert (await site.fabric.wired(port, "up")).status == "ACTIVE"

    await site.fabric.delete(port)

    async def is_clean() -> bool:
        return not agent.ports and not agent.networks

    assert await site.eventually(is_clean)
    hooks = [call.hook for call in agent.script.calls if call.hook not in ("start", "in_sync")]
    assert hooks == ["apply_network", "apply_port", "remove_port", "remove_network"]


async def test_port_that_the_agent_cannot_wire_says_why(site: Any, agent: Any) -> None:
    """A refusal becomes the wiring of the port, and its success later clears it."""
    agent.script.answer("apply_port", RetryLater("no such bridge", 0.05))

    port = await site.fabric.port(await site.fabric.network(), "host1", driver="recording")

    assert (await site.fabric.wired(port, "error")).binding.wiring_reason == "no such bridge"
