"""Agents that arrive: their rows, and what is on their hosts already.

An agent's row follows what it says of itself. If it comes with another tunnel
endpoint than it had, or for the first time, all hosts that share a network with
its host have to hear of that.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from jackfield_core.db.agent import Agent
from jackfield_core.db.placement import PlacementTable
from jackfield_core.db.unit_of_work import Transaction, UnitOfWork
from jackfield_core.nodes.gathering import Gathering
from jackfield_core.nodes.view import Place

Key = tuple[str, str]
"""Type and host of an agent, of which there is one each."""


class Arrivals:
    """Stores agents and looks at their hosts, for all at once that arrive at the same time."""

    def __init__(self, unit_of_work: UnitOfWork) -> None:
        self._unit_of_work = unit_of_work
        self._saving = Gathering(self._save, "nodes.agent_unwritten")
        self._looking = Gathering(self._look, "nodes.host_unread")

    async def save(self, agent: Agent) -> Agent:
        """Store what an agent says of itself; return it with the id that it has."""
        return await self._saving.answer(agent)

    async def on_host(self, place: Place) -> Mapping[str, str]:
        """Return what *place* has to carry: network ids by port id."""
        return await self._looking.answer(place)

    async def close(self) -> None:
        """End what is under way."""
        await self._saving.close()
        await self._looking.close()

    async def _save(self, agents: Sequence[Agent]) -> Sequence[Agent]:
        # Of two streams of one agent the later one tells how it is.
        newest = {_key(agent): agent for agent in agents}
        async with self._unit_of_work() as tx:
            before = {_key(one): one for one in await tx.agents.list_on_hosts({agent.host for agent in agents})}
            kept = [_with_neighbours(agent, before.get(key)) for key, agent in newest.items()]
            ids = await tx.agents.save_all(sorted(kept, key=lambda agent: _place_in_line(agent, before)))
            await _announce(tx, [agent for agent in kept if _is_elsewhere(agent, before.get(_key(agent)))])
        return [replace(_with_neighbours(agent, before.get(_key(agent))), id=ids[_key(agent)]) for agent in agents]

    async def _look(self, places: Sequence[Place]) -> Sequence[Mapping[str, str]]:
        async with self._unit_of_work.reading() as tables:
            found = await PlacementTable(tables.connection).on_hosts({place.host for place in places})
        return [found.get((place.host, place.driver), {}) for place in places]


async def _announce(tx: Transaction, agents: Sequence[Agent]) -> None:
    """Have the other hosts of their networks look at where these agents are."""
    if agents:
        found = await PlacementTable(tx.connection).on_hosts({agent.host for agent in agents})
        for agent in agents:
            for network_id in _distinct(found.get((agent.host, agent.driver), {}).values()):
                tx.touch(network_id, agent.host)


def _key(agent: Agent) -> Key:
    return agent.agent_type, agent.host


def _with_neighbours(agent: Agent, before: Agent | None) -> Agent:
    """Return *agent* with the neighbours that it reported earlier; it will say if they are others now."""
    return replace(agent, neighbours=before.neighbours) if before else agent


def _place_in_line(agent: Agent, before: Mapping[Key, Agent]) -> tuple[bool, str, Key]:
    """Return what rows are sorted by that are written: everybody writes those that exist in the order of their ids."""
    known = before.get(_key(agent))
    return known is None, known.id if known else "", _key(agent)


def _is_elsewhere(agent: Agent, before: Agent | None) -> bool:
    return before is None or (before.driver, before.tunnel_ip) != (agent.driver, agent.tunnel_ip)


def _distinct(ids: Iterable[str]) -> Iterable[str]:
    return dict.fromkeys(ids)
