"""The rows of a database, and of the files of fabrics and hosts, read by nothing but SQL.

Nothing here knows the code of the core or of the SDK: who is to be judged does not hold the pen.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg

Row = dict[str, Any]

_TABLES = {
    "network": ("id", "name", "project_id", "admin_state_up", "shared", "external", "mtu", "status", "revision_number"),
    "subnet": (
        *("id", "network_id", "name", "cidr", "ip_version", "gateway_ip", "enable_dhcp", "allocation_pools"),
        *("dns_nameservers", "host_routes", "ipv6_address_mode", "ipv6_ra_mode", "revision_number"),
    ),
    "port": (
        *("id", "network_id", "name", "admin_state_up", "status", "mac_address", "device_id", "device_owner"),
        *("fixed_ips", "revision_number"),
    ),
    "port_binding": ("port_id", "host", "vnic_type", "vif_type", "wiring"),
    "binding_level": ("port_id", "host", "level", "driver", "segment_id"),
    "segment": ("id", "network_id", "network_type", "physical_network", "segmentation_id", "is_dynamic", "position"),
    "segment_allocation": ("network_type", "physical_network", "segmentation_id", "segment_id"),
    "vendor_attribute": ("resource_id", "driver", "name", "value"),
    "ip_allocation": ("subnet_id", "ip_address", "port_id"),
}
_JSON = {"allocation_pools", "dns_nameservers", "host_routes", "fixed_ips"}
_FLAGS = {"admin_state_up", "shared", "external", "enable_dhcp", "is_dynamic"}


class Rows:
    """What the database holds at one moment, by table."""

    def __init__(self, url: str) -> None:
        with _snapshot(url) as query:
            tables = {name: _read(query, name, columns) for name, columns in _TABLES.items()}
        self.networks = {row["id"]: row for row in tables["network"]}
        self.subnets = {row["id"]: row for row in tables["subnet"]}
        self.ports = {row["id"]: row for row in tables["port"]}
        self.bindings = {row["port_id"]: row for row in tables["port_binding"]}
        self.levels = _by(tables["binding_level"], "port_id", "level")
        self.segments = _by(tables["segment"], "network_id", "position")
        self.segment_allocations = tables["segment_allocation"]
        self.ip_allocations = tables["ip_allocation"]
        self.attributes = {
            (row["resource_id"], row["driver"], row["name"]): json.loads(row["value"])
            for row in tables["vendor_attribute"]
        }

    def of_kind(self, kind: str) -> dict[str, Row]:
        """Return the resources of a kind by id."""
        return {"network": self.networks, "subnet": self.subnets, "port": self.ports}[kind]


def held(path: Path) -> dict[tuple[str, str], tuple[int, Row]]:
    """Return what a fabric holds: (kind, id) to revision and value, with its attributes."""
    rows = _sqlite(path, "SELECT kind, id, revision, value, attributes FROM held WHERE value IS NOT NULL")
    return {
        (kind, id): (revision, {**json.loads(value), "attributes": json.loads(attributes)})
        for kind, id, revision, value, attributes in rows
    }


def applied(path: Path) -> list[tuple[str, str, int, str]]:
    """Return what was ever done to a fabric, in order: kind, id, revision, action."""
    return _sqlite(path, "SELECT kind, id, revision, action FROM applied ORDER BY number")


def views(path: Path) -> dict[tuple[str, str], Row]:
    """Return what a host carries: (kind, id) to content."""
    rows = _sqlite(path, "SELECT kind, id, content FROM view")
    return {(kind, id): json.loads(content) for kind, id, content in rows}


def told(path: Path) -> list[tuple[str, str, str]]:
    """Return what a compute service was ever told, in order: event, server, port."""
    return _sqlite(path, "SELECT name, server, tag FROM told ORDER BY number")


def dump(url: str, folder: Path) -> None:
    """Write every row of the tables that tell most to a file of its own, as JSON lines for `grep`."""
    with _snapshot(url) as query:
        for table in (*_TABLES, "delivery", "driver", "driver_audit", "agent"):
            lines = [json.dumps(row, default=str) for row in query(f"SELECT * FROM {table}")]
            (folder / f"{table}.jsonl").write_text("\n".join(lines))


_Query = Callable[[str], list[tuple[Any, ...]]]


@contextmanager
def _snapshot(url: str) -> Iterator[_Query]:
    """Open one transaction that sees no later commits."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(f"file:{url.removeprefix('sqlite:///')}?mode=ro", uri=True)) as database:
            database.execute("BEGIN")
            yield lambda statement: database.execute(statement).fetchall()
        return
    with psycopg.connect(url) as client:
        client.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield lambda statement: client.execute(statement.encode()).fetchall()


def _read(query: _Query, table: str, columns: Sequence[str]) -> list[Row]:
    found = query(f"SELECT {', '.join(columns)} FROM {table}")
    return [{name: _decoded(name, value) for name, value in zip(columns, row, strict=True)} for row in found]


def _decoded(name: str, value: Any) -> Any:
    if name in _JSON:
        return json.loads(value)
    return bool(value) if name in _FLAGS else value


def _by(rows: Sequence[Row], key: str, order: str) -> dict[str, list[Row]]:
    grouped: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row[order]):
        grouped.setdefault(row[key], []).append(row)
    return grouped


def _sqlite(path: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as database:
        return database.execute(statement).fetchall()
