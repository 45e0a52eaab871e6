"""What an agent is told, from its hello to the last change."""

from typing import Any

import grpc
import pytest
from jackfield.node.v1 import node_pb2
from jackfield_core.types import AddressPair

NETWORK = node_pb2.VIEW_KIND_NETWORK
PORT = node_pb2.VIEW_KIND_PORT


async def test_host_without_ports_is_in_sync_at_once(site: Any) -> None:
    """An agent with nothing to do gets one empty push that says so."""
    agent = await site.agent("host1")
    await agent.hello()

    push = await agent.take()

    assert push.in_sync
    assert not push.upserts
    assert not push.removals


async def test_agent_gets_the_networks_and_ports_of_its_host_and_driver(site: Any) -> None:
    """What is on other hosts, or bound by other drivers, is somebody else's work."""
    network = await site.fabric.network("vlan", physical_network="physnet1", mtu=1500)
    elsewhere = await site.fabric.network()
    port = await site.fabric.port(
        network,
        "host1",
        admin_state_up=False,
        allowed_address_pairs=(AddressPair("192.0.2.0/24", "fa:16:3e:00:00:99"),),
    )
    await site.fabric.port(network, "host2")
    await site.fabric.port(network, "host1", driver="linuxbridge")
    await site.fabric.port(elsewhere, "host2")

    agent = await site.synced("host1")

    assert list(agent.networks) == [network]
    view = agent.networks[network]
    assert (view.network_type, view.physical_network, view.mtu) == ("vlan", "physnet1", 1500)
    assert view.segmentation_id == 101
    assert not view.forwarding
    assert list(agent.ports) == [port.id]
    held = agent.ports[port.id]
    assert (held.mac_address, list(held.ip_addresses)) == (port.mac_address, [port.fixed_ips[0].ip_address])
    assert held.admin_state_up is False
    assert held.vif_details == b'{"bridge_name":"br-int"}'
    assert [pair.ip_address for pair in held.allowed_address_pairs] == ["192.0.2.0/24"]


async def test_unbound_and_failed_ports_are_nobodys(site: Any) -> None:
    """A port whose binding failed is not wired, even if levels were found on the way."""
    network = await site.fabric.network()
    await site.fabric.port(network, "host1", binding={"vif_type": "binding_failed"})
    await site.fabric.port(network, "host1", binding={"vif_type": "unbound"})

    agent = await site.synced("host1")

    assert agent.networks == {}


async def test_reconnected_agent_gets_only_the_difference(site: Any) -> None:
    """Versions named in the hello are compared; what is gone is removed, ports before networks."""
    kept, gone = await site.fabric.network(), await site.fabric.network()
    same, changed, left = [await site.fabric.port(kept, "host1") for _ in range(3)]
    lost = await site.fabric.port(gone, "host1")
    before = await site.synced("host1")
    before.call.cancel()
    await site.fabric.delete(left, lost)
    await site.fabric.change(changed, admin_state_up=False)
    after = await site.agent("host1")
    after.restore(before)

    await after.hello(known=before.versions)
    await after.sync()

    assert set(after.ports) == {same.id, changed.id}
    assert after.ports[changed.id].admin_state_up is False
    assert set(after.networks) == {kept}
    sent = [upsert.port.id or upsert.network.id for push in after.pushes for upsert in push.upserts]
    assert sent == [changed.id]


async def test_reconnected_agent_that_lacks_nothing_gets_an_empty_push(site: Any) -> None:
    """Equal content has an equal version, also after the stream broke."""
    await site.fabric.ports(await site.fabric.network(), "host1", count=5)
    before = await site.synced("host1", tunnel_ip="198.51.100.1")
    after = await site.agent("host1")
    after.restore(before)

    await after.hello(tunnel_ip="198.51.100.1", known=before.versions)
    push = await after.take()

    assert push.in_sync
    assert not push.upserts
    assert not push.removals


async def test_views_an_agent_made_up_are_removed(site: Any) -> None:
    """What the agent claims to hold and the core does not know is taken from it."""
    agent = await site.agent("host1")
    agent.versions = {(NETWORK, "imagined-network"): "1", (PORT, "imagined-port"): "1"}
    known = dict(agent.versions)

    await agent.hello(known=known)
    await agent.sync()

    assert agent.versions == {}


async def test_big_share_comes_in_pieces(site: Any) -> None:
    """No push has more than 500 views, and only the last one says that everything is there."""
    network = await site.fabric.network()
    await site.fabric.ports(network, "host1", count=1100)

    agent = await site.synced("host1")

    assert [len(push.upserts) for push in agent.pushes] == [500, 500, 101]
    assert [push.in_sync for push in agent.pushes] == [False, False, True]
    assert len(agent.ports) == 1100


async def test_one_push_is_unacknowledged_at_a_time(site: Any) -> None:
    """While a push is under way changes wait, and arrive together at their last state."""
    network = await site.fabric.network()
    agent = await site.synced("host1")
    first = await site.fabric.port(network, "host1")
    push = await agent.push()

    second = await site.fabric.port(network, "host1")
    third = await site.fabric.port(network, "host1")
    await site.fabric.delete(third)
    assert await agent.is_quiet()
    await agent.acknowledge(push)
    await agent.take()

    assert set(agent.ports) == {first.id, second.id}


async def test_acknowledgement_of_another_push_counts_for_nothing(site: Any) -> None:
    """Only the nonce of the push under way lets the next one leave."""
    network = await site.fabric.network()
    agent = await site.synced("host1")
    await site.fabric.port(network, "host1")
    push = await agent.push()
    await site.fabric.port(network, "host1")

    await agent.say(ack=node_pb2.Ack(nonce="imagined"))
    assert await agent.is_quiet()
    await agent.acknowledge(push)
    await agent.take()

    assert len(agent.ports) == 2


async def test_only_hosts_that_carry_the_network_are_told(site: Any) -> None:
    """A change reaches the hosts of its network, not the others."""
    network, other = await site.fabric.network(), await site.fabric.network()
    await site.fabric.port(network, "host1")
    await site.fabric.port(other, "host2")
    concerned, bystander = await site.synced("host1"), await site.synced("host2")

    await site.fabric.resize(network, 1400)
    await concerned.take()

    assert concerned.networks[network].mtu == 1400
    assert await bystander.is_quiet()


async def test_network_leaves_with_its_last_port(site: Any) -> None:
    """A host without ports of a network does not carry it, and carries it again with the next port."""
    network = await site.fabric.network()
    port = await site.fabric.port(network, "host1")
    agent = await site.synced("host1")

    await site.fabric.delete(port)
    await agent.until(lambda: not agent.networks)
    await site.fabric.port(network, "host1")
    await agent.until(lambda: agent.networks)

    assert len(agent.ports) == 1


async def test_newer_stream_of_an_agent_replaces_the_older_one(site: Any) -> None:
    """The half-open rest of a broken connection does not linger."""
    network = await site.fabric.network()
    older = await site.synced("host1")
    newer = await site.synced("host1")

    assert await older.call.code() == grpc.StatusCode.ABORTED
    await site.fabric.port(network, "host1")
    await newer.take()
    assert len(newer.ports) == 1


async def test_two_kinds_of_agents_live_on_one_host(site: Any) -> None:
    """Each gets the ports that its own driver bound."""
    network = await site.fabric.network()
    ours = await site.fabric.port(network, "host1")
    theirs = await site.fabric.port(network, "host1", driver="linuxbridge")

    ovs, linuxbridge = await site.synced("host1"), await site.synced("host1", "linuxbridge")

    assert list(ovs.ports) == [ours.id]
    assert list(linuxbridge.ports) == [theirs.id]


@pytest.mark.parametrize(
    "message",
    [
        node_pb2.SyncRequest(),
        node_pb2.SyncRequest(report=node_pb2.Report()),
        node_pb2.SyncRequest(hello=node_pb2.Hello(agent_type="agent", driver="ovs")),
        node_pb2.SyncRequest(hello=node_pb2.Hello(host="h", agent_type="agent", driver="Not A Name")),
        node_pb2.SyncRequest(hello=node_pb2.Hello(host="h\0", agent_type="agent", driver="ovs")),
        node_pb2.SyncRequest(hello=node_pb2.Hello(host="h/h", agent_type="agent", driver="ovs")),
        node_pb2.SyncRequest(hello=node_pb2.Hello(host="..", agent_type="agent", driver="ovs")),
        node_pb2.SyncRequest(hello=node_pb2.Hello(host="h\x1b[2J", agent_type="agent", driver="ovs")),
        node_pb2.SyncRequest(
            hello=node_pb2.Hello(host="h", agent_type="a", driver="ovs", facts=node_pb2.Facts(tunnel_ip="999"))
        ),
        node_pb2.SyncRequest(
            hello=node_pb2.Hello(host="h", agent_type="a", driver="ovs", facts=node_pb2.Facts(configurations=b"[1]"))
        ),
    ],
    ids=["empty", "report", "no host", "driver", "NUL", "slash", "dots", "escape", "tunnel_ip", "configurations"],
)
async def test_senseless_first_message_is_refused(site: Any, message: node_pb2.SyncRequest) -> None:
    """A stream that does not begin with a sound hello ends, and leaves no agent behind."""
    agent = await site.agent("h")

    await agent.call.write(message)

    assert await agent.call.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert await site.fabric.agents(message.hello.host.replace("\0", "")) == []


async def test_second_hello_ends_the_stream(site: Any) -> None:
    """An agent introduces itself once."""
    agent = await site.synced("host1")

    await agent.hello()

    assert await agent.call.code() == grpc.StatusCode.INVALID_ARGUMENT
