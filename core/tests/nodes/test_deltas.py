"""What agents are told that take deltas: of a network that changed, what changed."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from jackfield.node.v1 import node_pb2
from jackfield_sdk import AgentSettings, Facts, start_agent
from jackfield_sdk._convert import sync
from jackfield_sdk.testing import RecordingAgent

HOSTS = 8
ROUNDS = 40


def _endpoint(number: int) -> str:
    # 9 and 10 are in another order as text than as numbers.
    return f"198.51.100.{number + 5}"


class Teller(RecordingAgent):
    """An agent of the SDK with a tunnel endpoint."""

    def facts(self) -> Facts:
        return replace(super().facts(), tunnel_ip=_endpoint(0))


@pytest.fixture
async def teller(site: Any) -> AsyncIterator[Teller]:
    """Run an agent of the SDK on the first host."""
    agent = Teller()
    running = await start_agent(agent, AgentSettings(core=site.service.address, host="host0", reconnect_max=0.2))
    yield agent
    await running.stop()


def _names(push: node_pb2.SyncResponse) -> list[str | None]:
    return [upsert.WhichOneof("view") for upsert in push.upserts]


async def _introduced(site: Any) -> None:
    """Let the core know the tunnel endpoints of all hosts but the first."""
    for number in range(1, HOSTS):
        await site.synced(f"host{number}", "recording", tunnel_ip=_endpoint(number))


async def test_port_costs_other_hosts_what_is_behind_its_endpoint(site: Any) -> None:
    """Who takes deltas is told of the endpoint with the new port; who does not is told everything."""
    network = await site.fabric.network("vxlan")
    await _introduced(site)
    for number in range(HOSTS):
        await site.fabric.ports(network, f"host{number}", "recording", count=20)
    new = await site.synced("host0", "recording", tunnel_ip=_endpoint(0), features=["deltas"])
    await new.until(lambda: len(new.networks[network].forwarding) == 20 * (HOSTS - 1))
    old = await site.synced("old", "recording", tunnel_ip=_endpoint(99))
    await site.fabric.port(network, "old", "recording")
    await old.until(lambda: old.networks)
    await new.take()

    port = await site.fabric.port(network, "host3", "recording")
    told, whole = await new.take(), await old.take()

    [upsert] = told.upserts
    assert _names(whole) == ["network"]
    assert (upsert.network_delta.base_version, [*upsert.network_delta.endpoints]) != ("", [])
    assert [*upsert.network_delta.endpoints] == [_endpoint(3)]
    assert len(upsert.network_delta.forwarding) == 21
    assert port.mac_address in {entry.mac_address for entry in upsert.network_delta.forwarding}
    assert told.ByteSize() < whole.ByteSize() / 6


async def test_deltas_come_to_what_whole_views_say(site: Any, teller: Teller) -> None:
    """After ports have come, changed, moved and gone for a while, both kinds of agents hold the same."""
    network = await site.fabric.network("vxlan")
    await _introduced(site)
    await site.fabric.port(network, "host0", "recording")
    chance, ports = random.Random(7), []
    for _ in range(ROUNDS):
        host = f"host{chance.randrange(HOSTS)}"
        match chance.randrange(4):
            case 0 if ports:
                await site.fabric.delete(ports.pop(chance.randrange(len(ports))))
            case 1 if ports:
                await site.fabric.change(chance.choice(ports), mac_address=f"fa:16:3e:ff:00:{chance.randrange(90):02}")
            case _:
                ports += await site.fabric.ports(network, host, "recording", count=chance.randrange(1, 4))
    other = await site.agent("host0", "recording")
    await other.hello(tunnel_ip=_endpoint(0), agent_type="another agent")
    await other.sync()
    version = other.versions[node_pb2.VIEW_KIND_NETWORK, network]

    async def is_told() -> bool:
        return network in teller.networks and teller.networks[network].version == version

    await site.eventually(is_told)
    assert teller.networks[network] == sync.network_view(version, other.networks[network])
    assert teller.networks[network].forwarding


async def test_returning_agent_is_told_what_changed_since(site: Any) -> None:
    """What it named in its hello is what a delta starts from, if it was true then."""
    network = await site.fabric.network("vxlan")
    await _introduced(site)
    for number in range(HOSTS):
        await site.fabric.ports(network, f"host{number}", "recording", count=2)
    first = await site.synced("host0", "recording", tunnel_ip=_endpoint(0), features=["deltas"])
    first.call.cancel()
    version = first.versions[node_pb2.VIEW_KIND_NETWORK, network]

    again = await site.agent("host0", "recording")
    again.restore(first)
    await again.hello(tunnel_ip=_endpoint(0), features=["deltas"], known=first.versions)
    await again.sync()
    assert [_names(push) for push in again.pushes] == [[]]
    await site.fabric.port(network, "host4", "recording")
    push = await again.take()

    assert _names(push) == ["network_delta"]
    assert push.upserts[0].network_delta.base_version == version


async def test_agent_with_an_old_view_is_told_the_whole_one(site: Any) -> None:
    """Nobody knows any more what was in a version of yesterday."""
    network = await site.fabric.network("vxlan")
    await site.fabric.port(network, "host0", "recording")
    known = {(node_pb2.VIEW_KIND_NETWORK, network): "of yesterday"}

    agent = await site.synced("host0", "recording", features=["deltas"], known=known)

    assert [_names(push) for push in agent.pushes] == [["network", "port"]]


async def test_network_that_changed_itself_is_told_whole(site: Any) -> None:
    """A delta is about endpoints; an MTU is not."""
    network = await site.fabric.network("vxlan")
    await site.fabric.port(network, "host0", "recording")
    agent = await site.synced("host0", "recording", tunnel_ip=_endpoint(0), features=["deltas"])

    await site.fabric.resize(network, 1400)
    push = await agent.take()

    assert _names(push) == ["network"]
    assert agent.networks[network].mtu == 1400


async def test_endpoint_without_ports_is_gone(site: Any) -> None:
    """An endpoint leaves with its last port, and comes back with the next one."""
    network = await site.fabric.network("vxlan")
    await _introduced(site)
    for number in range(HOSTS):
        await site.fabric.ports(network, f"host{number}", "recording", count=2)
    agent = await site.synced("host0", "recording", tunnel_ip=_endpoint(0), features=["deltas"])

    last = await site.fabric.port(network, "host9", "recording")
    await site.synced("host9", "recording", tunnel_ip=_endpoint(9))
    come = await agent.take()
    await site.fabric.delete(last)
    gone = await agent.take()

    assert [[*push.upserts[0].network_delta.endpoints] for push in (come, gone)] == [[_endpoint(9)], []]
    assert [[*push.upserts[0].network_delta.gone_endpoints] for push in (come, gone)] == [[], [_endpoint(9)]]
