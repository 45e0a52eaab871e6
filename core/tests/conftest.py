"""What the core's tests share: a fresh database of each kind, and rows to put into it.

The schema is made once per session and kind, by the migrations; every test
gets a copy of its own, or of PostgreSQL one that is as good as new.
"""

import asyncio
import contextlib
import itertools
import shutil
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
from jackfield_core import config
from jackfield_core.db import migrate
from jackfield_core.db.base import now
from jackfield_core.db.engine import Database
from jackfield_core.db.network import Network
from jackfield_core.db.port import Binding, Port
from jackfield_core.db.segment import Segment
from jackfield_core.db.statement import driver_connection
from jackfield_core.db.subnet import Subnet
from jackfield_core.db.tree import NetworkTree
from jackfield_core.db.unit_of_work import Transaction, UnitOfWork
from jackfield_core.ipam import pools
from jackfield_core.types import Action, Kind, Status
from msgspec.structs import replace
from psycopg import sql
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection
from support.postgres import PostgresServer, postgres
from support.races import lost_races
from support.stock import Stock

__all__ = ["postgres"]

KINDS = ("sqlite", "postgresql")

# A machine that is busy with something else makes no property false.
hypothesis.settings.register_profile("jackfield", deadline=None)
hypothesis.settings.load_profile("jackfield")


class Creditors:
    """Drivers that are owed everything, in order; a test names them."""

    def __init__(self) -> None:
        self.drivers: Sequence[str] = ()

    def owed(self, _kind: Kind, _action: Action) -> Sequence[str]:
        """Return the drivers."""
        return self.drivers

    def declined(self, _kind: Kind, _action: Action) -> Sequence[str]:
        """Return nobody: these drivers hear of everything."""
        return ()

    def interested(self, _kind: Kind, _action: Action) -> Sequence[object]:
        """Return nobody: these drivers never judge."""
        return ()

    def required(self) -> Sequence[str]:
        """Return the drivers."""
        return self.drivers

    def attributed(self) -> Sequence[Kind]:
        """Return no kind: these drivers have no attributes."""
        return ()


class Rows:
    """Makes values of rows, complete but for what a test cares about."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def network(self, **columns: Any) -> Network:
        """Return a network."""
        number, at = next(self._numbers), now()
        network = Network(
            id=str(uuid.uuid4()),
            project_id="project",
            name=f"net{number}",
            description="",
            admin_state_up=True,
            status=Status.ACTIVE,
            mtu=1450,
            shared=False,
            external=False,
            port_security_enabled=True,
            revision_number=1,
            created_at=at,
            updated_at=at,
        )
        return replace(network, **columns)

    def segment(self, network: Network, **columns: Any) -> Segment:
        """Return a VXLAN segment of *network*."""
        at = now()
        segment = Segment(
            id=str(uuid.uuid4()),
            network_id=network.id,
            network_type="vxlan",
            physical_network=None,
            segmentation_id=next(self._numbers),
            name="",
            description="",
            is_dynamic=False,
            position=0,
            revision_number=1,
            created_at=at,
            updated_at=at,
        )
        return replace(segment, **columns)

    def subnet(self, network: Network, cidr: str = "192.0.2.0/24", **columns: Any) -> Subnet:
        """Return a subnet of *network* with the pools that its CIDR and gateway leave."""
        at = now()
        gateway_ip = columns.get("gateway_ip", pools.default_gateway(cidr))
        subnet = Subnet(
            id=str(uuid.uuid4()),
            network_id=network.id,
            project_id="project",
            name="",
            description="",
            ip_version=pools.parsed(cidr).version,
            cidr=cidr,
            gateway_ip=gateway_ip,
            enable_dhcp=True,
            ipv6_address_mode=None,
            ipv6_ra_mode=None,
            segment_id=None,
            allocation_pools=pools.default_pools(cidr, gateway_ip),
            dns_nameservers=(),
            host_routes=(),
            revision_number=1,
            created_at=at,
            updated_at=at,
        )
        return replace(subnet, **columns)

    def port(self, network: Network, **columns: Any) -> Port:
        """Return an unbound port of *network*."""
        number, at = next(self._numbers), now()
        port = Port(
            id=str(uuid.uuid4()),
            network_id=network.id,
            project_id="project",
            name=f"port{number}",
            description="",
            admin_state_up=True,
            status=Status.DOWN,
            mac_address=f"fa:16:3e:{number >> 16:02x}:{number >> 8 & 255:02x}:{number & 255:02x}",
            device_id="",
            device_owner="",
            port_security_enabled=True,
            fixed_ips=(),
            allowed_address_pairs=(),
            extra_dhcp_opts=(),
            revision_number=1,
            created_at=at,
            updated_at=at,
            binding=Binding(),
        )
        return replace(port, **columns)

    async def tree(self, tx: Transaction, *cidrs: str) -> NetworkTree:
        """Insert a network with a subnet for each of *cidrs*."""
        network = self.network()
        await tx.networks.add(network)
        subnets = tuple(self.subnet(network, cidr) for cidr in cidrs)
        if subnets:
            await tx.subnets.add(*subnets)
        return NetworkTree(network, (), subnets)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a migrated file once."""
    path = tmp_path_factory.mktemp("template") / "migrated.sqlite"
    asyncio.run(migrate.upgrade(config.Database(url=f"sqlite:///{path}")))
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: PostgresServer) -> Any:
    """Make a migrated PostgreSQL database once."""
    database = postgres.create_database()
    asyncio.run(migrate.upgrade(config.Database(url=database.url)))
    return database


@pytest.fixture(scope="session")
def postgres_stock(postgres: PostgresServer, postgres_template: Any) -> Stock:
    """Keep migrated PostgreSQL databases that tests use one after the other."""
    return Stock(postgres, postgres_template)


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give an empty, migrated database to one test, once of each kind."""
    if request.param == "sqlite":
        path = tmp_path / "core.sqlite"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    stock: Stock = request.getfixturevalue("postgres_stock")
    # Who looks at plans wants pages that nobody has written to.
    database = stock.fresh() if request.node.get_closest_marker("planner") else stock.take()
    yield database.url
    stock.give_back(database)


@pytest.fixture(params=KINDS)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Give a database without any table to one test, once of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.sqlite'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    database = server.create_database()
    yield database.url
    server.drop_database(database)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """Open a migrated database."""
    database = Database(config.Database(url=database_url))
    yield database
    await database.close()


@pytest.fixture
def creditors() -> Creditors:
    """Owe nobody anything until a test names drivers."""
    return Creditors()


@pytest.fixture
def wakings() -> list[Collection[str]]:
    """Note who was woken: for each time the drivers that are owed something."""
    return []


@pytest.fixture
def unit_of_work(database: Database, creditors: Creditors, wakings: list[Collection[str]]) -> UnitOfWork:
    """Open transactions on a fresh database."""
    return UnitOfWork(
        database,
        creditors,
        lambda change: f"{change.kind} {change.original.revision_number if change.original else 0}".encode(),
        wakings.append,
    )


@pytest.fixture
def rows() -> Rows:
    """Make values of rows."""
    return Rows()


@pytest.fixture
def statements(database: Database) -> Callable[[AsyncConnection], Any]:
    """Collect what is sent to PostgreSQL over a connection inside of an ``async with`` block."""
    if not database.is_postgresql:
        pytest.skip("counts round trips, and SQLite has none")

    @contextlib.asynccontextmanager
    async def collect(connection: AsyncConnection) -> AsyncIterator[list[str]]:
        seen: list[str] = []

        def note(record: Any) -> None:
            seen.append(record.query)

        driver = driver_connection(connection)
        driver.add_query_logger(note)
        yield seen
        await asyncio.sleep(0)  # asyncpg reports in the next turn of the loop
        driver.remove_query_logger(note)

    return collect


@pytest.fixture
def outage(database: Database, database_url: str) -> Callable[[], contextlib.AbstractContextManager[None]]:
    """Take the database away: connections are ended and new ones refused."""
    if not database.is_postgresql:
        pytest.skip("a file is not away")
    url = make_url(database_url)
    name = sql.Identifier(url.database or "")

    @contextlib.contextmanager
    def away() -> Iterator[None]:
        with psycopg.connect(
            host=str(url.query["host"]), user=url.username, dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [url.database]
            )
            try:
                yield
            finally:
                connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(name))

    return away


@pytest.fixture
def losing(database: Database, database_url: str) -> Callable[[int], Any]:
    """Have whoever owes something again lose the race against others, so many times."""
    if not database.is_postgresql:
        pytest.skip("one transaction waits for the other")
    return lambda times: lost_races(database_url, times)
