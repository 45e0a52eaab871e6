"""What an agent observes reaches the core, the last state of each thing, and again after a loss."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest
from jackfield.node.v1 import node_pb2
from jackfield_sdk import Neighbour, PortState, ViewKind
from jackfield_sdk.testing import Push, RecordingAgent, a_network_view, a_port_view

NETWORK, PORT = ViewKind.NETWORK, ViewKind.PORT


@pytest.fixture
def core(scripted_core):
    return scripted_core


@pytest.fixture
def run(run_agent):
    return run_agent


async def test_reports_are_sent_again_to_a_core_that_comes_back(core, run):
    """The new stream knows nothing of the old one; the last state of each port is told."""
    running = await run(RecordingAgent())
    session = await core.session()
    network = a_network_view()
    port, other = a_port_view(network, "7"), a_port_view(network, "8")
    await session.push(network, port, other)
    running.reporter.port(port.id, PortState.ERROR, "no interface")
    running.reporter.port(port.id, PortState.UP)
    running.reporter.port(other.id, PortState.DOWN, "the cable is out")
    await session.state_of(port.id, PortState.UP)
    await session.state_of(other.id, PortState.DOWN)

    session.hang_up()
    again = await core.session()

    assert (await again.state_of(port.id, PortState.UP)).version == "7"
    assert (await again.state_of(other.id, PortState.DOWN)).reason == "the cable is out"


async def test_a_state_belongs_to_the_view_that_is_being_applied(core, run):
    """The core can tell the state of an old view from that of the new one."""
    agent = RecordingAgent()
    running = await run(agent)
    session = await core.session()
    port = a_port_view(a_network_view(), "1")

    def report_up(view):
        running.reporter.port(view.id, PortState.UP)

    agent.script.answer("apply_port", report_up, report_up)
    await session.push(port)
    assert (await session.state_of(port.id, PortState.UP)).version == "1"
    running.reporter.port(port.id, PortState.DOWN)
    await session.state_of(port.id, PortState.DOWN)
    await session.push(replace(port, version="2"))

    assert (await session.state_of(port.id, PortState.UP)).version == "2"


async def test_a_removed_port_is_reported_no_longer(core, run):
    """A core that comes back hears nothing of it."""
    running = await run(RecordingAgent())
    session = await core.session()
    gone, stays = a_port_view(a_network_view()), a_port_view(a_network_view())
    await session.push(gone, stays)
    running.reporter.port(gone.id, PortState.UP)
    running.reporter.port(stays.id, PortState.UP)
    await session.state_of(gone.id, PortState.UP)
    await session.push(removals=((PORT, gone.id),))

    session.hang_up()
    again = await core.session()
    await again.state_of(stays.id, PortState.UP)

    assert gone.id not in again.states


async def test_an_agent_without_news_sends_heartbeats(core, run, eventually):
    """An empty report says that it lives, also while it applies a long push."""
    agent, free = RecordingAgent(), asyncio.Event()

    async def wait(view):
        await free.wait()

    agent.script.answer("apply_network", wait)
    await run(agent, report_interval=0.03)
    session = await core.session()
    await session.send(Push((a_network_view(),)))

    await eventually(lambda: session.reports[1:].count(node_pb2.Report()) >= 2)
    assert agent.networks == {}
    free.set()
    await session.acknowledged()


async def test_neighbours_and_wired_ports_are_told_when_they_change(core, run):
    """Both come again after a reconnect, and only then."""
    running = await run(RecordingAgent())
    session = await core.session()
    running.reporter.neighbours([Neighbour("eth0", "leaf1", "Ethernet1")])
    report = await session.heard(lambda report: len(report.neighbours) > 0)
    assert [(each.interface, each.chassis_id) for each in report.neighbours] == [("eth0", "leaf1")]

    port = a_port_view(a_network_view())
    await session.push(port)
    running.reporter.port(port.id, PortState.UP)
    await session.state_of(port.id, PortState.UP)
    assert session.reports[-1].devices == 1
    assert len(session.reports[-1].neighbours) == 0

    session.hang_up()
    again = await core.session()
    await again.state_of(port.id, PortState.UP)
    assert again.reports[0].devices == 1
    assert len(again.reports[0].neighbours) == 1


async def test_reporting_works_from_any_thread_and_coalesces(core, run):
    """A port that flaps a thousand times between two reports is told once."""
    running = await run(RecordingAgent())
    session = await core.session()

    def flap():
        for number in range(1_000):
            running.reporter.port("port", PortState.UP if number % 2 else PortState.DOWN, str(number))

    thread = threading.Thread(target=flap)
    thread.start()
    thread.join()

    await session.heard(lambda report: any(port.reason == "999" for port in report.ports))
    assert len(session.reports) < 100
