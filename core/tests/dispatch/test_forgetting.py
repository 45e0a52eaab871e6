"""What operators do with debts: have them tried again, or give them up."""

from typing import Any

import pytest
from jackfield_core.db import delivery
from jackfield_core.db.address import table as addresses
from jackfield_core.db.base import now
from jackfield_core.db.delivery import FORGOTTEN
from jackfield_core.db.drift import list_ledger, owe_differing
from jackfield_core.db.forgetting import START, force_forget
from jackfield_core.db.network import table as networks
from jackfield_core.db.port import table as ports
from jackfield_core.db.redelivery import retry
from jackfield_core.db.segment import allocation
from jackfield_core.db.segment import table as segments
from jackfield_core.db.subnet import table as subnets
from jackfield_sdk import Infeasible, RetryLater


async def forget(core: Any, driver: str, **named: str) -> Any:
    async with core.unit_of_work() as tx:
        given, _ = await force_forget(tx, driver, required=core.registry.required(), **named)
        return given


async def test_debts_that_are_given_up_keep_nothing_reserved(scene: Any) -> None:
    """A driver that never comes back holds segments, addresses and MACs until an operator forgets what it is owed."""
    lost, served = await scene.driver("a"), await scene.driver("b")
    core = await scene.core(lost, served)
    tree = await core.subnet(await core.network())
    port = await core.port(tree)
    async with core.unit_of_work() as tx:
        await tx.connection.execute(
            addresses.insert().values(subnet_id=tree.subnets[0].id, ip_address="192.0.2.9", port_id=port.id)
        )
        assert await tx.segments.reserve("vxlan", None, 7, tree.segments[0].id)
    await core.until_paid()
    await lost.down()
    await scene.eventually(lambda: not core.registry.entry("a").is_ready)
    for resource in (port, tree.subnets[0], tree.network):
        await core.delete(resource)
    await core.until_paid("b")
    assert await core.count(addresses) == await core.count(allocation) == 1

    given = await forget(core, "a", request_id="req-1")

    assert (given.debts, given.ends) == (3, 3)
    tables = (networks, subnets, ports, segments, addresses, allocation)
    assert [await core.count(table) for table in tables] == [0] * 6
    async with core.unit_of_work.reading() as tables:
        [action] = await tables.operator_actions.list(driver="a")
    assert (action.action, action.request_id) == ("forget", "req-1")
    assert action.detail == "3 debts, 3 of them for what was deleted"


async def test_one_debt_can_be_given_up(scene: Any) -> None:
    """The others stay; what was paid is not forgotten, and what another driver is owed neither."""
    drivers = [await scene.driver("a"), await scene.driver("b")]
    core = await scene.core(*drivers)
    kept = await core.network()
    await core.until_paid()
    for driver in drivers:
        await driver.down()
        await scene.eventually(lambda driver=driver: not core.registry.entry(driver.name).is_ready)
    gone, other = await core.network(), await core.network()

    given = await forget(core, "a", kind="network", resource_id=gone.network.id)

    assert (given.debts, given.ends) == (1, 0)
    assert [debt.resource_id for debt in await core.debts("a")] == [other.network.id]
    assert {debt.resource_id for debt in await core.debts("b")} == {gone.network.id, other.network.id}
    paid = [debt.resource_id for debt in await core.debts("a", owed=False) if debt.disposition != FORGOTTEN]
    assert paid == [kept.network.id]


async def test_port_does_not_wait_for_a_debt_that_was_given_up(scene: Any) -> None:
    """A port that is up on its host, and known to everybody else, is ACTIVE then."""
    lost, served = await scene.driver("a", up=False), await scene.driver("b")
    core = await scene.core(lost, served, ready=False)
    await core.until_ready("b")
    [port] = await core.ports(await core.network(), 1, host="h1", wiring="up")
    await core.until_paid("b")
    assert await core.status(port) == "DOWN"

    await forget(core, "a")

    assert await core.status(port) == "ACTIVE"


async def test_debt_that_waits_is_made_due_at_once(scene: Any) -> None:
    """An operator who has mended the device need not wait for the next attempt; the refused are tried as well."""
    driver = await scene.driver()
    driver.script.answer("create_network_postcommit", RetryLater("busy", 600.0), Infeasible("no VLAN"))
    core = await scene.core(driver)
    await core.network()
    await core.network()

    async def both_have_failed() -> bool:
        return {debt.disposition for debt in await core.debts()} == {"retry", "infeasible"}

    await scene.eventually(both_have_failed)
    async with core.unit_of_work() as tx:
        assert await retry(tx.connection, "b") == 0
        assert await retry(tx.connection, "a") == 2
    await core.until_paid()

    assert len(driver.told()) == 4


async def test_what_lives_is_owed_again_with_its_next_change(scene: Any) -> None:
    """Its driver hears of the change, and against what it knew before the debt was given up."""
    driver = await scene.driver()
    core = await scene.core(driver)
    tree = await core.network(name="first")
    await core.until_paid()
    await driver.down()
    await scene.eventually(lambda: not core.registry.entry("a").is_ready)
    network = await core.rename(tree.network, "second")

    assert (await forget(core, "a")).debts == 1
    assert await core.debts() == []
    await core.rename(network, "third")
    await driver.up()
    await core.until_paid()

    (told,) = driver.told(action="update")
    assert (told.original.name, told.current.name) == ("first", "third")


async def test_the_end_of_what_lives_is_told_after_its_debt_was_given_up(scene: Any) -> None:
    """A driver that never heard of a network, or not of its last change, is told that it is gone."""
    driver = await scene.driver()
    core = await scene.core(driver)
    known = await core.network()
    await core.until_paid()
    await driver.down()
    await scene.eventually(lambda: not core.registry.entry("a").is_ready)
    network, unknown = await core.rename(known.network, "renamed"), await core.network()

    await forget(core, "a")
    await core.delete(network)
    await core.delete(unknown.network)
    assert await core.count(networks) == 2
    await driver.up()
    await core.until_paid()

    assert {one.current.id for one in driver.told(action="delete")} == {network.id, unknown.network.id}
    assert await core.count(networks) == 0


async def test_error_ends_with_the_debt_that_caused_it(scene: Any) -> None:
    """A network that its only driver refused is as good as the others say, once nobody is owed it."""
    driver = await scene.driver()
    driver.script.answer("create_network_postcommit", Infeasible("no VLAN"))
    core = await scene.core(driver)
    tree = await core.network()

    async def is_error() -> bool:
        return (await core.find(tree.network)).status == "ERROR"

    await scene.eventually(is_error)
    await forget(core, "a")

    assert (await core.find(tree.network)).status == "ACTIVE"


async def test_a_handshake_owes_again_what_was_given_up(scene: Any) -> None:
    """A driver that introduces itself after all is told what it missed."""
    driver = await scene.driver(up=False)
    core = await scene.core(driver, ready=False)
    tree = await core.network()
    await forget(core, "a")
    assert await core.debts() == []

    await driver.up()
    await scene.eventually(lambda: driver.told(action="create"))
    await core.until_paid()

    assert [one.current.id for one in driver.told()] == [tree.network.id]


async def test_many_debts_are_given_up_page_by_page(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page is a transaction with its own line; together they find everything, once."""
    monkeypatch.setattr(delivery, "PAGE", 2)
    driver = await scene.driver(up=False)
    core = await scene.core(driver, ready=False)
    tree = await core.network()
    await core.ports(tree, 4)
    counts, after = [], START
    while after is not None:
        async with core.unit_of_work() as tx:
            given, after = await force_forget(tx, "a", required=(), after=after)
        counts.append(given.debts)

    assert counts == [2, 2, 1]
    assert await core.debts() == []
    async with core.unit_of_work.reading() as tables:
        assert len(await tables.operator_actions.list(driver="a")) == 3


async def test_an_audit_compares_what_was_given_up(scene: Any) -> None:
    """It owes that again if the device does not have it."""
    driver = await scene.driver(up=False)
    core = await scene.core(driver, ready=False)
    tree = await core.network()
    await forget(core, "a")
    async with core.unit_of_work() as tx:
        (row,) = await list_ledger(tx.connection, "a", after=START, limit=9)
        compared = [(row.resource_id, row.desired_revision)]
        owed = await owe_differing(tx.connection, "a", "network", compared, since=now(), as_new=True)

    assert (row.is_clean, owed) == (True, 1)
    (debt,) = await core.debts()
    assert (debt.resource_id, debt.disposition) == (tree.network.id, "")
