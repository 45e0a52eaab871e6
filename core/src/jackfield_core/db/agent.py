"""Node agents, as they last reported."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.base import Id, Json, Name, metadata
from jackfield_core.db.query import ListQuery, select_page, storable
from jackfield_core.db.statement import Insert, Statement, among

table = sa.Table(
    "agent",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("agent_type", Name, nullable=False),
    sa.Column("host", Name, nullable=False),
    sa.Column("binary", Name, nullable=False),
    sa.Column("version", Name, nullable=False),
    # Mechanism driver whose ports the agent wires.
    sa.Column("driver", sa.String(63), nullable=False),
    sa.Column("description", Name, nullable=False),
    sa.Column("admin_state_up", sa.Boolean, nullable=False),
    sa.Column("physical_networks", Json(dict[str, str]), nullable=False),
    sa.Column("tunnel_types", Json(tuple[str, ...]), nullable=False),
    sa.Column("tunnel_ip", sa.String(64)),
    sa.Column("vif_types", Json(tuple[str, ...]), nullable=False),
    sa.Column("configurations", Json(dict[str, Any]), nullable=False),
    sa.Column("neighbours", Json(tuple[dict[str, str], ...]), nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False),
    sa.Column("started_at", sa.DateTime, nullable=False),
    sa.Column("heartbeat_at", sa.DateTime, nullable=False),
    sa.UniqueConstraint("agent_type", "host"),
    sa.Index("ix_agent_host", "host"),
)


class Agent(Struct, frozen=True):
    """A node agent; *physical_networks* maps names to bridges or interfaces."""

    id: str
    agent_type: str
    host: str
    binary: str
    version: str
    driver: str
    description: str
    admin_state_up: bool
    physical_networks: dict[str, str]
    tunnel_types: tuple[str, ...]
    tunnel_ip: str | None
    vif_types: tuple[str, ...]
    configurations: dict[str, Any]
    neighbours: tuple[dict[str, str], ...]
    created_at: datetime
    started_at: datetime
    heartbeat_at: datetime


# What an operator sets and what the first report sets once.
_KEPT = {"id", "agent_type", "host", "description", "admin_state_up", "created_at"}


class AgentTable:
    """Agents, seen through one connection."""

    filters = {name: table.c[name] for name in ("id", "agent_type", "host", "binary", "description", "admin_state_up")}

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, id: str) -> Agent | None:
        """Return the agent or None."""
        row = await _FIND.row(self._connection, {"id": storable(id)})
        return Agent(*row) if row else None

    async def list(self, query: ListQuery) -> Sequence[Agent]:
        """Return one page of agents."""
        statement = await select_page(self._connection, sa.select(table), query, self.filters, table.c.id, "agent")
        rows = [Agent(*row) for row in await self._connection.execute(statement)]
        return rows[::-1] if query.page_reverse else rows

    async def list_on_host(self, host: str) -> Sequence[Agent]:
        """Return the agents of one host."""
        return [Agent(*row) for row in await _ON_HOST.rows(self._connection, {"host": host})]

    async def list_on_hosts(self, hosts: Iterable[str]) -> Sequence[Agent]:
        """Return the agents of several hosts."""
        return [Agent(*row) for row in await _ON_HOSTS.rows(self._connection, {"hosts": [*hosts]})]

    async def save(self, agent: Agent) -> str:
        """Insert *agent*, or update the one of the same type and host; return its id."""
        return (await self.save_all([agent]))[agent.agent_type, agent.host]

    async def save_all(self, agents: Sequence[Agent]) -> dict[tuple[str, str], str]:
        """Insert *agents*, or update those of the same type and host; return their ids by type and host."""
        values = [{name: getattr(agent, name) for name in agent.__struct_fields__} for agent in agents]
        return {(agent_type, host): id for id, agent_type, host in await _SAVE.rows(self._connection, values)}

    async def beat(self, ids: Sequence[str], at: datetime) -> None:
        """Note a sign of life of several agents."""
        await _BEAT.run(self._connection, {"ids": ids, "at": at})

    async def update(self, id: str, **values: Any) -> None:
        """Set columns of one agent."""
        await self._connection.execute(sa.update(table).where(table.c.id == id), values)

    async def delete(self, id: str) -> None:
        """Remove the agent; a live one comes back with its next stream."""
        await self._connection.execute(sa.delete(table).where(table.c.id == id))


def heard_since(at: datetime) -> sa.ColumnElement[bool]:
    """Return the condition for agents that gave a sign of life after *at*."""
    return table.c.heartbeat_at > at


_FIND = Statement(sa.select(table).where(table.c.id == sa.bindparam("id")))

_ON_HOST = Statement(sa.select(table).where(table.c.host == sa.bindparam("host")))
_ON_HOSTS = Statement(lambda dialect: sa.select(table).where(among(table.c.host, "hosts", dialect)))


def _beat(dialect: str) -> sa.ClauseElement:
    # One order for everybody, so that two processes never wait in a circle.
    held = sa.select(table.c.id).where(among(table.c.id, "ids", dialect)).order_by(table.c.id).with_for_update()
    return sa.update(table).where(table.c.id.in_(held)).values(heartbeat_at=sa.bindparam("at"))


_BEAT = Statement(_beat)


def _upsert(insert: Any) -> Any:
    said = {column.name: insert.excluded[column.name] for column in table.c if column.name not in _KEPT}
    update = insert.on_conflict_do_update(index_elements=["agent_type", "host"], set_=said)
    return update.returning(table.c.id, table.c.agent_type, table.c.host)


_SAVE = Insert(table, _upsert)
