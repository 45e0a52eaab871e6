"""A cloud that is there already: networks, subnets, bound ports, and a ledger in which all is paid.

It is written straight into the tables, because a hundred thousand ports through the
API would take an hour. Where the core has a value for a row, the row is made of that,
so that a column which is added later is here too. Ports take turns among the networks
and fill one host after the other, and addresses are given in order, as the core does.
"""

import ipaddress
import random
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import sqlalchemy as sa
from jackfield_core import config
from jackfield_core.db import address, delivery, migrate, network, port, segment, subnet
from jackfield_core.db.base import now
from jackfield_core.types import AllocationPool, FixedIp, Kind
from sqlalchemy.dialects import postgresql

PORTS_ON_HOST = 100
PROJECTS = 20
_FIRST_POSITION = 2
"""Place in a subnet of the first port's address, behind the network's and the gateway's."""
_FIRST_VNI = 8_000_000
_FIRST_CIDR = ipaddress.IPv4Network("10.0.0.0/16")

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A network with its segment and its subnet, and what number it is."""

    number: int
    network_id: str
    segment_id: str
    subnet_id: str


class World:
    """So many *ports* on so many *networks*; the drivers *paid* have acknowledged all of it.

    *binder* is the driver that bound the ports, *ports_on_host* of them on each host.
    """

    def __init__(
        self,
        *,
        ports: int,
        networks: int = 200,
        binder: str = "fabric",
        paid: Sequence[str] = (),
        ports_on_host: int = PORTS_ON_HOST,
    ) -> None:
        self._ids = random.Random(ports)
        self._binder = binder
        self._ports_on_host = ports_on_host
        self._paid = paid
        self.homes = [
            Home(number=number, network_id=self._id(), segment_id=self._id(), subnet_id=self._id())
            for number in range(networks)
        ]
        self.port_ids = [self._id() for _ in range(ports)]

    async def fill(self, url: str) -> None:
        """Bring the database to the schema of this release, and write everything into it."""
        await migrate.upgrade(config.Database(url=url))
        if url.startswith("sqlite"):
            _insert(url, self._tables())
        else:
            await _copy(url, self._tables())

    def home(self, number: int) -> Home:
        """Return where the port *number* is."""
        return self.homes[number % len(self.homes)]

    def host(self, number: int) -> str:
        """Return the host of the port *number*."""
        return f"host-{number // self._ports_on_host:05}"

    def _tables(self) -> Iterator[tuple[sa.Table, list[Row]]]:
        """Yield the rows of each table, parents first."""
        ports = [
            _Port(number, id, self.home(number), self.host(number), _FIRST_POSITION + number // len(self.homes))
            for number, id in enumerate(self.port_ids)
        ]
        yield network.table, [_network(home) for home in self.homes]
        yield segment.table, [_segment(home) for home in self.homes]
        yield segment.allocation, [_allocation(home) for home in self.homes]
        yield subnet.table, [_subnet(home) for home in self.homes]
        yield port.table, [one.row() for one in ports]
        yield port.binding_table, [one.binding() for one in ports]
        yield port.level_table, [one.level(self._binder) for one in ports]
        yield address.table, [one.address() for one in ports]
        for driver in self._paid:
            yield delivery.table, [*self._ledger(driver)]

    def _ledger(self, driver: str) -> Iterator[Row]:
        for home in self.homes:
            yield _paid(driver, Kind.NETWORK, home.network_id, home)
            yield _paid(driver, Kind.SUBNET, home.subnet_id, home)
        for number, id in enumerate(self.port_ids):
            yield _paid(driver, Kind.PORT, id, self.home(number))

    def _id(self) -> str:
        return str(uuid.UUID(int=self._ids.getrandbits(128), version=4))


class _Port:
    """One bound port, as rows."""

    def __init__(self, number: int, id: str, home: Home, host: str, position: int) -> None:
        self._number = number
        self._id = id
        self._home = home
        self._host = host
        self._position = position
        self._ip_address = str(_cidr(home)[position])

    def row(self) -> Row:
        """Return the port."""
        number = self._number
        return {
            **_described(self._id, f"port-{number}", project=number),
            "network_id": self._home.network_id,
            "status": "ACTIVE",
            "mac_address": ":".join(("fa", "16", *(f"{byte:02x}" for byte in number.to_bytes(4, "big")))),
            "device_id": f"device-{number}",
            "device_owner": "compute:nova",
            "port_security_enabled": True,
            "fixed_ips": (FixedIp(self._home.subnet_id, self._ip_address),),
            "allowed_address_pairs": (),
            "extra_dhcp_opts": (),
        }

    def binding(self) -> Row:
        """Return its binding."""
        return {
            "port_id": self._id,
            "host": self._host,
            "vnic_type": "normal",
            "profile": {},
            "vif_type": "ovs",
            "vif_details": {"fabric": "fabric"},
            "wiring": "up",
            "wiring_reason": "",
            "failures": (),
        }

    def level(self, binder: str) -> Row:
        """Return the only level of its binding."""
        return {
            "port_id": self._id,
            "host": self._host,
            "level": 0,
            "driver": binder,
            "segment_id": self._home.segment_id,
        }

    def address(self) -> Row:
        """Return the address that it has."""
        return {
            "subnet_id": self._home.subnet_id,
            "ip_address": self._ip_address,
            "port_id": self._id,
            "position": self._position,
        }


def _network(home: Home) -> Row:
    return {
        **_described(home.network_id, f"network-{home.number}", project=home.number),
        "status": "ACTIVE",
        "mtu": 1450,
        "shared": False,
        "external": False,
        "port_security_enabled": True,
    }


def _segment(home: Home) -> Row:
    described = _described(home.segment_id, "", project=0)
    return {
        **{name: value for name, value in described.items() if name in segment.table.c},
        "network_id": home.network_id,
        "network_type": "vxlan",
        "physical_network": None,
        "segmentation_id": _FIRST_VNI + home.number,
        "is_dynamic": False,
        "position": 0,
    }


def _allocation(home: Home) -> Row:
    return {
        "network_type": "vxlan",
        "physical_network": "",
        "segmentation_id": _FIRST_VNI + home.number,
        "segment_id": home.segment_id,
    }


def _subnet(home: Home) -> Row:
    cidr = _cidr(home)
    described = _described(home.subnet_id, f"subnet-{home.number}", project=home.number)
    return {
        **{name: value for name, value in described.items() if name in subnet.table.c},
        "network_id": home.network_id,
        "ip_version": 4,
        "cidr": str(cidr),
        "gateway_ip": str(cidr[1]),
        "enable_dhcp": True,
        "ipv6_address_mode": None,
        "ipv6_ra_mode": None,
        "segment_id": None,
        "allocation_pools": (AllocationPool(str(cidr[_FIRST_POSITION]), str(cidr[-2])),),
        "dns_nameservers": (),
        "host_routes": (),
    }


def _cidr(home: Home) -> ipaddress.IPv4Network:
    """Return the addresses of a subnet, 65,536 of them."""
    first = _FIRST_CIDR.network_address + home.number * _FIRST_CIDR.num_addresses
    return ipaddress.IPv4Network((first, _FIRST_CIDR.prefixlen))


def _described(id: str, name: str, *, project: int) -> dict[str, Any]:
    """Return what resources have in common."""
    at = now()
    return {
        "id": id,
        "project_id": f"project-{project % PROJECTS}",
        "name": name,
        "description": "",
        "admin_state_up": True,
        "revision_number": 1,
        "created_at": at,
        "updated_at": at,
        "deleted_at": None,
    }


def _paid(driver: str, kind: Kind, id: str, home: Home) -> Row:
    return {
        "kind": kind.value,
        "resource_id": id,
        "driver": driver,
        "rank": delivery.RANK[kind],
        "network_id": home.network_id,
        "desired_revision": 1,
        "acknowledged_revision": 1,
        "tombstone": False,
        "owed": False,
        "due_at": now(),
        "claimed_revision": 1,
        **delivery.PAID,
        "orphan": False,
        "acknowledged_at": now(),
    }


def _insert(url: str, tables: Iterator[tuple[sa.Table, list[Row]]]) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for table, rows in tables:
            if rows:
                connection.execute(sa.insert(table), rows)
    engine.dispose()


async def _copy(url: str, tables: Iterator[tuple[sa.Table, list[Row]]]) -> None:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            for table, rows in tables:
                await _copy_table(connection, table, rows)
    finally:
        await connection.close()


async def _copy_table(connection: Any, table: sa.Table, rows: Sequence[Row]) -> None:
    if not rows:
        return
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    converts = {name: table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in rows[0]}
    records = [[convert(row[name]) if convert else row[name] for name, convert in converts.items()] for row in rows]
    await connection.copy_records_to_table(table.name, columns=[*converts], records=records)
