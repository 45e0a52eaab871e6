"""Changes as the ledger notes them, complete but for what a test cares about."""

from collections.abc import Iterable
from typing import Any

from jackfield_core.db.delivery import Entry
from jackfield_core.types import Kind


def a_network(id: str = "n1", revision: int = 1, driver: str = "ovs", **values: Any) -> Entry:
    """Return a change of a network that a driver is owed."""
    return Entry(Kind.NETWORK, id, id, driver, revision, **values)


def a_subnet(id: str = "s1", network: str = "n1", revision: int = 1, driver: str = "ovs", **values: Any) -> Entry:
    """Return a change of a subnet that a driver is owed."""
    return Entry(Kind.SUBNET, id, network, driver, revision, **values)


def a_port(id: str = "p1", network: str = "n1", revision: int = 1, driver: str = "ovs", **values: Any) -> Entry:
    """Return a change of a port that a driver is owed."""
    return Entry(Kind.PORT, id, network, driver, revision, **values)


def ids(debts: Iterable[Any]) -> list[str]:
    """Return which resources debts are for."""
    return [debt.resource_id for debt in debts]
