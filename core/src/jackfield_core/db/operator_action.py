"""What operators did by hand to the ledger: who forgets a debt leaves a line."""

from datetime import datetime

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.base import Id, metadata, now

table = sa.Table(
    "operator_action",
    metadata,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("at", sa.DateTime, nullable=False),
    sa.Column("action", sa.String(32), nullable=False),
    sa.Column("driver", sa.String(63), nullable=False),
    sa.Column("kind", sa.String(16), nullable=False, server_default=""),
    sa.Column("resource_id", Id, nullable=False, server_default=""),
    sa.Column("request_id", sa.String(64), nullable=False, server_default=""),
    sa.Column("detail", sa.Text, nullable=False, server_default=""),
)


class OperatorAction(Struct, frozen=True):
    """One thing that an operator did; *kind* and *resource_id* are empty if it was about the whole driver."""

    id: int
    at: datetime
    action: str
    driver: str
    kind: str
    resource_id: str
    request_id: str
    detail: str


class OperatorActionTable:
    """The actions of operators, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(
        self, action: str, driver: str, *, kind: str = "", resource_id: str = "", request_id: str = "", detail: str = ""
    ) -> None:
        """Note what an operator does, in the transaction that does it."""
        await self._connection.execute(
            sa.insert(table).values(
                at=now(),
                action=action,
                driver=driver,
                kind=kind,
                resource_id=resource_id,
                request_id=request_id,
                detail=detail,
            )
        )

    async def list(self, *, driver: str | None = None, limit: int = 100) -> list[OperatorAction]:
        """Return actions, the newest first."""
        statement = sa.select(table).order_by(table.c.id.desc()).limit(limit)
        if driver is not None:
            statement = statement.where(table.c.driver == driver)
        return [OperatorAction(*row) for row in await self._connection.execute(statement)]
