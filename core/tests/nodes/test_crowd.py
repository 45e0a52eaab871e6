"""Many hosts at once: everybody gets his own, and nobody else is disturbed."""

import asyncio
from typing import Any

import pytest

HOSTS = 25
NETWORKS = 5
HOSTS_OF_NETWORK = 10
"""Hosts that carry each network: host *n* has those whose number is like its own, modulo the networks, and the next."""


def _endpoint(number: int) -> str:
    return f"198.51.100.{number + 1}"


class Crowd:
    """Hosts with a port on each of two networks, an agent on every host, and what each has to hold."""

    def __init__(self, site: Any) -> None:
        self.site = site
        self.networks: list[str] = []
        self.ports: dict[str, tuple[str, Any]] = {}
        self.agents: dict[str, Any] = {}

    async def fill(self) -> None:
        """Write networks and ports."""
        self.networks = [await self.site.fabric.network() for _ in range(NETWORKS)]
        for number in range(HOSTS):
            for turn in (0, 1):
                await self.add(self.networks[(number + turn) % NETWORKS], number)

    async def add(self, network: str, number: int) -> Any:
        """Add a port on the host *number*."""
        port = await self.site.fabric.port(network, f"host{number}")
        self.ports[port.id] = f"host{number}", port
        return port

    async def dial(self, *, known: bool = False) -> None:
        """Let the agents of all hosts dial at the same time, and take what they are pushed until they are in sync."""
        await asyncio.gather(*(self._dial(number, known=known) for number in range(HOSTS)))

    async def settle(self) -> None:
        """Let every agent take pushes until it holds what it has to."""
        await asyncio.gather(
            *(agent.until(lambda host=host: self.is_right(host)) for host, agent in self.agents.items())
        )

    def is_right(self, host: str) -> bool:
        """Return whether an agent holds its ports, its networks, and where the others' ports are, and nothing else."""
        agent = self.agents[host]
        ports = {id: port for id, (at, port) in self.ports.items() if at == host}
        networks = {port.network_id for port in ports.values()}
        return (
            set(agent.ports) == set(ports)
            and set(agent.networks) == networks
            and all(self._entries(agent, id) == self._others(host, id) for id in networks)
        )

    def hosts_of(self, network: str) -> set[str]:
        """Return the hosts that have a port on *network*."""
        return {host for host, port in self.ports.values() if port.network_id == network}

    async def _dial(self, number: int, *, known: bool) -> None:
        host = f"host{number}"
        agent = await self.site.agent(host)
        if known:
            agent.restore(self.agents[host])
        await agent.hello(tunnel_ip=_endpoint(number), known=agent.versions)
        await agent.sync()
        self.agents[host] = agent

    def _entries(self, agent: Any, network: str) -> list[tuple[str, str, str]]:
        entries = agent.networks[network].forwarding
        return sorted((entry.mac_address, entry.ip_addresses[0], entry.endpoint) for entry in entries)

    def _others(self, host: str, network: str) -> list[tuple[str, str, str]]:
        return sorted(
            (port.mac_address, port.fixed_ips[0].ip_address, _endpoint(int(at.removeprefix("host"))))
            for at, port in self.ports.values()
            if port.network_id == network and at != host
        )


@pytest.fixture
async def crowd(site: Any) -> Crowd:
    """A crowd whose agents have dialled and hold what they have to."""
    crowd = Crowd(site)
    await crowd.fill()
    await crowd.dial()
    await crowd.settle()
    return crowd


async def test_every_host_gets_its_own_share(crowd: Crowd) -> None:
    """Ports and networks are those of the host, forwarding entries those of all others on the same networks."""
    assert all(crowd.is_right(host) for host in crowd.agents)
    assert {len(crowd.hosts_of(network)) for network in crowd.networks} == {HOSTS_OF_NETWORK}


async def test_port_create_touches_the_hosts_of_its_network_only(crowd: Crowd) -> None:
    """The others are pushed nothing, and those that have the network get it once."""
    network = crowd.networks[2]
    concerned = crowd.hosts_of(network)
    before = {host: len(agent.pushes) for host, agent in crowd.agents.items()}

    await crowd.add(network, 7)
    await crowd.settle()
    assert "host7" in concerned
    touched = {host for host, agent in crowd.agents.items() if len(agent.pushes) > before[host]}

    assert touched == concerned
    assert all(await asyncio.gather(*(agent.is_quiet() for agent in crowd.agents.values())))


async def test_all_hosts_that_dial_again_at_once_are_pushed_nothing(crowd: Crowd) -> None:
    """Everybody holds what he has to, whoever of the others is back already."""
    for agent in crowd.agents.values():
        agent.call.cancel()

    await crowd.dial(known=True)

    assert all(crowd.is_right(host) for host in crowd.agents)
    assert [push for agent in crowd.agents.values() for push in agent.pushes if push.upserts or push.removals] == []


async def test_what_changed_meanwhile_is_all_that_returning_hosts_are_pushed(crowd: Crowd) -> None:
    """A port that came, one that left, and the forwarding entries of both."""
    for agent in crowd.agents.values():
        agent.call.cancel()
    left = next(
        id for id, (host, port) in crowd.ports.items() if host == "host3" and port.network_id == crowd.networks[3]
    )
    await crowd.site.fabric.delete(crowd.ports.pop(left)[1])
    came = await crowd.add(crowd.networks[0], 9)

    await crowd.dial(known=True)
    await crowd.settle()

    changed = crowd.hosts_of(crowd.networks[0]) | crowd.hosts_of(crowd.networks[3]) | {"host3"}
    told = {host for host, agent in crowd.agents.items() if any(push.upserts or push.removals for push in agent.pushes)}
    assert told == changed
    ports = [upsert.port.id for agent in crowd.agents.values() for push in agent.pushes for upsert in push.upserts]
    assert [id for id in ports if id] == [came.id]
