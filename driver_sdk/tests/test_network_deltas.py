"""What changed of a network, put together with what an agent was told before."""

from __future__ import annotations

from dataclasses import replace

import pytest
from jackfield_sdk import ForwardingEntry, RetryLater, ViewKind
from jackfield_sdk.testing import NetworkChange, Push, RecordingAgent, a_network_view, a_port_view

NETWORK = ViewKind.NETWORK

FIRST, SECOND, THIRD = "198.51.100.1", "198.51.100.2", "198.51.100.3"


def entry(mac_address: str, endpoint: str) -> ForwardingEntry:
    """Make the entry of a port without addresses."""
    return ForwardingEntry(f"fa:16:3e:00:00:{mac_address}", (), endpoint)


@pytest.fixture
def network():
    """A network with two ports behind one endpoint and one behind another."""
    entries = entry("01", FIRST), entry("02", FIRST), entry("03", THIRD)
    return a_network_view("1", endpoints=(FIRST, THIRD), forwarding=entries)


async def test_an_agent_says_that_it_takes_deltas(scripted_core, run_agent):
    """Without this word the core tells whole views."""
    await run_agent(RecordingAgent())

    assert list((await scripted_core.session()).hello.features) == ["deltas"]


async def test_a_delta_makes_the_view_that_the_core_would_have_told(scripted_core, run_agent, network):
    """What is behind the endpoints it names is replaced; endpoints and entries stay in order."""
    agent = RecordingAgent()
    await run_agent(agent)
    session = await scripted_core.session()
    await session.push(network)

    entries = entry("04", FIRST), entry("05", SECOND)
    await session.push(NetworkChange(network.id, "2", "1", (THIRD,), (FIRST, SECOND), entries))
    second = agent.networks[network.id]
    await session.push(NetworkChange(network.id, "3", "2", (SECOND,), (THIRD,), (entry("03", THIRD),)))

    assert second == replace(network, version="2", endpoints=(FIRST, SECOND), forwarding=entries)
    third = entry("04", FIRST), entry("03", THIRD)
    assert agent.networks[network.id] == replace(network, version="3", endpoints=(FIRST, THIRD), forwarding=third)


async def test_a_delta_of_a_view_that_failed_is_tried_like_a_view(scripted_core, run_agent, network, eventually):
    """Told is told, whether or not it could be made true; what is repeated is the newest."""
    agent = RecordingAgent()
    agent.script.answer("apply_network", *[RetryLater("not yet")] * 4)
    await run_agent(agent, retry_max=0.2)
    session = await scripted_core.session()
    assert len(await session.push(network)) == 1

    failures = await session.push(NetworkChange(network.id, "2", "1", (THIRD,)))
    await eventually(lambda: network.id in agent.networks)

    assert [(failure.id, failure.version) for failure in failures] == [(network.id, "2")]
    assert agent.networks[network.id] == replace(
        network, version="2", endpoints=(FIRST,), forwarding=network.forwarding[:2]
    )


async def test_a_delta_after_a_reconnect_starts_from_what_was_known(scripted_core, run_agent, network):
    """A core that comes back does not have to tell everything before it may tell changes."""
    agent = RecordingAgent()
    await run_agent(agent)
    await (await scripted_core.session()).push(network, in_sync=True)
    await scripted_core.stop()
    await scripted_core.start()
    session = await scripted_core.session()
    assert session.known == {(NETWORK, network.id): "1"}

    await session.push(NetworkChange(network.id, "2", "1", (FIRST,)))

    assert agent.networks[network.id].endpoints == (THIRD,)


@pytest.mark.parametrize("adopted", [{}, {(NETWORK, "n"): "1"}], ids=["never told", "adopted"])
async def test_a_delta_of_a_view_that_nobody_told_is_asked_for_whole(scripted_core, run_agent, adopted):
    """Half a view must not be taken for one: the agent says hello again, without a version of that network."""
    agent = RecordingAgent(adopted)
    await run_agent(agent)
    session = await scripted_core.session()
    other = a_network_view()
    port = a_port_view(other)
    await session.push(other, port)

    await session.send(Push((NetworkChange("n", "2", "1", (), (FIRST,), (entry("01", FIRST),)),)))
    again = await scripted_core.session()

    assert again.known == {(NETWORK, "n"): "", (NETWORK, other.id): "1", (ViewKind.PORT, port.id): "1"}
    assert "n" not in agent.networks


async def test_a_delta_does_not_start_from_an_older_view(scripted_core, run_agent, network):
    """A version that is not the last one told is as good as none."""
    agent = RecordingAgent()
    await run_agent(agent)
    session = await scripted_core.session()
    await session.push(network)
    await session.push(replace(network, version="2", endpoints=(), forwarding=()))

    await session.send(Push((NetworkChange(network.id, "3", "1", (FIRST,)),)))

    assert (await scripted_core.session()).known == {(NETWORK, network.id): ""}
    assert agent.networks[network.id].version == "2"
