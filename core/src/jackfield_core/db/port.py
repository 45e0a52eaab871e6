"""Ports and their bindings.

A port and its active binding are read together and make one value. The binding
is a table of its own, keyed by host, and the levels of a binding say which
driver bound which segment. ``fixed_ips`` in the row is what users see; the
same addresses in ``ip_allocation`` are what makes them unique.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec import Struct

from jackfield_core.db import delivery
from jackfield_core.db.leaving import mac_is_leaving
from jackfield_core.db.notice import NO_VIF, NoticeTable, Vif, server_of
from jackfield_core.db.port_tables import binding_table, level_table, table
from jackfield_core.db.resource import ResourceTable
from jackfield_core.db.statement import Insert, Statement, among
from jackfield_core.types import (
    BINDING_FAILED,
    UNBOUND,
    AddressPair,
    BindingLevel,
    DhcpOption,
    FixedIp,
    Kind,
    Status,
    Wiring,
)

__all__ = ["Binding", "Port", "PortTable", "WiringReport", "binding_table", "level_table", "table"]


class Binding(Struct, frozen=True):
    """Where a port lives and how it is plugged there."""

    host: str = ""
    vnic_type: str = "normal"
    profile: dict[str, Any] = {}
    vif_type: str = "unbound"
    vif_details: dict[str, Any] = {}
    wiring: str = "unknown"
    wiring_reason: str = ""
    failures: tuple[dict[str, Any], ...] = ()


class Port(Struct, frozen=True):
    """A port as it is stored, with its active binding; addresses are canonical text."""

    id: str
    network_id: str
    project_id: str
    name: str
    description: str
    admin_state_up: bool
    status: str
    mac_address: str
    device_id: str
    device_owner: str
    port_security_enabled: bool
    fixed_ips: tuple[FixedIp, ...]
    allowed_address_pairs: tuple[AddressPair, ...]
    extra_dhcp_opts: tuple[DhcpOption, ...]
    revision_number: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = None
    activations: int = 0
    binding: Binding = Binding()

    @property
    def vif(self) -> Vif:
        """What a compute service knows of the port."""
        server = server_of(self.device_owner, self.device_id)
        addresses = tuple(sorted(fixed_ip.ip_address for fixed_ip in self.fixed_ips))
        is_active = self.status == Status.ACTIVE
        return Vif(server, is_active, self.activations, self.mac_address, addresses) if server else NO_VIF


class WiringReport(Struct, frozen=True):
    """What the host of a port says about it; *only_if_not_up* leaves a port alone that is up."""

    port_id: str
    host: str
    wiring: str
    reason: str = ""
    only_if_not_up: bool = False


_BINDING_COLUMNS = tuple(column for column in binding_table.c if column.name != "port_id")
_WIDTH = len(table.c)


_ADD = Insert(table, lambda insert: insert.on_conflict_do_nothing().returning(table.c.id, mac_is_leaving()))
_BIND = Insert(binding_table, lambda insert: insert)
_ADD_LEVELS = Insert(level_table, lambda insert: insert)
_UPDATE_BINDING = Statement(
    sa.update(binding_table).where(binding_table.c.port_id == sa.bindparam("a_port_id")),
    [column.name for column in _BINDING_COLUMNS],
)
_REMOVE_LEVELS = Statement(sa.delete(level_table).where(level_table.c.port_id == sa.bindparam("a_port_id")))
_LEVELS = Statement(
    lambda dialect: (
        sa.select(level_table.c.port_id, level_table.c.level, level_table.c.driver, level_table.c.segment_id)
        .where(among(level_table.c.port_id, "ids", dialect))
        .order_by(level_table.c.port_id, level_table.c.level)
    )
)


def _hold(dialect: str) -> sa.Select[int]:
    held = (
        sa.select(table.c.id)
        .where(among(table.c.id, "ids", dialect))
        # One order for everybody, so that two batches never wait in a circle.
        .order_by(table.c.id)
        .with_for_update(key_share=True)
    )
    # Who is held is known; only their number travels.
    return sa.select(sa.func.count()).select_from(held.subquery())


_HOLD = Statement(_hold)

_SET_WIRING = Statement(
    sa.update(binding_table)
    .where(
        binding_table.c.port_id == sa.bindparam("a_port_id"),
        binding_table.c.host == sa.bindparam("a_host"),
        (binding_table.c.wiring != Wiring.UP) | ~sa.bindparam("an_only_if_not_up", type_=sa.Boolean),
        # After a restart all ports are reported again, nearly all of them as they were.
        (binding_table.c.wiring != sa.bindparam("a_wiring"))
        | (binding_table.c.wiring_reason != sa.bindparam("a_reason")),
    )
    .values(wiring=sa.bindparam("a_wiring"), wiring_reason=sa.bindparam("a_reason"))
)

_is_wired = sa.exists().where(
    binding_table.c.port_id == table.c.id,
    binding_table.c.vif_type != UNBOUND,
    binding_table.c.vif_type != BINDING_FAILED,
    binding_table.c.wiring == Wiring.UP,
)
_is_active = table.c.status == Status.ACTIVE
_may_work = table.c.admin_state_up & _is_wired


def _refresh(dialect: str) -> sa.sql.ClauseElement:
    is_awaited = sa.exists().where(
        delivery.table.c.kind == Kind.PORT,
        delivery.table.c.resource_id == table.c.id,
        among(delivery.table.c.driver, "required", dialect),
        delivery.table.c.acknowledged_revision.is_(None),
        delivery.table.c.disposition != delivery.FORGOTTEN,
    )
    falls = _is_active & ~_may_work
    # A driver that is told everything again, because its device lost it, is not awaited: hosts say whether frames pass.
    rises = ~_is_active & _may_work & ~is_awaited
    wanted = among(table.c.id, "ids", dialect) & table.c.deleted_at.is_(None) & (falls | rises)
    values = {
        "status": sa.case((_is_active, Status.DOWN), else_=Status.ACTIVE),
        "activations": table.c.activations + sa.case((_is_active, 0), else_=1),
    }
    return sa.update(table).where(wanted).values(values).returning(table.c.id)


_REFRESH = Statement(_refresh)


def _with_binding(ports: sa.FromClause) -> sa.Select[Any]:
    return sa.select(ports, *_BINDING_COLUMNS).join(binding_table, binding_table.c.port_id == ports.c.id)


class PortTable(ResourceTable[Port]):
    """Ports, seen through one connection."""

    kind = "port"
    table = table
    row = Port
    selection = _with_binding(table)
    complete = _with_binding
    twins = (binding_table.c.port_id,)
    filters = {
        **{
            column.name: column
            for column in table.c
            if column.name not in ("fixed_ips", "allowed_address_pairs", "extra_dhcp_opts", "deleted_at", "activations")
        },
        "binding:host_id": binding_table.c.host,
        "binding:vnic_type": binding_table.c.vnic_type,
        "binding:vif_type": binding_table.c.vif_type,
    }

    @classmethod
    def from_row(cls, row: Any) -> Port:
        """Turn one result row into a port with its binding."""
        columns: tuple[Any, ...] = (*row[:_WIDTH], Binding(*row[_WIDTH:]))
        return Port(*columns)

    async def add(self, *ports: Port) -> Sequence[str]:
        """Insert *ports* with their bindings; return the ids of those whose MAC address was free.

        Waits for a transaction that is about to take the same MAC address. If
        one was not free the caller does not commit.
        """
        rows = await _ADD.rows(self._connection, [self.values(port) for port in ports])
        added = {id for id, is_leaving in rows if not is_leaving}
        bindings = [_binding_values(port) for port in ports if port.id in added]
        if bindings:
            await _BIND.run(self._connection, bindings)
        return [port.id for port in ports if port.id in added]

    async def update_binding(self, port: Port, levels: Sequence[BindingLevel]) -> None:
        """Replace the binding and its levels by those of *port*."""
        await _UPDATE_BINDING.run(self._connection, {**_binding_values(port), "a_port_id": port.id})
        await _REMOVE_LEVELS.run(self._connection, {"a_port_id": port.id})
        await self.add_levels((port, levels))

    async def add_levels(self, *bound: tuple[Port, Sequence[BindingLevel]]) -> None:
        """Insert the levels of new bindings."""
        rows = [
            {"port_id": port.id, "host": port.binding.host, **_level_values(level)}
            for port, levels in bound
            for level in levels
        ]
        if rows:
            await _ADD_LEVELS.run(self._connection, rows)

    async def levels(self, port_ids: Iterable[str]) -> dict[str, tuple[BindingLevel, ...]]:
        """Return the binding levels of each port, level 0 first; an unbound port is absent."""
        found: dict[str, tuple[BindingLevel, ...]] = {}
        for port_id, level, driver, segment_id in await _LEVELS.rows(self._connection, {"ids": [*port_ids]}):
            found[port_id] = (*found.get(port_id, ()), BindingLevel(level, driver, segment_id))
        return found

    async def ids_with_failed_binding(self, *, after: str, limit: int) -> Sequence[str]:
        """Return ids above *after*, in order, of live ports that no driver bound."""
        statement = (
            sa.select(table.c.id)
            .join(binding_table, binding_table.c.port_id == table.c.id)
            .where(binding_table.c.vif_type == BINDING_FAILED, self._live, table.c.id > after)
            .order_by(table.c.id)
            .limit(limit)
        )
        return (await self._connection.execute(statement)).scalars().all()

    async def uses_network(self, network_id: str, except_owners: Sequence[str] = ()) -> bool:
        """Return whether a live port, other than of *except_owners*, is on the network."""
        statement = (
            sa.select(table.c.id)
            .where(table.c.network_id == network_id, self._live, table.c.device_owner.not_in(except_owners))
            .limit(1)
        )
        return (await self._connection.execute(statement)).first() is not None

    async def uses_segment(self, segment_id: str) -> bool:
        """Return whether a port is bound to the segment."""
        statement = sa.select(level_table.c.port_id).where(level_table.c.segment_id == segment_id).limit(1)
        return (await self._connection.execute(statement)).first() is not None

    async def hold(self, ids: Iterable[str]) -> None:
        """Keep ports from being judged by anybody else until the commit.

        Comes before whatever may decide a status: two transactions that each
        see only their own half would both call the port DOWN.
        """
        await _HOLD.rows(self._connection, {"ids": [*ids]})

    async def set_wiring(self, reports: Sequence[WiringReport]) -> None:
        """Store what hosts report; a host that a port has left is not listened to."""
        await _SET_WIRING.run_many(self._connection, [_values_of(report) for report in reports])

    async def refresh_status(self, ids: Iterable[str], required_drivers: Sequence[str]) -> Sequence[str]:
        """Judge ports anew; return the ids of those whose status changed, which compute services are told.

        A port becomes ACTIVE if it is administratively up, bound, reported up by
        its host, and known to every required driver that has to know it; and
        DOWN when one of the first three is over. The caller holds the ports, see
        :meth:`hold`.
        """
        values = {"ids": [*ids], "required": [*required_drivers]}
        changed = [row[0] for row in await _REFRESH.rows(self._connection, values)]
        notices = NoticeTable(self._connection)
        if changed and notices.is_wanted:
            await notices.owe_turned((await self.list_with_deleted(changed)).values())
        return changed


def _binding_values(port: Port) -> dict[str, Any]:
    binding = port.binding
    return {"port_id": port.id, **{name: getattr(binding, name) for name in binding.__struct_fields__}}


def _values_of(report: WiringReport) -> dict[str, Any]:
    return {
        "a_port_id": report.port_id,
        "a_host": report.host,
        "a_wiring": report.wiring,
        "a_reason": report.reason,
        "an_only_if_not_up": report.only_if_not_up,
    }


def _level_values(level: BindingLevel) -> dict[str, Any]:
    return {"level": level.level, "driver": level.driver, "segment_id": level.segment_id}
