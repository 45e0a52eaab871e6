"""A cloud without hosts: services over a ledger, and drivers of which a test says when they have heard."""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from jackfield_core import config
from jackfield_core.binding.binder import Binder
from jackfield_core.context import RequestContext
from jackfield_core.db import address, delivery, leaving, port, segment
from jackfield_core.db.base import now
from jackfield_core.db.claim import Failure
from jackfield_core.db.engine import Database
from jackfield_core.db.forgetting import force_forget
from jackfield_core.db.port import Port
from jackfield_core.db.unit_of_work import Tables, UnitOfWork
from jackfield_core.dispatch.backoff import Backoff
from jackfield_core.dispatch.settlement import settle
from jackfield_core.ipam.allocator import Allocator
from jackfield_core.mechanism.answers import PLAINLY_DONE
from jackfield_core.mechanism.loading import Item
from jackfield_core.mechanism.manager import MechanismManager
from jackfield_core.mechanism.registry import Registry
from jackfield_core.segments.manager import SegmentManager
from jackfield_core.services.network import NetworkService
from jackfield_core.services.port import PortService
from jackfield_core.services.port_binding import PortBindingService
from jackfield_core.services.segment import SegmentService
from jackfield_core.services.spec import NetworkCreate, PortCreate, PortUpdate, SegmentCreate, SubnetCreate
from jackfield_core.services.subnet import SubnetService
from jackfield_core.services.trees import NetworkTrees
from jackfield_core.types import FixedIpRequest, Kind, SegmentSpec
from msgspec import UNSET

CTX = RequestContext(project_id="project")
CIDR = "192.0.2.0/28"
DAY = 86400.0
MAC = "fa:16:3e:00:00:0{}"


class Cloud:
    """Services over a ledger, and what drivers say to it."""

    def __init__(
        self, database: Database, work: UnitOfWork, settings: config.Settings, binder: Binder | None = None
    ) -> None:
        """Build services; without a *binder* nobody binds ports."""
        registry = Registry(settings)
        mechanism = MechanismManager(registry, settings.mechanism)
        segments = SegmentManager(settings.segments)
        trees = NetworkTrees(work)
        self.database = database
        self.work = work
        self.settings = settings
        self.required: Sequence[str] = ()
        """Drivers that count for the status of a port."""
        self.networks = NetworkService(work, segments, mechanism)
        self.segments = SegmentService(work, segments, mechanism)
        self.subnets = SubnetService(work, mechanism)
        binder = binder or Binder(registry, mechanism, segments, work, settings)
        self.ports = PortService(work, trees, Allocator(), binder, mechanism, base_mac=settings.base_mac)
        self.bindings = PortBindingService(work, self.ports, trees, binder, mechanism)

    async def network(self) -> str:
        return (await self.networks.create(CTX, NetworkCreate(project_id="project"))).network.id

    async def subnet(self, network_id: str, cidr: str = CIDR, **values: Any) -> str:
        spec = SubnetCreate(network_id=network_id, project_id="project", ip_version=4, cidr=cidr, **values)
        return (await self.subnets.create(CTX, spec)).id

    async def port(self, network_id: str, ip_address: str | None, mac_address: str) -> Port:
        """Create a port with this address, with none if it is empty, or with what the network gives it."""
        fixed_ips = (FixedIpRequest(ip_address=ip_address),) if ip_address else UNSET if ip_address is None else ()
        return await self.ports.create(
            CTX,
            PortCreate(network_id=network_id, project_id="project", mac_address=mac_address, fixed_ips=fixed_ips),
        )

    async def readdress(self, id: str, ip_address: str) -> None:
        fixed_ips = (FixedIpRequest(ip_address=ip_address),) if ip_address else ()
        await self.ports.update(CTX, id, PortUpdate(fixed_ips=fixed_ips))

    async def segment(self, network_id: str, vlan: int) -> str:
        spec = SegmentCreate(network_id=network_id, spec=SegmentSpec("vlan", "leaf1", vlan))
        return (await self.segments.create(CTX, spec)).id

    async def owed(self, driver: str) -> set[str]:
        """Return the ids of what a driver is owed."""
        async with self.database.reading() as connection:
            return {debt.resource_id for debt in await Tables(connection).deliveries.list(driver=driver)}

    async def pay(self, driver: str, limit: int = 1000) -> list[str]:
        """Have a driver acknowledge all that it is owed, in batches of *limit*; return the ids in order."""
        told: list[str] = []
        while batch := await self._pay(driver, limit):
            told += batch
        return told

    async def _pay(self, driver: str, limit: int) -> list[str]:
        name = str(uuid.uuid4())
        async with self.database.writing() as connection:
            due = await Tables(connection).claims.claim(
                driver, name=name, limit=limit, lease=60, earlier=(), later=(), hold=0
            )
        items = [Item(debt, None) for debt in due]
        outcomes = {debt.resource_id: PLAINLY_DONE for debt in due}
        async with self.database.writing() as connection:
            backoff = Backoff(self.settings.dispatcher)
            settled = await settle(Tables(connection), driver, name, items, outcomes, self.required, (), backoff)
        assert settled.refused == 0, "an outcome was refused"
        return [debt.resource_id for debt in due]

    async def refuse(self, driver: str, kind: Kind) -> None:
        """Have a driver refuse what it is owed of a kind; it is not told that again before tomorrow."""
        name = str(uuid.uuid4())
        async with self.database.writing() as connection:
            claims = Tables(connection).claims
            due = await claims.claim(driver, name=name, limit=1000, lease=60, earlier=(), later=(), hold=0)
            failures = [Failure(debt.resource_id, DAY, "infeasible") for debt in due if debt.kind == kind]
            await claims.postpone(name, failures)
            await claims.release(name)

    async def put_off(self, kind: Kind, seconds: float = DAY) -> None:
        """Let what drivers are owed of a kind be due in so many seconds."""
        due_at = now() + timedelta(seconds=seconds)
        async with self.database.writing() as connection:
            debts = delivery.table
            await connection.execute(sa.update(debts).where(debts.c.kind == kind, debts.c.owed).values(due_at=due_at))

    async def forget(self, driver: str) -> None:
        async with self.work() as tx:
            await force_forget(tx, driver, required=())

    async def held(self, network_id: str) -> set[str]:
        """Return all that is in use: addresses and MAC addresses of the network, and VLANs."""
        statements = (
            sa.select(address.table.c.ip_address),
            sa.select(port.table.c.mac_address),
            sa.select(leaving.table.c.thing).where(leaving.table.c.kind == Kind.PORT, leaving.table.c.subnet_id == ""),
            sa.select(sa.cast(segment.allocation.c.segmentation_id, sa.Text)).where(
                segment.allocation.c.network_type == "vlan"
            ),
        )
        async with self.database.reading() as connection:
            return {thing for one in statements for (thing,) in await connection.execute(one)}

    async def count(self, table: sa.Table) -> int:
        async with self.database.reading() as connection:
            return (await connection.execute(sa.select(sa.func.count()).select_from(table))).scalar_one()
