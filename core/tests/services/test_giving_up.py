"""What becomes of debts, and of what waited for them, when somebody does not want them paid."""

import uuid
from collections.abc import Collection
from typing import Any

import pytest
import sqlalchemy as sa
from jackfield_core.db import delivery, leaving, subnet
from jackfield_core.db.engine import Database
from jackfield_core.db.forgetting import forget_kinds
from jackfield_core.db.orphan import Orphan, OrphanTable
from jackfield_core.db.port import Binding
from jackfield_core.db.raising import Ahead, raise_revisions
from jackfield_core.db.redelivery import owe_all_again
from jackfield_core.db.unit_of_work import Tables
from jackfield_core.services.spec import PortCreate
from jackfield_core.types import Action, BindingLevel, FixedIpRequest, Kind, Status
from msgspec.structs import replace
from support.silent_cloud import CTX, MAC, Cloud


async def test_a_port_waited_for_a_driver_that_loses_interest(cloud: Cloud, network_id: str) -> None:
    """It is ACTIVE at once, and waits no more for what nobody will say."""
    cloud.required = ("a", "b")
    port = await cloud.port(network_id, "", MAC.format(1))
    async with cloud.work() as tx:
        (segment,) = (await tx.segments.list_of_networks([network_id]))[network_id]
        bound = replace(port, binding=Binding(host="host1", vif_type="ovs", wiring="up"))
        await tx.ports.update_binding(bound, (BindingLevel(0, "b", segment.id),))
    await cloud.pay("b")
    assert (await cloud.ports.get(CTX, port.id)).status == Status.DOWN

    async with cloud.work() as tx:
        await forget_kinds(tx, "a", [Kind.PORT], (), (), required=cloud.required)

    assert (await cloud.ports.get(CTX, port.id)).status == Status.ACTIVE


async def test_an_orphan_that_is_held_while_its_removal_is_under_way(cloud: Cloud, database: Database) -> None:
    """A late answer from ahead of the database owes nobody its removal; that is the operator's to say."""
    id = str(uuid.uuid4())
    async with database.writing() as connection:
        await OrphanTable(connection).add("a", [Orphan(Kind.PORT, id, 7)], owed=True)
        await OrphanTable(connection).hold("a")

    async with database.writing() as connection:
        await raise_revisions(Tables(connection), "a", [Ahead(Kind.PORT, id, id, 50)])

    async with database.reading() as connection:
        assert (await OrphanTable(connection).held_by_driver()) == {"a": 1}


@pytest.mark.parametrize("again", ["everything", "what a device is ahead of"])
async def test_what_was_forgotten_and_is_owed_again(cloud: Cloud, database: Database, again: str) -> None:
    """It says no more that somebody gave it up."""
    id = await cloud.network()
    await cloud.forget("b")

    async with database.writing() as connection:
        if again == "everything":
            await owe_all_again(connection, "b")
        else:
            await raise_revisions(Tables(connection), "b", [Ahead(Kind.NETWORK, id, id, 50)])

    async with database.reading() as connection:
        (debt,) = await Tables(connection).deliveries.list(driver="b")
    assert (debt.owed, debt.disposition, debt.reason, debt.message) == (True, "", "", "")


@pytest.mark.parametrize("change", ["new", "changed"])
async def test_what_stands_on_what_was_given_up_before_a_driver_heard_of_it(
    cloud: Cloud, database: Database, change: str
) -> None:
    """Its parents are owed again with the first thing that the driver is owed on them, and told before it."""
    network_id, other_id = await cloud.network(), await cloud.network()
    subnet_id = await cloud.subnet(network_id)
    port = await cloud.port(network_id, "192.0.2.5", MAC.format(1))
    await cloud.forget("a")
    assert await cloud.owed("a") == set()

    if change == "new":
        port = await cloud.port(network_id, "192.0.2.6", MAC.format(2))
    else:
        await cloud.readdress(port.id, "192.0.2.6")
    told = await cloud.pay("a")

    assert told == [network_id, subnet_id, port.id]
    assert other_id not in told
    assert await cloud.owed("a") == set()


async def test_a_deleted_subnet_waited_for_a_port_of_whose_end_nobody_hears(
    cloud: Cloud, network_id: str, database: Database, creditors: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes with the port."""
    spec = PortCreate(
        network_id=network_id,
        project_id="project",
        device_owner="network:dhcp",
        mac_address=MAC.format(1),
        fixed_ips=(FixedIpRequest(ip_address="192.0.2.5"),),
    )
    served = await cloud.ports.create(CTX, spec)
    for driver in "ab":
        await cloud.pay(driver)
    await cloud.subnets.delete(CTX, served.fixed_ips[0].subnet_id)
    await cloud.put_off(Kind.PORT)
    for driver in "ab":
        await cloud.pay(driver)
    assert await cloud.count(subnet.table) == 1

    def declined(kind: Kind, action: Action) -> Collection[str]:
        return ("a", "b") if (kind, action) == (Kind.PORT, Action.DELETE) else ()

    monkeypatch.setattr(creditors, "declined", declined)
    await cloud.ports.delete(CTX, served.id)

    assert [await cloud.count(table) for table in (subnet.table, leaving.table)] == [0, 0]
    async with database.reading() as connection:
        ports = sa.select(delivery.table.c.driver).where(delivery.table.c.kind == Kind.PORT)
        assert not (await connection.execute(ports)).all()
