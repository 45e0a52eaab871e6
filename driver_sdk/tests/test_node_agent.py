"""An agent against a scripted core over a real socket: what it is told becomes true, come what may."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace

import pytest
from jackfield_sdk import Infeasible, RetryLater, ViewKind
from jackfield_sdk._convert.sync import Failure
from jackfield_sdk.testing import Push, RecordingAgent, a_network_view, a_port_view

NETWORK, PORT = ViewKind.NETWORK, ViewKind.PORT


@pytest.fixture
def core(scripted_core):
    return scripted_core


@pytest.fixture
def run(run_agent):
    return run_agent


async def test_an_agent_introduces_itself_with_what_the_host_can_do(core, run):
    """Name, facts and start time; nothing known after a fresh start."""
    await run(RecordingAgent())

    hello = (await core.session()).hello

    assert (hello.host, hello.agent_type, hello.binary) == ("host-1", "Recording agent", "recording-agent")
    assert (hello.driver, hello.version) == ("recording", "1")
    assert dict(hello.facts.physical_networks) == {"leaf1": "br-ex"}
    assert (hello.facts.tunnel_ip, list(hello.facts.tunnel_types)) == ("198.51.100.1", ["vxlan"])
    assert hello.facts.configurations == b'{"bridge": "br-int"}'
    assert hello.start_time.seconds > 0
    assert len(hello.known) == 0


async def test_a_push_is_applied_in_order_and_acknowledged(core, run):
    """Upserts as they come, then removals, then the mark that this was all."""
    agent = RecordingAgent()
    await run(agent)
    session = await core.session()
    network = a_network_view()
    old, new = a_port_view(network), a_port_view(network)
    await session.push(network, old)
    agent.script.calls.clear()

    failures = await session.push(network, new, removals=((PORT, old.id), (NETWORK, "gone")), in_sync=True)

    assert failures == []
    assert [call.hook for call in agent.script.calls] == [
        "apply_network",
        "apply_port",
        "remove_port",
        "remove_network",
        "in_sync",
    ]
    assert agent.ports == {new.id: new}


async def test_in_sync_is_told_only_after_a_push_that_says_so(core, run):
    """Sweeping before everything was pushed would cut off running machines."""
    agent = RecordingAgent()
    await run(agent)
    session = await core.session()

    await session.push(a_network_view())
    assert agent.script.called("in_sync") == []
    await session.push(in_sync=True)

    assert len(agent.script.called("in_sync")) == 1


async def test_pushes_are_applied_one_at_a_time(core, run, eventually):
    """A core that does not wait for acknowledgements cannot make an agent do two things at once."""
    agent, inside, most = RecordingAgent(), 0, 0

    async def slow(view):
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.01)
        inside -= 1

    agent.script.answer("apply_network", *[slow] * 4)
    await run(agent)
    session = await core.session()
    pushes = [session.send(_push(a_network_view())) for _ in range(4)]
    for push in pushes:
        await push
    await eventually(lambda: len(agent.networks) == 4)

    assert most == 1


def _push(*views, **more):
    return Push(views, **more)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RetryLater("bridge br-int is missing"), "bridge br-int is missing"),
        (Infeasible("leaf1 is not wired here"), "leaf1 is not wired here"),
        (OSError("s3cret"), "the agent failed with OSError; its log has the trace"),
    ],
)
async def test_a_view_that_fails_is_named_and_blocks_no_other(core, run, error, told):
    """The core learns the reason; of a bug it learns only the kind."""
    agent = RecordingAgent()
    agent.script.answer("apply_port", error)
    await run(agent, retry_max=60)
    session = await core.session()
    network = a_network_view()
    bad, good = a_port_view(network, "7"), a_port_view(network)

    failures = await session.push(network, bad, good)

    assert failures == [Failure(PORT, bad.id, "7", told)]
    assert agent.ports == {good.id: good}


async def test_a_failed_view_is_tried_until_it_succeeds(core, run, eventually):
    """The core does not have to push it again, and a removal that failed is tried as well."""
    agent = RecordingAgent()
    agent.script.answer("apply_port", *[RetryLater("not yet")] * 3)
    agent.script.answer("remove_network", *[RuntimeError("not yet")] * 2)
    await run(agent)
    session = await core.session()
    network = a_network_view()
    port = a_port_view(network)

    failures = await session.push(network, port, removals=((NETWORK, "gone"),))

    assert [(failure.kind, failure.id) for failure in failures] == [(PORT, port.id), (NETWORK, "gone")]
    await eventually(lambda: port.id in agent.ports and len(agent.script.called("remove_network")) == 3)
    assert len(agent.script.called("apply_port")) == 4


async def test_a_newer_view_takes_the_place_of_one_that_is_being_retried(core, run, eventually):
    """Otherwise the old one would come back over the new one."""
    agent = RecordingAgent()
    agent.script.answer("apply_port", RetryLater("not yet"))
    await run(agent)
    session = await core.session()
    old = a_port_view(a_network_view(), "1")
    new = replace(old, version="2")

    # In one push, so that the first repetition of the old one cannot come between.
    await session.push(old, new)
    agent.script.answer("apply_port", RetryLater("not yet"))
    await session.push(a_port_view(a_network_view(), "1"))
    await eventually(lambda: len(agent.ports) == 2)

    assert agent.ports[old.id] == new
    assert [view.version for view in agent.script.called("apply_port") if view.id == old.id] == ["1", "2"]


async def test_losing_the_core_removes_nothing_and_known_saves_the_push(core, run, eventually):
    """After a reconnect the agent says what it holds, with versions."""
    agent = RecordingAgent()
    await run(agent)
    session = await core.session()
    network, failing = a_network_view("3"), a_port_view(a_network_view(), "5")
    port = a_port_view(network, "4")
    agent.script.answer("apply_port", None, *[Infeasible("no")] * 1_000)
    await session.push(network, port, failing, in_sync=True)

    await core.stop()
    await core.start()
    known = (await core.session()).known

    assert (list(agent.networks), list(agent.ports)) == ([network.id], [port.id])
    assert agent.script.called("remove_port") == agent.script.called("remove_network") == []
    assert known == {(NETWORK, network.id): "3", (PORT, port.id): "4", (PORT, failing.id): ""}


async def test_a_removed_view_is_known_no_longer(core, run):
    """The core computes removals from what the agent says it knows."""
    await run(RecordingAgent())
    session = await core.session()
    network = a_network_view()
    port = a_port_view(network)
    await session.push(network, port)
    await session.push(removals=((PORT, port.id),))

    session.hang_up()

    assert (await core.session()).known == {(NETWORK, network.id): "1"}


async def test_what_an_agent_adopted_is_known_at_the_first_connect(core, run):
    """A restarted agent found the ports of its predecessor."""
    adopted = {(NETWORK, "n"): "1", (PORT, "p"): "2"}
    await run(RecordingAgent(adopted))

    assert (await core.session()).known == adopted


async def test_a_failed_view_is_retried_while_the_core_is_away(core, run, eventually):
    """The host does not need the core to become what it was told to be."""
    agent = RecordingAgent()
    agent.script.answer("apply_port", *[RetryLater("not yet")] * 5)
    await run(agent)
    session = await core.session()
    port = a_port_view(a_network_view())
    await session.push(port)
    await core.stop()

    await eventually(lambda: port.id in agent.ports)


async def test_a_device_that_lost_everything_asks_for_everything(core, run):
    """The views stay known, so that removals can be computed, but without a version."""
    running = await run(RecordingAgent())
    session = await core.session()
    network = a_network_view("3")
    await session.push(network)

    running.reporter.resync()

    assert (await core.session()).known == {(NETWORK, network.id): ""}


async def test_an_in_sync_that_fails_is_repeated(core, run, eventually):
    """A sweep that broke off is finished later."""
    agent = RecordingAgent()
    agent.script.answer("in_sync", RuntimeError("oops"))
    await run(agent)
    session = await core.session()

    assert await session.push(in_sync=True) == []

    await eventually(lambda: len(agent.script.called("in_sync")) == 2)


async def test_a_push_that_has_arrived_is_applied_even_if_the_core_goes(core, run, eventually):
    """Half a push would leave the host in a state that nobody wanted."""
    agent, free = RecordingAgent(), asyncio.Event()

    async def wait(view):
        await free.wait()

    agent.script.answer("apply_network", wait)
    await run(agent)
    session = await core.session()
    network = a_network_view()
    port = a_port_view(network)
    await session.send(_push(network, port))
    await eventually(lambda: agent.script.called("apply_network"))
    await core.stop()
    free.set()

    await eventually(lambda: port.id in agent.ports)


async def test_an_agent_that_cannot_start_yet_tries_again(core, run):
    """The switch daemon may come up after the agent."""
    agent = RecordingAgent()
    agent.script.answer("start", RetryLater("ovsdb-server does not answer"), RetryLater("still not"))

    await run(agent)

    await core.session()
    assert len(agent.script.called("start")) == 3


async def test_an_agent_dials_until_there_is_a_core(core, run, eventually):
    """First there is nothing, then something that hangs up, and at last a core."""
    await core.stop()
    await run(RecordingAgent())
    dials = []

    async def hang_up(reader, writer):
        dials.append(1)
        writer.close()

    async with await asyncio.start_unix_server(hang_up, core.address.removeprefix("unix://")):
        await eventually(lambda: len(dials) >= 3)
    await core.start()

    assert (await core.session()).hello.host == "host-1"


async def test_sigterm_ends_an_agent_process_and_leaves_the_host_alone(core, tmp_path):
    """The runner stops the agent and removes nothing."""
    program = textwrap.dedent(
        """
        from jackfield_sdk import run_agent
        from jackfield_sdk.testing import RecordingAgent

        class Agent(RecordingAgent):
            async def stop(self):
                print([call.hook for call in self.script.calls])

        run_agent(Agent())
        """
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "JACKFIELD_AGENT_CORE": core.address, "JACKFIELD_AGENT_HOST": "host-9"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        session = await core.session()
        assert session.hello.host == "host-9"
        await session.push(a_network_view(), in_sync=True)
        process.send_signal(signal.SIGTERM)
        out, _ = await asyncio.to_thread(process.communicate, None, 60)
    finally:
        process.kill()
        process.wait()

    assert process.returncode == 0
    assert out.strip() == "['start', 'apply_network', 'in_sync']"
