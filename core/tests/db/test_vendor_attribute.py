"""Values of vendor attributes in the database."""

from typing import Any

import pytest
from jackfield_core.db.tree import NetworkTree
from jackfield_core.db.unit_of_work import Change, UnitOfWork
from jackfield_core.db.vendor_attribute import NOTHING
from jackfield_core.types import Action, Kind

RED = {("fabric", "colour"): b'"red"'}


@pytest.fixture
def attributed(creditors: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have drivers that declared attributes of every kind."""
    monkeypatch.setattr(creditors, "attributed", lambda: list(Kind))


async def values(unit_of_work: UnitOfWork, kind: Kind, *ids: str) -> Any:
    """Return what is stored."""
    async with unit_of_work.reading() as tables:
        return await tables.vendor_attributes.list(kind, ids)


async def test_values_are_replaced_one_by_one(unit_of_work: UnitOfWork) -> None:
    """What is not named stays, null takes away, and kinds and resources do not meet."""
    one, other = (Kind.PORT, "one"), (Kind.PORT, "other")
    async with unit_of_work() as tx:
        await tx.vendor_attributes.save({one: {**RED, ("spine", "colour"): b"1"}, other: RED})
        await tx.vendor_attributes.save({one: {("fabric", "colour"): b'"blue"', ("fabric", "size"): b"2"}})
        await tx.vendor_attributes.save({one: {("spine", "colour"): NOTHING, ("spine", "size"): NOTHING}})

    assert await values(unit_of_work, Kind.PORT, "one", "other", "third") == {
        "one": {("fabric", "colour"): b'"blue"', ("fabric", "size"): b"2"},
        "other": RED,
    }
    assert await values(unit_of_work, Kind.NETWORK, "one") == {}
    async with unit_of_work() as tx:
        assert await tx.vendor_attributes.kinds() == [Kind.PORT]
        await tx.vendor_attributes.purge(Kind.PORT, ["one", "other"])
        assert await tx.vendor_attributes.kinds() == []


@pytest.mark.usefixtures("attributed")
async def test_values_go_with_what_nobody_is_owed(unit_of_work: UnitOfWork, rows: Any) -> None:
    """A resource that is purged in the transaction of its end takes its values along."""
    async with unit_of_work() as tx:
        tree = await rows.tree(tx, "192.0.2.0/24")
        port = rows.port(tree.network)
        await tx.ports.add(port)
        resources = {Kind.NETWORK: tree.network, Kind.SUBNET: tree.subnets[0], Kind.PORT: port}
        for kind, resource in resources.items():
            tx.record(Change(kind, Action.CREATE, resource, None, tree, new_attributes=RED))
    for kind, resource in resources.items():
        assert await values(unit_of_work, kind, resource.id) == {resource.id: RED}

    async with unit_of_work() as tx:
        tx.record(*(Change(kind, Action.DELETE, one, one, tree) for kind, one in reversed(resources.items())))

    for kind, resource in resources.items():
        assert await values(unit_of_work, kind, resource.id) == {}


async def test_kinds_without_attributes_cost_nothing(unit_of_work: UnitOfWork, rows: Any, statements: Any) -> None:
    """Where no driver has declared any, no statement asks for them, from the first to the last of a resource."""
    network = rows.network()
    tree = NetworkTree(network)
    async with unit_of_work() as tx, statements(tx.connection) as seen:
        await tx.networks.add(network)
        for action in (Action.CREATE, Action.DELETE):
            tx.record(await tx.recall(Change(Kind.NETWORK, action, network, network, tree)))
            await tx.finish()
            tx.changes.clear()

    assert not [text for text in seen if "vendor_attribute" in text]
    assert [text for text in seen if "DELETE FROM network" in text]
