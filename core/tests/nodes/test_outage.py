"""Agents while the database is away."""

from typing import Any

from jackfield.node.v1 import node_pb2


async def test_report_during_an_outage_is_stored_afterwards(site: Any, outage: Any) -> None:
    """The stream stays open, and what the agent said meanwhile counts."""
    network = await site.fabric.network()
    port = await site.fabric.port(network, "host1")
    agent = await site.synced("host1")

    with outage():
        await agent.report((port, node_pb2.PORT_STATE_UP))
        assert await agent.is_quiet()

    assert (await site.fabric.wired(port, "up")).status == "ACTIVE"
    added = await site.fabric.port(network, "host1")
    await agent.until(lambda: added.id in agent.ports)


async def test_agent_that_dials_during_an_outage_is_served_afterwards(site: Any, outage: Any) -> None:
    """A hello waits for the database, and the first sync is complete."""
    port = await site.fabric.port(await site.fabric.network(), "host1")
    agent = await site.agent("host1")

    with outage():
        await agent.hello()
        assert await agent.is_quiet()
    await agent.sync()

    assert list(agent.ports) == [port.id]
