"""Agents that do not read, do not acknowledge, or leave half-way."""

import functools
from typing import Any

import grpc
from jackfield.node.v1 import node_pb2
from jackfield_core.types import FixedIp
from structlog.testing import capture_logs

BIG = 400
"""Addresses of a port whose view is big."""
CHANGES = 20


def _has(agent: Any, port: Any, addresses: tuple[FixedIp, ...]) -> bool:
    return [*agent.ports[port.id].ip_addresses] == [address.ip_address for address in addresses]


def _addresses(number: int) -> tuple[FixedIp, ...]:
    return tuple(FixedIp("subnet", f"2001:db8:{number:x}::{part + 1:x}") for part in range(BIG))


async def test_agent_that_does_not_read_costs_one_push_and_delays_nobody(site: Any) -> None:
    """Changes are not queued for it; the others hear of each, and it gets the last state when it reads again."""
    network = await site.fabric.network()
    await site.fabric.port(network, "slow")
    slow, quick = await site.synced("slow"), await site.synced("quick", tunnel_ip="198.51.100.2")
    port = await site.fabric.port(network, "quick")
    await quick.until(lambda: quick.ports)
    for number in range(CHANGES):
        await site.fabric.change(port, fixed_ips=_addresses(number))
        await quick.until(functools.partial(_has, quick, port, _addresses(number)))
    added = await site.fabric.port(network, "slow")

    pushes = len(slow.pushes)
    await slow.until(lambda: added.id in slow.ports)

    # What was on its way when it stopped to acknowledge, one for all that came later, and perhaps one for the new port.
    assert len(slow.pushes) - pushes <= 3
    [entry] = slow.networks[network].forwarding
    assert [*entry.ip_addresses] == [address.ip_address for address in _addresses(CHANGES - 1)]


async def test_pushes_are_small_where_views_are_big(site: Any) -> None:
    """A first sync of many megabytes comes in pieces far below what a message may have."""
    network = await site.fabric.network()
    columns = {"fixed_ips": _addresses(1) * 8, "count": 80}
    await site.fabric.ports(network, "host1", **columns)

    agent = await site.synced("host1")

    sizes = [push.ByteSize() for push in agent.pushes]
    assert len(agent.ports) == 80
    assert sum(sizes) > 2 << 20
    assert max(sizes) < 1 << 20
    assert [push.in_sync for push in agent.pushes] == [False] * (len(sizes) - 1) + [True]


async def test_stream_that_dies_half_way_through_a_first_sync_is_taken_up_again(site: Any) -> None:
    """The next stream brings what the agent does not hold yet, and nothing twice."""
    network = await site.fabric.network()
    ports = await site.fabric.ports(network, "host1", count=1100)
    first = await site.agent("host1")
    await first.hello()
    assert not (await first.take()).in_sync
    first.call.cancel()

    second = await site.agent("host1")
    second.restore(first)
    await second.hello(known=second.versions)
    await second.sync()

    assert set(second.ports) == {port.id for port in ports}
    assert [len(push.upserts) for push in second.pushes][:1] == [500]
    assert sum(len(push.upserts) for push in (*first.pushes, *second.pushes)) == 1101


async def test_agent_that_never_acknowledges_keeps_nobody_else_from_the_first_sync(site: Any) -> None:
    """Its stream waits; others of the same networks do not."""
    network = await site.fabric.network()
    for host in ("silent", "host1"):
        await site.fabric.ports(network, host, count=600)
    silent = await site.agent("silent")
    await silent.hello()
    await silent.push()

    agent = await site.synced("host1")

    assert len(agent.ports) == 600
    assert await silent.is_quiet()


async def test_two_agents_under_one_name_do_not_mix(site: Any) -> None:
    """The newer one has the stream and says where the host is, and the log tells of it."""
    port = await site.fabric.port(await site.fabric.network(), "host1")
    older = await site.synced("host1", tunnel_ip="198.51.100.1")
    with capture_logs() as logs:
        newer = await site.synced("host1", tunnel_ip="198.51.100.2")
    assert [entry["host"] for entry in logs if entry["event"] == "agent.replaced"] == ["host1"]
    assert await older.call.code() == grpc.StatusCode.ABORTED

    await newer.report((port, node_pb2.PORT_STATE_UP))

    assert (await site.fabric.wired(port, "up")).status == "ACTIVE"
    [agent] = await site.fabric.agents("host1")
    assert agent.tunnel_ip == "198.51.100.2"
