"""In which order drivers are told, however many dispatchers tell them."""

from collections import defaultdict
from typing import Any

from jackfield_core.db.address import table as addresses
from jackfield_core.db.engine import Database
from jackfield_core.db.network import table as networks
from jackfield_core.db.port import table as ports
from jackfield_core.db.subnet import table as subnets

NETWORKS = 8
MADE = ["create network", "create subnet", "create port"]
ENDED = ["delete port", "delete subnet", "delete network"]


async def test_two_dispatchers_keep_the_order(other_database: Database, scene: Any) -> None:
    """Parents before children and drivers in turn, and all of it the other way round at the end, network by network."""
    told: dict[str, list[tuple[str, str]]] = defaultdict(list)
    drivers = [await scene.driver(name) for name in ("a", "b")]
    for driver in drivers:
        for step in MADE + ENDED:

            def note(context: Any, line: tuple[str, str] = (driver.name, step)) -> None:
                told[getattr(context.current, "network_id", context.current.id)].append(line)

            driver.script.answer(f"{step.replace(' ', '_')}_postcommit", *[note] * NETWORKS)
    databases = (scene.database, other_database)
    cores = [await scene.core(*drivers, order_hold=30, database=database) for database in databases]
    trees = [await cores[number % 2].subnet(await cores[number % 2].network()) for number in range(NETWORKS)]
    made = [await cores[number % 2].port(tree) for number, tree in enumerate(trees)]
    await cores[0].until_paid()

    for number, (port, tree) in enumerate(zip(made, trees, strict=True)):
        for resource in (port, tree.subnets[0], tree.network):
            await cores[number % 2].delete(resource)
    await cores[0].until_paid()

    assert set(told) == {tree.network.id for tree in trees}
    for story in told.values():
        assert [step for driver, step in story if driver == "a"] == MADE + ENDED
        assert [step for driver, step in story if driver == "b"] == MADE + ENDED
        assert all(story.index(("a", step)) < story.index(("b", step)) for step in MADE)
        assert all(story.index(("b", step)) < story.index(("a", step)) for step in ENDED)
    assert await cores[0].count(networks) == 0


async def test_what_came_and_went_before_delivery_ends_clean(scene: Any) -> None:
    """A driver that was away meanwhile is told of the ends alone, children first, and nothing stays reserved."""
    driver = await scene.driver(up=False)
    core = await scene.core(driver, ready=False)
    tree = await core.subnet(await core.network())
    port = await core.port(tree)
    async with core.unit_of_work() as tx:
        await tx.connection.execute(
            addresses.insert().values(subnet_id=tree.subnets[0].id, ip_address="192.0.2.9", port_id=port.id)
        )
    for resource in (port, tree.subnets[0], tree.network):
        await core.delete(resource)

    await driver.up()
    await core.until_paid()

    assert driver.story() == ["delete port", "delete subnet", "delete network"]
    assert [await core.count(table) for table in (networks, subnets, ports, addresses)] == [0] * 4
    assert await core.debts(owed=None) == []
