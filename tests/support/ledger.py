"""What a database holds, read without any code of the core.

The checks here are the invariants of the ledger: after the dust has settled,
resources, debts, allocations and the drivers' fabrics say the same thing.
"""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

import psycopg

Fabric = Mapping[str, Mapping[str, int]]


def rows(database_url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run a query on PostgreSQL or SQLite."""
    if database_url.startswith("sqlite"):
        connection = sqlite3.connect(f"file:{database_url.removeprefix('sqlite:///')}?mode=ro", uri=True)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()
    with psycopg.connect(database_url) as client:
        return client.execute(statement.encode()).fetchall()


def owed(database_url: str) -> int:
    """Return how many debts are not paid."""
    (count,) = rows(database_url, "SELECT count(*) FROM delivery WHERE owed")[0]
    return int(count)


def state_versions(database_url: str) -> set[int]:
    """Return the versions of the states that drivers keep."""
    return {version for (version,) in rows(database_url, "SELECT state_version FROM delivery WHERE state IS NOT NULL")}


def problems(database_url: str, fabrics: Mapping[str, Fabric]) -> list[str]:
    """Return what is wrong with a database that owes nothing, as sentences."""

    def query(statement: str) -> list[tuple[Any, ...]]:
        return rows(database_url, statement)

    found = [f"debt left: {row}" for row in query("SELECT kind, resource_id, driver FROM delivery WHERE owed")]
    found += [
        f"{kind} {id} was deleted, owes nothing to anybody, and is still there"
        for kind in ("network", "subnet", "port")
        for (id,) in query(f"SELECT id FROM {kind} WHERE deleted_at IS NOT NULL")
    ]
    found += [
        f"{table} {key} belongs to nothing"
        for table, key_column, reference, target in (
            ("ip_allocation", "ip_address", "port_id", "port"),
            ("segment", "id", "network_id", "network"),
            ("segment_allocation", "segmentation_id", "segment_id", "segment"),
            ("port_binding", "port_id", "port_id", "port"),
            ("binding_level", "port_id", "port_id", "port"),
            ("inactive_binding", "port_id", "port_id", "port"),
        )
        for (key,) in query(
            f"SELECT {key_column} FROM {table} t WHERE NOT EXISTS (SELECT 1 FROM {target} o WHERE o.id = t.{reference})"
        )
    ]
    found += [
        f"attribute {name} of {kind} {id} belongs to nothing"
        for kind in ("network", "subnet", "port")
        for name, id in query(
            f"SELECT name, resource_id FROM vendor_attribute a WHERE kind = '{kind}'"
            f" AND NOT EXISTS (SELECT 1 FROM {kind} o WHERE o.id = a.resource_id)"
        )
    ]
    found += _addresses(query)
    for driver, fabric in fabrics.items():
        found += _differences(query, driver, fabric)
    return found


def _addresses(query: Any) -> list[str]:
    """Compare what ports show with what is allocated."""
    allocated = {(port_id, address) for port_id, address in query("SELECT port_id, ip_address FROM ip_allocation")}
    shown = {
        (port_id, fixed_ip["ip_address"])
        for port_id, fixed_ips in query("SELECT id, fixed_ips FROM port")
        for fixed_ip in json.loads(fixed_ips)
    }
    return [f"address {one} is allocated or shown, not both" for one in sorted(allocated ^ shown)]


def _differences(query: Any, driver: str, fabric: Fabric) -> list[str]:
    """Compare the resources and the ledger with what a driver's fabric holds."""
    found = []
    for kind in ("network", "subnet", "port"):
        ledger = dict(
            query(
                f"SELECT resource_id, acknowledged_revision FROM delivery WHERE driver = '{driver}' AND kind = '{kind}'"
            )
        )
        stored = dict(query(f"SELECT id, revision_number FROM {kind}"))
        held = dict(fabric[kind])
        found += [f"{kind} {id} is in the database, not in the ledger of {driver}" for id in stored.keys() - ledger]
        found += [f"{kind} {id} is in the ledger of {driver}, not in the database" for id in ledger.keys() - stored]
        found += [f"{kind} {id} is on {driver}, not in the database" for id in held.keys() - stored]
        found += [f"{kind} {id} is in the database, not on {driver}" for id in stored.keys() - held]
        found += [
            f"{kind} {id} is at {revision} on {driver} and acknowledged at {ledger.get(id)}"
            for id, revision in held.items()
            if id in ledger and ledger[id] != revision
        ]
    return found
