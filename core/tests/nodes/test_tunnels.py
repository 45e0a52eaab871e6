"""Who is told of which tunnel endpoint."""

from typing import Any


async def test_network_view_tells_where_the_other_hosts_ports_are(site: Any) -> None:
    """Every host gets the endpoints and ports of all others, in order, and not its own."""
    network = await site.fabric.network("vxlan")
    ports = {host: await site.fabric.port(network, host) for host in ("host1", "host2", "host3")}
    agents = {
        host: await site.synced(host, tunnel_ip=f"198.51.100.{number}")
        for number, host in enumerate(("host3", "host2", "host1"), start=1)
    }
    first = agents["host1"]
    await agents["host3"].until(lambda: len(agents["host3"].networks[network].endpoints) == 2)

    view = first.networks[network]
    assert list(view.endpoints) == ["198.51.100.1", "198.51.100.2"]
    assert [(entry.mac_address, entry.endpoint) for entry in view.forwarding] == [
        (ports["host3"].mac_address, "198.51.100.1"),
        (ports["host2"].mac_address, "198.51.100.2"),
    ]
    assert [*view.forwarding[0].ip_addresses] == [ports["host3"].fixed_ips[0].ip_address]
    assert list(agents["host3"].networks[network].endpoints) == ["198.51.100.2", "198.51.100.3"]


async def test_other_hosts_hear_of_new_and_lost_ports(site: Any) -> None:
    """A forwarding entry comes with the port and goes with it."""
    network = await site.fabric.network("geneve")
    await site.fabric.port(network, "host1")
    agent = await site.synced("host1", tunnel_ip="198.51.100.1")
    await site.synced("host2", tunnel_ip="198.51.100.2")

    port = await site.fabric.port(network, "host2")
    await agent.take()
    assert [entry.mac_address for entry in agent.networks[network].forwarding] == [port.mac_address]
    await site.fabric.delete(port)
    await agent.take()

    assert not agent.networks[network].forwarding
    assert not agent.networks[network].endpoints


async def test_other_hosts_hear_of_a_moved_endpoint(site: Any) -> None:
    """An agent that comes back with another tunnel address is found there."""
    network = await site.fabric.network("vxlan")
    await site.fabric.port(network, "host1")
    await site.fabric.port(network, "host2")
    agent = await site.synced("host1", tunnel_ip="198.51.100.1")
    await site.synced("host2", tunnel_ip="198.51.100.2")
    await agent.until(lambda: agent.networks[network].endpoints)

    await site.synced("host2", tunnel_ip="198.51.100.77")
    await agent.take()

    assert list(agent.networks[network].endpoints) == ["198.51.100.77"]


async def test_ports_of_another_segment_are_not_reached_through_the_tunnel(site: Any) -> None:
    """Forwarding entries are those of the segment that the host carries."""
    network, other = await site.fabric.network("vxlan"), await site.fabric.network("vxlan")
    await site.fabric.port(network, "host1")
    await site.fabric.port(other, "host2")
    await site.synced("host2", tunnel_ip="198.51.100.2")

    agent = await site.synced("host1", tunnel_ip="198.51.100.1")

    assert not agent.networks[network].endpoints


async def test_two_kinds_of_agents_reach_each_other(site: Any) -> None:
    """Agents of different drivers are ends of the same tunnels, on other hosts and on the same one."""
    network = await site.fabric.network("vxlan")
    await site.fabric.port(network, "host1")
    neighbour = await site.fabric.port(network, "host1", driver="linuxbridge")
    await site.synced("host1", "linuxbridge", tunnel_ip="198.51.100.9")

    agent = await site.synced("host1", tunnel_ip="198.51.100.1")

    assert [entry.mac_address for entry in agent.networks[network].forwarding] == [neighbour.mac_address]
