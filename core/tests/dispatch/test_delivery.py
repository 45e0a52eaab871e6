"""What a driver is told, in which order, and what it is not told."""

from typing import Any

import pytest
from jackfield.driver.v1 import change_pb2
from jackfield_core.db.address import table as addresses
from jackfield_core.db.network import table as networks
from jackfield_core.db.port import table as ports
from jackfield_core.db.segment import allocation
from jackfield_core.db.segment import table as segments
from jackfield_core.db.subnet import table as subnets
from jackfield_core.types import Kind
from jackfield_sdk import Done, DriverState
from msgspec.structs import replace


async def test_change_is_delivered_as_soon_as_it_is_committed(scene: Any) -> None:
    """Create, update and delete reach the driver by the wake-up, not by the next poll."""
    driver = await scene.driver()
    core = await scene.core(driver, poll_interval=600)
    tree = await core.network()
    await core.until_paid()
    network = await core.rename(tree.network, "blue")
    await core.until_paid()

    await core.delete(network)
    await core.until_paid()

    assert driver.story() == ["create network", "update network", "delete network"]
    create, update, delete = driver.told()
    assert (create.current.name, create.original) == (tree.network.name, None)
    assert (update.current.name, update.original.name) == ("blue", tree.network.name)
    assert (update.revision, delete.revision) == (2, 3)
    assert delete.current.name == "blue"
    assert create.current.segments[0].id == tree.segments[0].id


async def test_updates_that_were_missed_are_told_as_one(scene: Any) -> None:
    """Five updates while the driver is down become one, with the acknowledged state as its original."""
    driver = await scene.driver()
    core = await scene.core(driver)
    tree = await core.network(name="first")
    await core.until_paid()
    await driver.down()
    await scene.eventually(lambda: not core.registry.entry("a").is_ready)
    network = tree.network
    for number in range(5):
        network = await core.rename(network, f"name{number}")

    await driver.up()
    await core.until_paid()

    [update] = driver.told(action="update")
    assert (update.original.name, update.current.name, update.revision) == ("first", "name4", 6)


async def test_resource_that_came_and_went_unseen_ends_clean(scene: Any) -> None:
    """What was created and deleted while the driver was down leaves nothing behind."""
    driver = await scene.driver()
    core = await scene.core(driver)
    await driver.down()
    await scene.eventually(lambda: not core.registry.entry("a").is_ready)
    tree = await core.network()
    port = await core.port(tree)
    await core.delete(port)
    await core.delete(tree.network)

    await driver.up()
    await core.until_paid()

    assert "create" not in " ".join(driver.story())
    assert await core.debts(owed=None) == []
    assert await core.count(networks) == await core.count(ports) == await core.count(segments) == 0


async def test_parents_come_first_and_go_last(scene: Any) -> None:
    """Network, subnet, port; and back in reverse."""
    driver = await scene.driver(up=False)
    core = await scene.core(driver, ready=False)
    tree = await core.subnet(await core.network())
    port = await core.port(tree)
    await driver.up()
    await core.until_paid()
    await driver.down()
    await scene.eventually(lambda: not core.registry.entry("a").is_ready)
    for resource in (tree.network, tree.subnets[0], port):
        await core.delete(resource)

    await driver.up()
    await core.until_paid()

    made = ["create network", "create subnet", "create port"]
    assert driver.story() == [*made, "delete port", "delete subnet", "delete network"]


async def test_child_waits_while_its_parent_fails(scene: Any) -> None:
    """A port is not told before its network is acknowledged; other networks go on."""
    driver = await scene.raw_driver()
    core = await scene.core(driver)
    bad = scene.rows.network()

    async def refuse(request: Any, context: Any) -> Any:
        answer = await driver.good(request, context)
        for change, result in zip(request.changes, answer.results, strict=True):
            if change.id == bad.id:
                result.failed.reason = "ON_FIRE"
        return answer

    driver.answer = refuse
    waiting = await core.port(await core.network(id=bad.id))
    told = await core.port(await core.network())
    await scene.eventually(lambda: told.id in {change.id for change in driver.told()})
    await scene.eventually(lambda: [change.id for change in driver.told()].count(bad.id) > 2)
    assert waiting.id not in {change.id for change in driver.told()}

    driver.answer = driver.good
    await core.until_paid()

    assert driver.told()[-1].id == waiting.id


async def test_drivers_take_turns_in_order_and_let_go_in_reverse(scene: Any) -> None:
    """The second driver hears of a resource after the first one, and of its end before it."""
    order: list[str] = []
    drivers = [await scene.driver(name) for name in ("a", "b")]
    for driver in drivers:
        for action in ("create", "delete"):
            note = f"{driver.name} {action}"
            driver.script.answer(f"{action}_network_postcommit", lambda _context, note=note: order.append(note))
    core = await scene.core(*drivers, order_hold=10)
    tree = await core.network()
    await core.until_paid()

    await core.delete(tree.network)
    await core.until_paid()

    assert order == ["a create", "b create", "b delete", "a delete"]


async def test_change_during_a_call_is_owed_with_the_right_original(scene: Any) -> None:
    """What grows while a call is under way is told next, against what the call made true."""
    driver = await scene.driver()
    core = await scene.core(driver)
    tree = await core.network(name="first")
    await core.until_paid()

    async def meanwhile(context: Any) -> None:
        await core.rename(replace(tree.network, name="second", revision_number=2), "third")

    driver.script.answer("update_network_postcommit", meanwhile)
    await core.rename(tree.network, "second")
    await core.until_paid()

    first, second = driver.told(action="update")
    assert (first.original.name, first.current.name) == ("first", "second")
    assert (second.original.name, second.current.name) == ("second", "third")


async def test_state_comes_back_with_every_later_call(scene: Any) -> None:
    """What a driver asks to keep is handed to it, and is kept if an answer brings none."""
    driver = await scene.driver()
    driver.script.answer("create_network_postcommit", Done(state=DriverState(1, b"vlan 7")))
    core = await scene.core(driver)
    tree = await core.network()
    await core.until_paid()
    network = await core.rename(tree.network, "blue")
    await core.until_paid()
    await core.delete(network)
    await core.until_paid()

    assert [context.state for context in driver.told()] == [None, DriverState(1, b"vlan 7"), DriverState(1, b"vlan 7")]


async def test_scarce_things_are_free_after_the_last_acknowledgement(scene: Any) -> None:
    """A segment's number and a port's address are held until every driver has let go."""
    first, second = await scene.driver("a"), await scene.driver("b")
    core = await scene.core(first, second)
    tree = await core.subnet(await core.network())
    port = await core.port(tree)
    async with core.unit_of_work() as tx:
        await tx.connection.execute(
            addresses.insert().values(subnet_id=tree.subnets[0].id, ip_address="192.0.2.9", port_id=port.id)
        )
        assert await tx.segments.reserve("vxlan", None, 7, tree.segments[0].id)
    await core.until_paid()
    await first.down()
    await scene.eventually(lambda: not core.registry.entry("a").is_ready)
    for resource in (port, tree.subnets[0], tree.network):
        await core.delete(resource)
    await core.until_paid("b")

    assert await core.count(addresses) == 1
    assert await core.count(allocation) == 1
    await first.up()
    await core.until_paid()

    tables = (networks, subnets, ports, segments, addresses, allocation)
    assert [await core.count(table) for table in tables] == [0] * 6


async def test_batches_are_as_big_as_the_driver_wants(scene: Any) -> None:
    """No call carries more changes than the driver's limit, and nothing is left over."""
    driver = await scene.raw_driver(max_batch=7)
    core = await scene.core(driver)
    await core.ports(await core.network(), 30)

    await core.until_paid()

    assert max(len(request.changes) for request in driver.requests) == 7
    assert len({change.id for change in driver.told()}) == len(driver.told()) == 31


async def test_driver_hears_only_of_what_it_wants(scene: Any) -> None:
    """A driver without interest in creation hears of a resource first by its update."""
    driver = await scene.raw_driver(kinds=[Kind.NETWORK], actions=[change_pb2.ACTION_UPDATE])
    core = await scene.core(driver)
    tree = await core.network(name="first")
    network = await core.rename(tree.network, "second")
    await core.until_paid()
    await core.delete(network)
    await core.until_paid()

    [change] = driver.told()
    assert change.action == change_pb2.ACTION_UPDATE
    assert change.original.network.name == "first"


@pytest.mark.parametrize("count", [2, 3])
async def test_epochs_grow_from_call_to_call(scene: Any, count: int) -> None:
    """A driver can tell a newer claim from one that is still on its way."""
    driver = await scene.raw_driver()
    core = await scene.core(driver)
    for _ in range(count):
        await core.network()
        await core.until_paid()

    epochs = [request.epoch for request in driver.requests]
    assert epochs == sorted(set(epochs))


async def test_network_waits_for_the_end_of_its_subnet(scene: Any) -> None:
    """A driver that hears of subnets alone, and is away, hears of the end of one although its network has gone too."""
    driver = await scene.raw_driver(kinds=[Kind.SUBNET])
    core = await scene.core(driver)
    tree = await core.subnet(await core.network())
    await core.until_paid()
    await driver.down()

    await core.delete(tree.subnets[0])
    await core.delete(tree.network)
    assert [debt.kind for debt in await core.debts()] == [Kind.SUBNET]
    await driver.up()
    await core.until_paid()

    assert [change.action for change in driver.told()][-1] == change_pb2.ACTION_DELETE
    assert (await core.count(networks), await core.count(subnets)) == (0, 0)
