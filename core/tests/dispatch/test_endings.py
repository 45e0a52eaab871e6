"""What a deleted resource held is free when the last driver that must let go of it has done so, and not before."""

from typing import Any

import pytest
from jackfield.driver.v1 import change_pb2
from jackfield_core.db.address import table as addresses
from jackfield_core.db.network import table as networks
from jackfield_core.db.port import table as ports
from jackfield_core.db.segment import table as segments
from jackfield_core.db.subnet import table as subnets
from jackfield_core.types import Kind

TABLES = (networks, segments, subnets, ports, addresses)


@pytest.mark.parametrize("others", [[Kind.SUBNET], [Kind.NETWORK]])
async def test_subnet_waits_for_ports_that_still_hold_its_addresses(scene: Any, others: list[Kind]) -> None:
    """Whoever hears of ports alone keeps their addresses in use, also when all others have let go of the subnet."""
    late = await scene.raw_driver("a", kinds=[Kind.PORT])
    early = await scene.raw_driver("b", kinds=others)
    core = await scene.core(late, early)
    tree = await core.subnet(await core.network())
    port = await core.port(tree)
    async with core.unit_of_work() as tx:
        await tx.connection.execute(
            addresses.insert().values(subnet_id=tree.subnets[0].id, ip_address="192.0.2.9", port_id=port.id)
        )
    await core.until_paid()
    await late.down()
    await scene.eventually(lambda: not core.registry.entry("a").is_ready)

    for resource in (port, tree.subnets[0], tree.network):
        await core.delete(resource)
    await core.until_paid("b")
    assert [await core.count(table) for table in TABLES] == [1] * 5

    await late.up()
    await core.until_paid()
    assert [await core.count(table) for table in TABLES] == [0] * 5


async def test_driver_of_another_process_is_told_of_an_end(scene: Any) -> None:
    """A process whose settings lack a driver deletes nothing behind its back."""
    driver = await scene.driver()
    core = await scene.core(driver)
    tree = await core.network()
    await core.until_paid()
    await core.stop()
    stranger = await scene.core()

    await stranger.delete(tree.network)
    await stranger.stop()
    core = await scene.core(driver)
    await core.until_paid()

    assert [context.current.id for context in driver.told(action="delete")] == [tree.network.id]
    assert await core.count(networks) == 0


async def test_driver_of_another_process_that_wants_no_ends_is_spared(scene: Any) -> None:
    """What it said when it introduced itself counts, whoever calls it."""
    driver = await scene.raw_driver(actions=[change_pb2.ACTION_CREATE])
    core = await scene.core(driver)
    tree = await core.network()
    await core.until_paid()
    await core.stop()
    stranger = await scene.core()

    await stranger.delete(tree.network)

    assert await stranger.debts(owed=None) == []
    assert await core.count(networks) == 0


async def test_end_is_told_although_the_row_is_gone(scene: Any) -> None:
    """What the ledger keeps of a resource is enough to have it removed."""
    driver = await scene.raw_driver()
    core = await scene.core(driver)
    tree = await core.network()
    port = await core.port(tree)
    await core.until_paid()
    await driver.down()
    await scene.eventually(lambda: not core.registry.entry("a").is_ready)
    await core.delete(port)
    async with core.unit_of_work() as tx:
        await tx.ports.purge([port.id])

    await driver.up()
    await core.until_paid()

    last = driver.told()[-1]
    assert (last.id, last.action, last.revision) == (port.id, change_pb2.ACTION_DELETE, 2)
    assert [debt.kind for debt in await core.debts(owed=None)] == [Kind.NETWORK]
