"""The unit of work: one transaction, and the debts that it creates.

A service opens a unit of work, changes rows through its tables, and records
what it changed. Leaving the block writes the ledger (what each interested
driver is owed from now on) and the change feed (which hosts have to look), and
commits all of it at once. Raising leaves nothing behind. After the commit
everybody who waits for work is woken, without being told why. Of the drivers'
lanes only those are woken that are owed something: a look at the ledger costs a
transaction, and a driver that does not take part is to cost nothing.
"""

import contextlib
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from msgspec import Struct
from sqlalchemy.ext.asyncio import AsyncConnection

from jackfield_core.db.address import AddressTable
from jackfield_core.db.agent import AgentTable
from jackfield_core.db.attribute_schema import AttributeSchemaTable
from jackfield_core.db.claim import ClaimTable
from jackfield_core.db.delivery import DeliveryTable, Entry
from jackfield_core.db.driver import DriverTable
from jackfield_core.db.driver_audit import DriverAuditTable
from jackfield_core.db.ending import EndTable
from jackfield_core.db.engine import Database
from jackfield_core.db.fault import FaultTable
from jackfield_core.db.feed import FeedTable
from jackfield_core.db.inactive_binding import InactiveBindingTable
from jackfield_core.db.leaving import LeavingTable
from jackfield_core.db.network import Network, NetworkTable
from jackfield_core.db.notice import Notice, NoticeTable
from jackfield_core.db.operator_action import OperatorActionTable
from jackfield_core.db.port import Port, PortTable
from jackfield_core.db.resource import ResourceTable
from jackfield_core.db.segment import SegmentTable
from jackfield_core.db.subnet import Subnet, SubnetTable
from jackfield_core.db.tree import NetworkTree
from jackfield_core.db.vendor_attribute import NO_VALUES, NOTHING, Values, VendorAttributeTable
from jackfield_core.types import Action, BindingLevel, Kind, Status, Wiring

Resource = Network | Subnet | Port
States = Mapping[str, tuple[int, bytes]]
"""Driver states: version and data, by driver."""
NO_STATES: States = MappingProxyType({})


class Change(Struct):
    """What happened to one resource, with all that a driver may have to know about it."""

    kind: Kind
    action: Action
    current: Resource
    original: Resource | None
    tree: NetworkTree
    """The network of the resource, as it is with this change."""
    original_tree: NetworkTree | None = None
    """The network before this change; only for changes of a network."""
    levels: Sequence[BindingLevel] = ()
    original_levels: Sequence[BindingLevel] = ()
    states: States = NO_STATES
    """Driver states that precommit asked to keep."""
    attributes: Values = NO_VALUES
    """Vendor attributes as they were before."""
    new_attributes: Values = NO_VALUES
    """Vendor attributes that this change writes: the user's, and those that precommit asked to set."""

    def __repr__(self) -> str:
        # States and attributes may be secrets, and a repr ends in a log sooner or later.
        return f"<{self.action} of {self.kind} {self.current.id}>"

    def attributes_of(self, driver: str, names: Iterable[str]) -> dict[str, bytes]:
        """Return the attributes of one driver as they are with this change: JSON by name, for those of *names*."""
        values = {**self.attributes, **self.new_attributes}
        found = {name: values.get((driver, name), NOTHING) for name in names}
        return {name: value for name, value in found.items() if value != NOTHING}


class Creditors(Protocol):
    """Who has to be told of what; the registry of drivers is one."""

    def owed(self, kind: Kind, action: Action) -> Sequence[str]:
        """Return the drivers that want to hear of this after the commit, in order."""

    def declined(self, kind: Kind, action: Action) -> Sequence[str]:
        """Return the drivers, whoever calls them, that do not want to hear of this after the commit."""

    def interested(self, kind: Kind, action: Action) -> Sequence[object]:
        """Return the drivers that judge this before the commit."""

    def required(self) -> Sequence[str]:
        """Return the drivers whose acknowledgement a port needs to be ACTIVE."""

    def attributed(self) -> Collection[Kind]:
        """Return the kinds of which resources may have vendor attributes."""


EncodeOriginal = Callable[[Change], bytes]
"""Encodes the state before a change the way drivers will get it as ``original``."""
Wake = Callable[[Collection[str]], None]
"""Called after a commit that owes drivers something, or that hosts have to look at; with those drivers."""


class Tables:
    """All tables, seen through one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self.connection = connection
        self.networks = NetworkTable(connection)
        self.segments = SegmentTable(connection)
        self.subnets = SubnetTable(connection)
        self.ports = PortTable(connection)
        self.inactive_bindings = InactiveBindingTable(connection)
        self.addresses = AddressTable(connection)
        self.leaving = LeavingTable(connection)
        self.agents = AgentTable(connection)
        self.drivers = DriverTable(connection)
        self.attribute_schemas = AttributeSchemaTable(connection)
        self.vendor_attributes = VendorAttributeTable(connection)
        self.deliveries = DeliveryTable(connection)
        self.claims = ClaimTable(connection)
        self.audits = DriverAuditTable(connection)
        self.operator_actions = OperatorActionTable(connection)
        self.feed = FeedTable(connection)


class Transaction(Tables):
    """An open transaction."""

    def __init__(self, connection: AsyncConnection, creditors: Creditors, encode_original: EncodeOriginal) -> None:
        super().__init__(connection)
        self._creditors = creditors
        self._encode_original = encode_original
        self._touched: dict[tuple[str, str], None] = {}
        self._held: set[str] = set()
        self.changes: list[Change] = []
        self.owed: set[str] = set()
        """Drivers that are owed something by this transaction."""

    @property
    def is_announced(self) -> bool:
        """True if hosts have to look."""
        return bool(self._touched)

    def record(self, *changes: Change) -> Sequence[Change]:
        """Note changes for the ledger and the hosts; return them."""
        self.changes.extend(changes)
        for change in changes:
            hosts = _hosts(change)
            # A port that is on no host, and was on none, is of no concern to those that carry its network.
            if hosts or change.kind is not Kind.PORT:
                self.touch(change.tree.network.id, *hosts)
        return changes

    def touch(self, network_id: str, *hosts: str) -> None:
        """Announce that a network changed, on *hosts* if there are any."""
        for host in hosts or ("",):
            self._touched[network_id, host] = None

    async def expect_end(self, kind: Kind, network_id: str) -> None:
        """Hold the network of a resource that is to be deleted, if that alone may free what waited for it.

        Comes before the resource itself is held. Two that end at the same moment
        would each see the other, and leave to it what is to be freed.
        """
        if self._creditors.declined(kind, Action.DELETE) or not self._creditors.owed(kind, Action.DELETE):
            await self._hold(network_id)

    async def recall(self, change: Change) -> Change:
        """Return *change* with what drivers asked to keep for its resource, if any of them will judge it."""
        kind, id = change.kind, change.current.id
        if self._creditors.interested(kind, change.action):
            change.states = await self.deliveries.states(kind, id)
            if kind in self._creditors.attributed():
                change.attributes = (await self.vendor_attributes.list(kind, [id])).get(id, NO_VALUES)
        return change

    async def finish(self) -> None:
        """Write the ledger and the feed; the last thing before the commit."""
        new: list[Entry] = []
        changed: list[Entry] = []
        for change in self.changes:
            drivers = self._creditors.owed(change.kind, change.action)
            self.owed.update(drivers)
            if change.action is Action.DELETE:
                await self._bury(change)
            elif change.action is Action.CREATE:
                new.extend(_entry(change, driver, None) for driver in drivers)
            elif drivers:
                original = self._encode_original(change)
                changed.extend(_entry(change, driver, original) for driver in drivers)
        if new:
            await self.deliveries.record_new(new)
        if changed:
            await self.deliveries.record(changed)
        if written := _written(self.changes):
            await self.vendor_attributes.save(written)
        await self._notice()
        if self.leaving.noted:
            await self._free()
        if self._touched:
            await self.feed.add(self._touched)
        if waiting := [change.current.id for change in self.changes if _may_turn_active(change)]:
            await self.ports.refresh_status(waiting, self._creditors.required())
        for kind, ids in _in_error(self.changes).items():
            await FaultTable(self.connection, self._creditors.required()).refresh(kind, ids)

    async def _notice(self) -> None:
        """Owe compute services what they do not know of their ports any more."""
        notices = NoticeTable(self.connection)
        if not notices.is_wanted:
            return
        await notices.owe([notice for change in self.changes if (notice := _notice(change))])
        for change in self.changes:
            if isinstance(port := change.current, Port) and change.action is Action.DELETE:
                await notices.bury(port.id, port.network_id, port.vif)

    async def _free(self) -> None:
        """Free what was let go of in this transaction and concerns nobody."""
        self.owed.update(await self.leaving.tell_again())
        ends = EndTable(self.connection, self._creditors.attributed())
        if networks := await ends.settle_updates(self.leaving.noted):
            await ends.purge(networks, ())

    async def _bury(self, change: Change) -> None:
        """Remove a resource for good, or hide it until its last driver has let go."""
        table = self._table(change.kind)
        id = change.current.id
        declined = self._creditors.declined(change.kind, change.action)
        if declined:
            # Something on the network may have waited for those who will not hear.
            await self._hold(change.tree.network.id)
            self.leaving.noted.add(change.tree.network.id)
        if await self.deliveries.bury(change.kind, id, change.current.revision_number + 1, declined):
            await table.mark_deleted(id)
        elif change.kind is Kind.PORT:
            await self._hold(change.tree.network.id)
            await table.purge([id])
            if await self.leaving.drop([id]):
                # A deleted subnet may have waited for an address that the port let go of.
                await EndTable(self.connection, self._creditors.attributed()).purge([change.tree.network.id], ())
            if change.kind in self._creditors.attributed():
                await self.vendor_attributes.purge(change.kind, [id])
        else:
            # A driver may still be owed the end of a port that stands on it; then it goes with that port.
            await table.mark_deleted(id)
            await EndTable(self.connection, self._creditors.attributed()).purge([change.tree.network.id], ())

    async def _hold(self, network_id: str) -> None:
        """Keep everybody else from settling ends on a network until the commit."""
        if network_id not in self._held:
            self._held.add(network_id)
            await EndTable(self.connection, ()).hold([network_id])

    def _table(self, kind: Kind) -> ResourceTable[Network] | ResourceTable[Subnet] | ResourceTable[Port]:
        return {Kind.NETWORK: self.networks, Kind.SUBNET: self.subnets, Kind.PORT: self.ports}[kind]  # type: ignore[return-value]


class UnitOfWork:
    """Opens transactions; one for the whole process."""

    def __init__(self, database: Database, creditors: Creditors, encode_original: EncodeOriginal, wake: Wake) -> None:
        self.dialect = database.dialect
        self._database = database
        self._creditors = creditors
        self._encode_original = encode_original
        self._wake = wake

    @contextlib.asynccontextmanager
    async def __call__(self) -> AsyncIterator[Transaction]:
        """Open a transaction; the block commits with its debts, or not at all."""
        async with self._database.writing() as connection:
            tx = Transaction(connection, self._creditors, self._encode_original)
            yield tx
            await tx.finish()
        if tx.owed or tx.is_announced:
            self._wake(tx.owed)

    @contextlib.asynccontextmanager
    async def reading(self) -> AsyncIterator[Tables]:
        """Open all tables for single reads."""
        async with self._database.reading() as connection:
            yield Tables(connection)


def _written(changes: Sequence[Change]) -> dict[tuple[Kind, str], Values]:
    """Return the vendor attributes to write; what goes away gets none any more."""
    return {
        (change.kind, change.current.id): change.new_attributes
        for change in changes
        if change.new_attributes and change.action is not Action.DELETE
    }


def _may_turn_active(change: Change) -> bool:
    """Return whether a port waits for nothing on its host, so that no report will raise it."""
    port = change.current
    return (
        isinstance(port, Port)
        and change.action is not Action.DELETE
        and port.binding.wiring == Wiring.UP
        and port.status != Status.ACTIVE
    )


def _in_error(changes: Sequence[Change]) -> dict[Kind, list[str]]:
    """Return what a change may have cured, by kind: whoever refused it is asked again."""
    found: dict[Kind, list[str]] = {}
    for change in changes:
        if not isinstance(change.current, Subnet) and change.current.status == Status.ERROR:
            found.setdefault(change.kind, []).append(change.current.id)
    return found


def _entry(change: Change, driver: str, original: bytes | None) -> Entry:
    version, data = change.states.get(driver, (None, None))
    return Entry(
        kind=change.kind,
        resource_id=change.current.id,
        network_id=change.tree.network.id,
        driver=driver,
        revision=change.current.revision_number,
        original=original,
        state_version=version,
        state=data,
    )


def _notice(change: Change) -> Notice | None:
    """Return what happened to the port of a server, or to one that was of a server before."""
    current, original = change.current, change.original
    if change.action is Action.DELETE or not isinstance(current, Port) or not isinstance(original, Port):
        return None
    return None if current.vif == original.vif else Notice(current.id, current.network_id, original.vif)


def _hosts(change: Change) -> set[str]:
    """Return the hosts that a port comes to or leaves."""
    ports = [port for port in (change.current, change.original) if isinstance(port, Port)]
    return {port.binding.host for port in ports if port.binding.host}
