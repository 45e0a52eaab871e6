"""What a handshake does to the ledger."""

import asyncio
from typing import Any

import pytest
from jackfield.driver.v1 import change_pb2
from jackfield_core.db import delivery
from jackfield_core.db.driver import Interest
from jackfield_core.db.network import table as networks
from jackfield_core.db.port import table as ports
from jackfield_core.db.unit_of_work import Change
from jackfield_core.dispatch import reception
from jackfield_core.dispatch.reception import OFTEN, Reception
from jackfield_core.types import Action, Kind
from msgspec.structs import replace


@pytest.mark.parametrize("page", [1, 5000])
async def test_new_driver_is_owed_what_exists(scene: Any, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    """A driver that joins later is told of everything that is there, parents first, however much it is."""
    monkeypatch.setattr(delivery, "PAGE", page)
    old = await scene.driver("a")
    core = await scene.core(old)
    tree = await core.subnet(await core.network())
    await core.port(tree)
    gone = await core.network()
    await core.until_paid()
    await core.delete(gone.network)
    await core.until_paid()
    await core.stop()
    new = await scene.driver("b")

    core = await scene.core(old, new)
    await core.until_paid()

    assert new.story() == ["create network", "create subnet", "create port"]
    assert len(old.told()) == 5


async def test_wiped_backend_is_owed_everything_again(scene: Any) -> None:
    """Another epoch of a backend means that it may hold nothing any more."""
    driver = await scene.driver()
    core = await scene.core(driver)
    await core.port(await core.network())
    await core.until_paid()
    await driver.down()
    await scene.eventually(lambda: not core.registry.entry("a").is_ready)
    await driver.up()
    await core.until_ready("a")
    await core.until_paid()
    assert len(driver.told()) == 2

    await driver.down()
    await scene.eventually(lambda: not core.registry.entry("a").is_ready)
    driver.epoch = "2"
    await driver.up()
    await scene.eventually(lambda: len(driver.told()) == 4)
    await core.until_paid()

    assert driver.story() == ["create network", "create port"] * 2


async def test_driver_that_forgets_everything_again_and_again_has_to_wait(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backend with another epoch at every handshake is owed everything a few times, and then nothing for a while."""
    monkeypatch.setattr(reception, "WITHIN", 3600.0)
    driver = await scene.driver()
    core = await scene.core(driver)
    await core.network()
    await core.until_paid()

    for epoch in range(2, 2 + OFTEN):
        await driver.down()
        driver.epoch = str(epoch)
        await driver.up()
        await scene.eventually(lambda: len(driver.told()) == epoch)  # noqa: B023
    await core.until_paid()
    await driver.down()
    driver.epoch = "one too many"
    await driver.up()

    await scene.eventually(lambda: "it is told nothing for a while" in core.registry.entry("a").reason)
    assert not core.registry.entry("a").is_ready
    assert len(driver.told()) == 1 + OFTEN


async def test_a_handshake_that_loses_a_race_is_received_again(scene: Any, losing: Any) -> None:
    """Everything is owed again, and however often that was tried it counts as one loss of the driver's."""
    driver = await scene.driver()
    core = await scene.core(driver)
    await core.port(await core.network())
    await core.until_paid()
    await core.stop()
    met = core.registry.entry("a").handshake
    wiped = replace(met, backends=tuple(replace(one, epoch="2") for one in met.backends), left_epochs=None)
    received = Reception(core.database, core.registry.attributes, core.registry.required)

    async with losing(OFTEN + 1) as tried:
        await received.welcome("a", wiped)
        assert await tried() == OFTEN + 1 + 2

    assert len(await core.debts("a")) == 2


async def test_what_is_about_to_be_committed_is_owed_to_who_wants_it_by_now(scene: Any) -> None:
    """A port that was recorded when the driver wanted none, and is committed a moment later, is not passed over."""
    core = await scene.core(await scene.raw_driver(kinds=[Kind.NETWORK]))
    tree = await core.network()
    await core.until_paid()
    await core.stop()
    met = core.registry.entry("a").handshake
    more = replace(met, interests=(*met.interests, Interest("port", ("create",), ("postcommit",))), left_epochs=None)
    received = Reception(core.database, core.registry.attributes, core.registry.required)

    async with core.unit_of_work() as tx:
        port = core.rows.port(tree.network)
        await tx.ports.add(port)
        tx.record(Change(Kind.PORT, Action.CREATE, port, None, tree))
        receiving = asyncio.create_task(received.welcome("a", more))
        # Whoever did not wait would be through long before that.
        await asyncio.wait({receiving}, timeout=0.5)
    await receiving

    assert [debt.resource_id for debt in await core.debts("a")] == [port.id]


async def test_debts_without_interest_are_forgotten(scene: Any) -> None:
    """A driver never heard of is owed everything, until it says what it wants."""
    driver = await scene.raw_driver(kinds=[Kind.NETWORK])
    await driver.down()
    core = await scene.core(driver, ready=False)
    tree = await core.network()
    port = await core.port(tree)
    assert {debt.kind for debt in await core.debts()} == {"network", "port"}
    await core.delete(port)
    assert await core.count(ports) == 1

    await driver.up()
    await core.until_paid()

    assert [change.id for change in driver.told()] == [tree.network.id]
    assert await core.count(ports) == 0


async def test_end_that_a_driver_does_not_want_to_hear_of_is_no_debt(scene: Any) -> None:
    """A deleted resource does not wait for a driver that does not care for ends."""
    driver = await scene.raw_driver(actions=[change_pb2.ACTION_CREATE])
    await driver.down()
    core = await scene.core(driver, ready=False)
    tree = await core.network()
    await core.delete(tree.network)
    assert await core.count(networks) == 1

    await driver.up()
    await core.until_paid()

    assert await core.count(networks) == 0


async def test_new_interest_brings_what_exists(scene: Any) -> None:
    """A driver that wants ports from now on is told of those that are there."""
    driver = await scene.raw_driver(kinds=[Kind.NETWORK])
    core = await scene.core(driver)
    port = await core.port(await core.network())
    await core.until_paid()
    await driver.down()
    await scene.eventually(lambda: not core.registry.entry("a").is_ready)

    driver.kinds = [Kind.NETWORK, Kind.PORT]
    await driver.up()
    await scene.eventually(lambda: port.id in {change.id for change in driver.told()})
    await core.until_paid()

    assert len(driver.told()) == 2
