"""What compute services are owed: what became of the ports of their servers.

A notice is a row of the ledger under the name of a notifier. It says that
something happened and not what: whoever delivers it compares the VIF that the
compute service was told of last, which the row keeps as its state, with the one
that is true by then. A row begins with what was true before the first change,
because a compute service reads a port when it takes it. Its revision counts
what happened, since a status has no revision of its own.

Ports are judged in many places: by reports of hosts, acknowledgements of
drivers, requests of users. None of them knows of compute services. All of them
pass through the tables, so the names of the notifiers travel with the
connection of a transaction, and where there are none nothing is read or written.

No resource stays for the sake of a notice: addresses are free again whether or
not a compute service is there to be told. What has to be known of a deleted port
is kept in the row.
"""

import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.base import now
from jackfield_core.db.delivery import NOTICE_RANK, PAID, table
from jackfield_core.db.statement import Insert, Statement, among
from jackfield_core.types import Kind

STATE_VERSION = 1
"""Of a VIF as it is kept in the ledger."""


class Vif(Struct, frozen=True):
    """A port as a compute service knows it: the interface of a *server*, or, without one, of no interest to it.

    *activations* tells a port that is still up from one that went down and came
    up again. *perhaps* is what it may know instead, because a request that told
    so had no answer.
    """

    server: str = ""
    is_active: bool = False
    activations: int = 0
    mac_address: str = ""
    ip_addresses: tuple[str, ...] = ()
    perhaps: "tuple[Vif, ...]" = ()

    def before_it_turned(self) -> "Vif":
        """Return the VIF as it was before its status changed the last time."""
        return replace(self, is_active=not self.is_active, activations=self.activations - self.is_active)


NO_VIF = Vif()
COMPUTE_OWNERS = "compute:"
"""How the device owner of a port begins whose device is a server of a compute service."""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Vif).decode


def server_of(device_owner: str, device_id: str) -> str:
    """Return the UUID of the server that a device is, in canonical form; nothing if it is none."""
    if not device_owner.startswith(COMPUTE_OWNERS):
        return ""
    try:
        return str(uuid.UUID(device_id))
    except ValueError:
        return ""


def encode(vif: Vif) -> bytes:
    """Return *vif* as the ledger keeps it."""
    return _encode(vif)


def decode(data: bytes | None) -> Vif:
    """Return the VIF that the ledger keeps."""
    return NO_VIF if data is None else _decode(data)


class Notice(Struct, frozen=True):
    """Something happened to a port, of which *before* was true until then."""

    port_id: str
    network_id: str
    before: Vif


class PortWithVif(Protocol):
    """A port that knows its VIF."""

    @property
    def id(self) -> str: ...
    @property
    def network_id(self) -> str: ...
    @property
    def vif(self) -> Vif: ...


class Notifiers:
    """Who is told of VIFs; one for each database.

    *wake* is called after a commit that owes them something.
    """

    def __init__(self, names: Sequence[str] = ()) -> None:
        self.names = tuple(names)
        self.wake: Callable[[], None] = lambda: None

    def travel_with(self, connection: AsyncConnection) -> None:
        """Be found by everybody who has *connection*."""
        connection.info[_NOTIFIERS] = self

    def were_owed(self, connection: AsyncConnection) -> bool:
        """Return whether anything was owed to them through *connection* since this was asked last."""
        return bool(self.names) and connection.info.pop(_OWED, False)


_NOTIFIERS = "jackfield.notifiers"
_OWED = "jackfield.notices_owed"
_NOBODY = Notifiers()


class NoticeTable:
    """Notices, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self._notifiers: Notifiers = connection.info.get(_NOTIFIERS, _NOBODY)

    @property
    def is_wanted(self) -> bool:
        """True if anybody is told of VIFs."""
        return bool(self._notifiers.names)

    async def owe(self, notices: Sequence[Notice]) -> None:
        """Note that something happened to VIFs; of several notices of one port the first counts."""
        at = now()
        first = {notice.port_id: notice for notice in reversed(notices)}
        rows = [_new_row(name, notice, at) for name in self._notifiers.names for notice in first.values()]
        if rows:
            await _OWE.run(self._connection, rows)
            self._connection.info[_OWED] = True

    async def owe_turned(self, ports: Iterable[PortWithVif]) -> None:
        """Note that the status of *ports* has changed; those of no server are nobody's business."""
        vifs = [(port, port.vif) for port in ports]
        await self.owe([Notice(port.id, port.network_id, vif.before_it_turned()) for port, vif in vifs if vif.server])

    async def bury(self, port_id: str, network_id: str, last: Vif) -> None:
        """Note that a port is gone, of which *last* was true until then.

        Nobody is owed the end of what no compute service ever had.
        """
        at = now()
        if last.server:
            notice = Notice(port_id, network_id, NO_VIF)
            end = {"tombstone": True, "original": encode(last)}
            rows = [{**_new_row(name, notice, at), **end} for name in self._notifiers.names]
            await _BURY.run(self._connection, rows)
        else:
            values = {"a_port_id": port_id, "names": [*self._notifiers.names], "at": at}
            await _BURY_KNOWN.run(self._connection, values)
        self._connection.info[_OWED] = True


def _new_row(name: str, notice: Notice, at: Any) -> dict[str, Any]:
    return {
        "kind": Kind.PORT,
        "resource_id": notice.port_id,
        "driver": name,
        "rank": NOTICE_RANK,
        "network_id": notice.network_id,
        "desired_revision": 1,
        "tombstone": False,
        "owed": True,
        "owed_since": at,
        "original": None,
        "state_version": STATE_VERSION,
        "state": encode(notice.before),
        "due_at": at,
        **PAID,
    }


_COLUMNS = (
    *("kind", "resource_id", "driver", "rank", "network_id", "desired_revision", "tombstone", "owed", "owed_since"),
    *("original", "state_version", "state", "due_at", "attempts", "disposition", "reason", "message"),
)


def _upsert(insert: Any, *more: str) -> Any:
    new = insert.excluded
    # What was told of last stays, whatever happens.
    return insert.on_conflict_do_update(
        index_elements=["kind", "resource_id", "driver"],
        set_={
            "desired_revision": table.c.desired_revision + 1,
            "owed": True,
            "owed_since": sa.case((table.c.owed, table.c.owed_since), else_=new.owed_since),
            "due_at": new.due_at,
            **{name: new[name] for name in more},
            **PAID,
        },
    )


_OWE = Insert(table, _upsert, columns=_COLUMNS)
_BURY = Insert(table, lambda insert: _upsert(insert, "tombstone", "original"), columns=_COLUMNS)
_at = sa.bindparam("at", type_=sa.DateTime)
_BURY_KNOWN = Statement(
    lambda dialect: (
        sa.update(table)
        .where(
            table.c.kind == Kind.PORT.value,
            table.c.resource_id == sa.bindparam("a_port_id"),
            among(table.c.driver, "names", dialect),
        )
        .values(
            desired_revision=table.c.desired_revision + 1,
            tombstone=True,
            original=sa.null(),
            owed=True,
            owed_since=sa.case((table.c.owed, table.c.owed_since), else_=_at),
            due_at=_at,
            **PAID,
        )
    )
)
