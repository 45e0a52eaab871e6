"""`jackfield-loopback` as a process: its options, its end, and the release that comes after it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys

import grpc
import pytest
from jackfield_sdk import (
    Action,
    Kind,
)
from jackfield_sdk.examples.loopback import revisions_in
from jackfield_sdk.testing import Core, a_host, a_network, a_port, a_segment


@pytest.fixture
def process(tmp_path):
    """Run `jackfield-loopback` and give a core that is connected to it."""
    started = []

    async def start(*options, **environment):
        address = f"unix://{tmp_path}/{{name}}.sock"
        command = [sys.executable, "-m", "jackfield_sdk.examples.loopback", "--listen", address, *options]
        child = subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.PIPE)
        started.append(child)
        name = options[options.index("--name") + 1] if "--name" in options else "loopback"
        channel = grpc.aio.insecure_channel(
            f"unix:{tmp_path}/{name}.sock", options=[("grpc.default_authority", "localhost")]
        )
        started.append(channel)
        await asyncio.wait_for(channel.channel_ready(), 60)
        return Core(channel), child

    yield start
    for each in started:
        if isinstance(each, subprocess.Popen):
            each.kill()
            each.communicate()


async def test_the_command_line_makes_a_fabric(process):
    """Every option has its effect, and the environment is another way to set it."""
    core, _ = await process(
        "--name",
        "fabric-b",
        "--refuse-network-name",
        "secret*",
        "--refuse-network-name",
        "x?",
        "--reserved-vlan",
        "7",
        "--network-types",
        "vlan, flat",
        "--no-wired",
        "--no-postcommit",
        JACKFIELD_LOOPBACK_VIF_TYPE="bridge",
        JACKFIELD_LOOPBACK_REFUSE_REASON="no network is called {name} here",
    )
    handshake = await core.handshake()
    vlan = a_network(a_segment("vlan", 8))

    assert handshake.driver_name == "fabric-b"
    assert {phase for interest in handshake.interests for phase in interest.phases} == {1}
    assert list(handshake.bind.network_types) == ["flat", "vlan"]
    refused = [await core.precommit(Action.CREATE, a_network(name=name)) for name in ("secret-1", "x1")]
    assert [each.message for each in refused] == ["no network is called secret-1 here", "no network is called x1 here"]
    reserved = await core.precommit(Action.CREATE, a_network(a_segment("vlan", 7)))
    assert reserved.message == "VLAN 7 is reserved on fabric fabric-b"
    bound = await core.bind(a_port(vlan), vlan, a_host())
    assert (bound.vif_type, bound.wired) == ("bridge", False)
    await core.channel.close()


async def test_a_killed_process_keeps_its_epoch_because_it_loses_nothing(process, tmp_path):
    """What was acknowledged is in the file, whenever the kill comes."""
    epochs, networks = set(), [a_network() for _ in range(3)]
    for network in networks:
        core, child = await process("--state-file", str(tmp_path / "fabric.db"))
        epochs.add((await core.handshake()).backends[0].epoch)
        await core.postcommit(Action.CREATE, network)
        child.kill()
        child.wait()
        await core.channel.close()

    assert len(epochs) == 1
    assert revisions_in(tmp_path / "fabric.db")["network"] == {network.id: 1 for network in networks}


async def test_an_upgraded_release_reads_the_old_states_and_writes_them_until_it_is_told(process, tmp_path):
    """Two processes of two releases; the second writes its own version once nothing older is pinned."""
    network = a_network()
    old, _ = await process("--name", "old", "--version", "1.4", "--state-version", "1")
    new, _ = await process("--name", "new", "--version", "2.0", "--state-version", "2")
    assert (await old.handshake()).state_version.writes == 1
    handshake = await new.handshake(write_state_version=1)
    first = await old.postcommit(Action.CREATE, network, 3)
    second = await new.postcommit(Action.UPDATE, network, 4, state=first.state)
    await new.handshake(write_state_version=2)
    third = await new.postcommit(Action.UPDATE, network, 5, state=second.state)
    unreadable = await old.postcommit(Action.UPDATE, network, 6, state=third.state)
    upgraded = await new.upgrade_states(2, {(Kind.NETWORK, network.id): first.state})
    await old.channel.close()
    await new.channel.close()

    assert (handshake.driver_version, handshake.state_version.min_readable, handshake.state_version.writes) == (
        "2.0",
        1,
        2,
    )
    assert [done.state.version for done in (first, second, third)] == [1, 1, 2]
    assert (first.state.data, second.state.data) == (b"3", b"4")
    assert json.loads(third.state.data) == {"revision": 5, "release": "2.0"}
    assert (unreadable.disposition, unreadable.reason) == ("INFEASIBLE", "STATE_UNREADABLE")
    assert json.loads(upgraded[network.id].data) == {"revision": 3, "release": "2.0"}
