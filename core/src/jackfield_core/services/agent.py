"""Node agents, for operators: who reports from where, and is it alive."""

import dataclasses
from collections.abc import Sequence
from datetime import timedelta

from msgspec import Struct

from jackfield_core.context import RequestContext
from jackfield_core.db.agent import Agent, heard_since
from jackfield_core.db.base import now
from jackfield_core.db.placement import PlacementTable
from jackfield_core.db.query import ListQuery
from jackfield_core.db.unit_of_work import UnitOfWork
from jackfield_core.errors import NotFound
from jackfield_core.services import revision
from jackfield_core.services.policy import expect_admin, expect_operator
from jackfield_core.services.spec import AgentUpdate


class AgentView(Struct, frozen=True):
    """An agent, and whether it was heard of lately."""

    agent: Agent
    alive: bool


class AgentService:
    """What operators can do with agents; *down_time* is in seconds.

    Every method raises Forbidden for users. Services may look, and change nothing.
    """

    def __init__(self, unit_of_work: UnitOfWork, *, down_time: float) -> None:
        self._unit_of_work = unit_of_work
        self._down_time = timedelta(seconds=down_time)

    async def get(self, ctx: RequestContext, id: str) -> AgentView:
        """Return an agent."""
        expect_operator(ctx, "get_agent")
        async with self._unit_of_work.reading() as tables:
            agent = await tables.agents.find(id)
        if agent is None:
            raise NotFound.of("agent", id)
        return self._view(agent)

    async def list(self, ctx: RequestContext, query: ListQuery, alive: bool | None = None) -> Sequence[AgentView]:
        """Return one page of agents, those alive or those down if *alive* says so."""
        expect_operator(ctx, "get_agent")
        if alive is not None:
            condition = heard_since(now() - self._down_time)
            query = dataclasses.replace(query, conditions=(*query.conditions, condition if alive else ~condition))
        async with self._unit_of_work.reading() as tables:
            return [self._view(agent) for agent in await tables.agents.list(query)]

    async def update(self, ctx: RequestContext, id: str, spec: AgentUpdate) -> AgentView:
        """Change the administrative state or description of an agent."""
        expect_admin(ctx, "update_agent")
        await self.get(ctx, id)
        if values := revision.given(spec):
            async with self._unit_of_work() as tx:
                await tx.agents.update(id, **values)
        return await self.get(ctx, id)

    async def delete(self, ctx: RequestContext, id: str) -> None:
        """Forget an agent; one that is alive appears again with its next stream."""
        expect_admin(ctx, "delete_agent")
        agent = (await self.get(ctx, id)).agent
        async with self._unit_of_work() as tx:
            await tx.agents.delete(id)
            # Its tunnel endpoint is gone from the views of the other hosts.
            for network_id in {*(await PlacementTable(tx.connection).on_host(agent.host, agent.driver)).values()}:
                tx.touch(network_id)

    def _view(self, agent: Agent) -> AgentView:
        return AgentView(agent, alive=agent.heartbeat_at > now() - self._down_time)
