"""Segments, what they reserve, and the ranges that they are taken from.

A segment's number is reserved by the primary key of ``segment_allocation``: a
row exists for what is in use, and for nothing else. A segment that was removed
keeps its row until drivers have heard of that (:mod:`.leaving`). Ranges are rows too, so an
operator changes them at run time; those from the settings are marked and
follow the settings at every start.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db import network
from jackfield_core.db.base import Id, Name, metadata
from jackfield_core.db.leaving import segment_is_leaving
from jackfield_core.db.query import ListQuery, select_page, storable
from jackfield_core.db.statement import Insert, Statement, among

table = sa.Table(
    "segment",
    metadata,
    sa.Column("id", Id, primary_key=True),
    # Checked at the commit: the network's MTU depends on the segments that it gets.
    sa.Column(
        "network_id",
        Id,
        sa.ForeignKey("network.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"),
        nullable=False,
        index=True,
    ),
    sa.Column("network_type", sa.String(32), nullable=False),
    sa.Column("physical_network", sa.String(64)),
    sa.Column("segmentation_id", sa.BigInteger),
    sa.Column("name", Name, nullable=False),
    sa.Column("description", Name, nullable=False),
    sa.Column("is_dynamic", sa.Boolean, nullable=False),
    # Order of the segments within the network.
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("revision_number", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.DateTime, nullable=False),
    sa.Column("updated_at", sa.DateTime, nullable=False),
    sa.Index("ix_segment_segmentation_id", "segmentation_id"),
    # Few networks have any, and somebody looks for unused ones every few seconds.
    sa.Index(
        "ix_segment_dynamic",
        "network_id",
        sqlite_where=sa.text("is_dynamic = 1"),
        postgresql_where=sa.text("is_dynamic"),
    ),
)

allocation = sa.Table(
    "segment_allocation",
    metadata,
    sa.Column("network_type", sa.String(32), primary_key=True),
    # Empty for tunnels: a null would not be unique.
    sa.Column("physical_network", sa.String(64), primary_key=True),
    # 0 for flat networks, which have no number.
    sa.Column("segmentation_id", sa.BigInteger, primary_key=True, autoincrement=False),
    # Checked at the commit: the segment's row is written once, when its number is known.
    sa.Column(
        "segment_id",
        Id,
        sa.ForeignKey("segment.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED"),
        nullable=False,
        index=True,
    ),
)

range_table = sa.Table(
    "segment_range",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("network_type", sa.String(32), nullable=False),
    sa.Column("physical_network", sa.String(64), nullable=False),
    sa.Column("minimum", sa.BigInteger, nullable=False),
    sa.Column("maximum", sa.BigInteger, nullable=False),
    # True for a range from the settings.
    sa.Column("is_default", sa.Boolean, nullable=False),
)


class Segment(Struct, frozen=True):
    """A segment as it is stored; the number is a VLAN, VNI or key."""

    id: str
    network_id: str
    network_type: str
    physical_network: str | None
    segmentation_id: int | None
    name: str
    description: str
    is_dynamic: bool
    position: int
    revision_number: int
    created_at: datetime
    updated_at: datetime


class SegmentRange(Struct, frozen=True):
    """A range of numbers for one network type; *physical_network* is empty for tunnels."""

    id: str
    network_type: str
    physical_network: str
    minimum: int
    maximum: int
    is_default: bool


_present = sa.select(table).where(~segment_is_leaving(table))
_FIND = Statement(_present.where(table.c.id == sa.bindparam("id")))
_OF_NETWORKS = Statement(
    lambda dialect: _present.where(among(table.c.network_id, "ids", dialect)).order_by(
        table.c.network_id, table.c.position
    )
)
_LEAVING = Statement(
    sa.select(table)
    .where(table.c.network_id == sa.bindparam("a_network_id"), segment_is_leaving(table))
    .order_by(table.c.position)
)
_INSERT = Insert(table, lambda insert: insert)
_RESERVE = Insert(allocation, lambda insert: insert.on_conflict_do_nothing().returning(allocation.c.segmentation_id))
_ADD_RANGES = Insert(range_table, lambda insert: insert.on_conflict_do_nothing())
_RANGES = sa.select(range_table).order_by(range_table.c.physical_network, range_table.c.minimum)
_of_type = _RANGES.where(range_table.c.network_type == sa.bindparam("network_type"))
_RANGES_OF_TYPE = Statement(_of_type)
_RANGES_OF_NETWORK = Statement(_of_type.where(range_table.c.physical_network == sa.bindparam("physical_network")))


def _first_gap() -> sa.Select[int | None]:
    """Return the statement that finds the lowest free number of a range.

    Numbers in use are read in their order, each beside the next one, until the next one does not follow. Asking
    for each whether it has a follower would be a join, for which a database that has not counted the rows lately
    may read all of them for each.
    """
    number = allocation.c.segmentation_id
    here = (allocation.c.network_type == sa.bindparam("network_type")) & (
        allocation.c.physical_network == sa.bindparam("physical_network")
    )
    low, high = sa.bindparam("low", type_=sa.BigInteger), sa.bindparam("high", type_=sa.BigInteger)
    in_use = (
        sa.select(number.label("number"), sa.func.lead(number).over(order_by=number).label("next"))
        .where(here, number >= low, number <= high)
        .subquery()
    )
    behind = (
        sa.select(in_use.c.number + 1)
        .where(in_use.c.number < high, in_use.c.next.is_distinct_from(in_use.c.number + 1))
        .order_by(in_use.c.number)
        .limit(1)
        .scalar_subquery()
    )
    low_is_taken = sa.exists().where(here, number == low)
    return sa.select(sa.case((~low_is_taken, low), else_=behind))


_FIRST_GAP = Statement(_first_gap())


class SegmentTable:
    """Segments, allocations and ranges, seen through one connection."""

    filters = {**{column.name: column for column in table.c}, "jackfield:dynamic": table.c.is_dynamic}

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def find(self, id: str) -> Segment | None:
        """Return the segment or None."""
        row = await _FIND.row(self._connection, {"id": storable(id)})
        return Segment(*row) if row else None

    async def list(self, query: ListQuery) -> Sequence[Segment]:
        """Return one page of segments of live networks."""
        live = sa.select(network.table.c.id).where(network.table.c.deleted_at.is_(None))
        selection = _present.where(table.c.network_id.in_(live))
        statement = await select_page(self._connection, selection, query, self.filters, table.c.id, "segment")
        rows = [Segment(*row) for row in await self._connection.execute(statement)]
        return rows[::-1] if query.page_reverse else rows

    async def list_of_networks(self, ids: Iterable[str]) -> Mapping[str, Sequence[Segment]]:
        """Return the segments of each network in order; a network without any is absent."""
        segments: dict[str, list[Segment]] = {}
        for row in await _OF_NETWORKS.rows(self._connection, {"ids": [*ids]}):
            segment = Segment(*row)
            segments.setdefault(segment.network_id, []).append(segment)
        return segments

    async def list_leaving(self, network_id: str) -> Sequence[Segment]:
        """Return the segments that a network has let go of, and drivers have yet to hear of that, in order."""
        return [Segment(*row) for row in await _LEAVING.rows(self._connection, {"a_network_id": network_id})]

    async def add(self, *segments: Segment) -> None:
        """Insert *segments*."""
        await _INSERT.run(self._connection, [_values(segment) for segment in segments])

    async def update(self, segment: Segment) -> None:
        """Write all columns of *segment*."""
        await self._connection.execute(sa.update(table).where(table.c.id == segment.id), _values(segment))

    async def reserve(
        self, network_type: str, physical_network: str | None, segmentation_id: int | None, segment_id: str
    ) -> bool:
        """Reserve a number for a segment; False if somebody else holds it.

        Waits for a transaction that is about to take or free the same number.
        """
        values = {
            "network_type": network_type,
            "physical_network": physical_network or "",
            "segmentation_id": segmentation_id or 0,
            "segment_id": segment_id,
        }
        return bool(await _RESERVE.rows(self._connection, [values]))

    async def free_number(self, network_type: str, physical_network: str | None, low: int, high: int) -> int | None:
        """Return the lowest number of ``low..high`` that is not in use, or None.

        Finds the end of the first gap by the primary key's order, without
        reading what lies behind it.
        """
        values = {
            "network_type": network_type,
            "physical_network": physical_network or "",
            "low": low,
            "high": high,
        }
        number: int | None = await _FIRST_GAP.value(self._connection, values)
        return number

    async def ranges(self, network_type: str, physical_network: str | None = None) -> Sequence[SegmentRange]:
        """Return the ranges of a type, of one physical network if it is given, lowest first."""
        if physical_network is None:
            rows = await _RANGES_OF_TYPE.rows(self._connection, {"network_type": network_type})
        else:
            values = {"network_type": network_type, "physical_network": physical_network}
            rows = await _RANGES_OF_NETWORK.rows(self._connection, values)
        return [SegmentRange(*row) for row in rows]

    async def replace_default_ranges(self, ranges: Sequence[SegmentRange]) -> None:
        """Make *ranges* the only ones that are marked as from the settings.

        Processes that start together with the same settings write the same
        ids, so whoever comes second changes nothing.
        """
        old = sa.delete(range_table).where(
            range_table.c.is_default, range_table.c.id.not_in([one.id for one in ranges])
        )
        await self._connection.execute(old)
        if ranges:
            await _ADD_RANGES.run(self._connection, [_values(one) for one in ranges])


def _values(value: Struct) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__struct_fields__}


def networks_with(column: str, values: Iterable[object]) -> sa.ColumnElement[bool]:
    """Return the condition for networks that have a segment with one of *values* in *column*."""
    wanted = [storable(value) if isinstance(value, str) else value for value in values]
    holders = sa.select(table.c.network_id).where(table.c[column].in_(wanted), ~segment_is_leaving(table))
    return network.table.c.id.in_(holders)
