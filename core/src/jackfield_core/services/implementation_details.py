"""What a compute node needs to plug an interface, so that it needs no configuration of its own.

Everything here is stored or reported already; this puts together what concerns
one port or network on one host: the binding, the segment, what the host's
agents said of themselves. Where servers are and how hosts are built is for
administrators and services. Others get what they see of the port or network
anyway, and no question about a host of theirs is answered, not even by an error.
"""

from collections.abc import Sequence
from datetime import timedelta

from msgspec import Struct

from jackfield_core.context import RequestContext
from jackfield_core.db.agent import Agent
from jackfield_core.db.base import now
from jackfield_core.db.plugging import Plugging, pluggings
from jackfield_core.db.port import Binding, Port
from jackfield_core.db.segment import Segment
from jackfield_core.db.tree import NetworkTree, load_trees
from jackfield_core.db.unit_of_work import Tables, UnitOfWork
from jackfield_core.errors import NotFound
from jackfield_core.services.agent import AgentView
from jackfield_core.types import BindingLevel


class PortPlace(Struct, frozen=True):
    """A binding of a port, and the host that it is on."""

    binding: Binding
    is_active: bool
    levels: Sequence[BindingLevel]
    agents: Sequence[AgentView]


class PortDetails(Struct, frozen=True):
    """A port, its network, and its place; None for who may not know it, and for a port on no host."""

    port: Port
    tree: NetworkTree
    place: PortPlace | None


class HostDetails(Struct, frozen=True):
    """How ports of a network are plugged on one host, and the agents there."""

    host: str
    pluggings: Sequence[Plugging]
    agents: Sequence[AgentView]


class NetworkDetails(Struct, frozen=True):
    """A network on its hosts; None for who may not know them."""

    tree: NetworkTree
    hosts: Sequence[HostDetails] | None


class ImplementationDetailsService:
    """What compute nodes ask before they plug; *down_time* of agents is in seconds."""

    def __init__(self, unit_of_work: UnitOfWork, *, down_time: float) -> None:
        self._unit_of_work = unit_of_work
        self._down_time = timedelta(seconds=down_time)

    async def of_port(self, ctx: RequestContext, id: str, host: str | None) -> PortDetails:
        """Return the details of a port by its binding on *host*, or by the active one.

        Raises:
            NotFound: There is no such port, or it has no binding on that host.
        """
        async with self._unit_of_work.reading() as tables:
            port = await tables.ports.find(id)
            if port is None:
                raise NotFound.of("port", id)
            tree = (await load_trees(tables.connection, [port.network_id]))[port.network_id]
            place = await self._place(tables, port, host) if ctx.sees_hosts else None
        return PortDetails(port, tree, place)

    async def of_network(self, ctx: RequestContext, id: str, host: str | None) -> NetworkDetails:
        """Return the details of a network on *host*, or on every host that has ports of it.

        Raises:
            NotFound: There is no such network.
        """
        async with self._unit_of_work.reading() as tables:
            if await tables.networks.find(id) is None:
                raise NotFound.of("network", id)
            tree = (await load_trees(tables.connection, [id]))[id]
            hosts = await self._hosts(tables, id, host) if ctx.sees_hosts else None
        return NetworkDetails(tree, hosts)

    async def _place(self, tables: Tables, port: Port, host: str | None) -> PortPlace | None:
        if host is None and not port.binding.host:
            return None
        if host in (None, port.binding.host):
            levels = (await tables.ports.levels([port.id])).get(port.id, ())
            return PortPlace(port.binding, True, levels, await self._agents(tables, port.binding.host))
        for one in await tables.inactive_bindings.of_port(port.id):
            if one.binding.host == host:
                return PortPlace(one.binding, False, one.levels, await self._agents(tables, host))
        raise NotFound(f"Binding for port {port.id} for host {host} could not be found.", type="PortBindingNotFound")

    async def _hosts(self, tables: Tables, network_id: str, host: str | None) -> Sequence[HostDetails]:
        found = await pluggings(tables.connection, network_id, host)
        names = [host] if host is not None else list(dict.fromkeys(one.host for one in found))
        agents = await tables.agents.list_on_hosts(names)
        return [
            HostDetails(
                name,
                [one for one in found if one.host == name],
                self._views([agent for agent in agents if agent.host == name]),
            )
            for name in names
        ]

    async def _agents(self, tables: Tables, host: str) -> Sequence[AgentView]:
        return self._views(await tables.agents.list_on_host(host))

    def _views(self, agents: Sequence[Agent]) -> Sequence[AgentView]:
        alive_since = now() - self._down_time
        ordered = sorted(agents, key=lambda agent: agent.agent_type)
        return [AgentView(agent, alive=agent.heartbeat_at > alive_since) for agent in ordered]


def segment_of(tree: NetworkTree, id: str) -> Segment | None:
    """Return a segment of a network."""
    return next((segment for segment in tree.segments if segment.id == id), None)
