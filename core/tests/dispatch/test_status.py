"""When a port is ACTIVE or in ERROR, and a network too, as far as drivers decide it."""

from typing import Any

import pytest
from jackfield_core.db.fault import FaultTable
from jackfield_core.db.port import WiringReport
from jackfield_core.db.redelivery import owe_all_again
from jackfield_sdk import DeviceConflict, Infeasible, RetryLater


async def test_port_is_active_when_every_required_driver_knows_it(scene: Any) -> None:
    """A wired port waits for the last required acknowledgement."""
    first, second = await scene.driver("a"), await scene.driver("b", up=False)
    core = await scene.core(first, second, ready=False)
    await core.until_ready("a")
    port = await core.port(await core.network(), host="host1", wiring="up")
    await core.until_paid("a")
    assert await core.status(port) == "DOWN"

    await second.up()
    await core.until_paid()

    assert await core.status(port) == "ACTIVE"


async def test_advisory_driver_is_not_waited_for(scene: Any) -> None:
    """A port is ACTIVE although an advisory driver has not heard of it."""
    required, advisory = await scene.driver("a"), await scene.driver("b")
    advisory.script.answer("create_port_postcommit", *[RetryLater("later", 600)])
    core = await scene.core(required, advisory, advisory=["b"])
    port = await core.port(await core.network(), host="host1", wiring="up")

    async def is_active() -> bool:
        return await core.status(port) == "ACTIVE"

    assert await scene.eventually(is_active)


async def test_port_that_is_not_wired_stays_down(scene: Any) -> None:
    """Acknowledgements alone do not make a port ACTIVE."""
    driver = await scene.driver()
    core = await scene.core(driver)
    tree = await core.network()
    unbound = await core.port(tree)
    unwired = await core.port(tree, host="host1")
    disabled = await core.port(tree, host="host1", wiring="up", admin_state_up=False)

    await core.until_paid()

    assert [await core.status(port) for port in (unbound, unwired, disabled)] == ["DOWN"] * 3


async def test_simultaneous_acknowledgements_do_not_miss_each_other(scene: Any) -> None:
    """Two drivers that acknowledge at the same moment leave no port behind in DOWN."""
    drivers = [await scene.driver(name) for name in ("a", "b", "c")]
    core = await scene.core(*drivers, order_hold=0.001)
    tree = await core.network()
    ports = [port for _ in range(10) for port in await core.ports(tree, 10, host="host1", wiring="up")]

    await core.until_paid()

    assert {await core.status(port) for port in ports} == {"ACTIVE"}


@pytest.mark.parametrize("refusal", [Infeasible("there is no VLAN left"), DeviceConflict("the VLAN is not ours")])
async def test_what_a_required_driver_refuses_is_in_error_until_it_is_cured(scene: Any, refusal: Exception) -> None:
    """The driver never had it, and says that it cannot have it; a change of the resource is the cure."""
    driver = await scene.driver()
    core = await scene.core(driver)
    driver.script.answer("create_network_postcommit", refusal)
    network = (await core.network()).network
    await scene.eventually(lambda: _is(core, network, "ERROR"))
    await core.rename(await core.find(network), "cured")
    await scene.eventually(lambda: _is(core, network, "ACTIVE"))
    await core.until_paid()

    driver.script.answer("create_port_postcommit", refusal)
    port = await core.port(await core.tree(network), host="host1", wiring="up")
    await scene.eventually(lambda: _is(core, port, "ERROR"))
    await core.rename(await core.find(port), "cured")
    await scene.eventually(lambda: _is(core, port, "ACTIVE"))


async def test_refusal_that_ends_by_itself_leaves_no_error(scene: Any) -> None:
    """The driver takes it at a later attempt."""
    driver = await scene.driver()
    core = await scene.core(driver)
    driver.script.answer("create_network_postcommit", Infeasible("not yet"))
    network = (await core.network()).network
    await scene.eventually(lambda: _is(core, network, "ERROR"))

    await core.retry()
    await scene.eventually(lambda: _is(core, network, "ACTIVE"))


async def test_device_that_was_wiped_may_take_what_it_refused(scene: Any) -> None:
    """Being told everything again does not let an error stay for ever."""
    driver = await scene.driver()
    core = await scene.core(driver)
    driver.script.answer("create_network_postcommit", Infeasible("there is no VLAN left"))
    network = (await core.network()).network
    await scene.eventually(lambda: _is(core, network, "ERROR"))

    async with core.unit_of_work() as tx:
        await owe_all_again(tx.connection, "a")
    core.dispatcher.wake()

    await scene.eventually(lambda: _is(core, network, "ACTIVE"))


async def test_failures_that_pass_advice_and_later_refusals_are_no_errors(scene: Any) -> None:
    """Only a required driver that never had the resource puts it into ERROR, and only by refusing it."""
    required, advisory = await scene.driver("a"), await scene.driver("b")
    core = await scene.core(required, advisory, advisory=["b"])
    required.script.answer("create_network_postcommit", RetryLater("busy", 600))
    waiting = (await core.network()).network
    await scene.eventually(lambda: core.failed("a"))
    had = (await core.network()).network
    await core.until_paid("b")
    required.script.answer("update_network_postcommit", Infeasible("the MTU is too large"))
    await core.rename(had, "larger")
    advisory.script.answer("create_network_postcommit", Infeasible("not mine"))
    advised = (await core.network()).network
    await scene.eventually(lambda: core.failed("b"))
    await scene.eventually(lambda: core.failed("a", disposition="infeasible"))

    assert [(await core.find(one)).status for one in (waiting, had, advised)] == ["ACTIVE"] * 3


async def test_error_that_depends_on_who_is_required_is_judged_anew(scene: Any) -> None:
    """What nobody refuses any more who counts is no error, as after a change of the settings."""
    driver = await scene.driver()
    core = await scene.core(driver)
    driver.script.answer("create_network_postcommit", Infeasible("there is no VLAN left"))
    network = (await core.network()).network
    await scene.eventually(lambda: _is(core, network, "ERROR"))

    async with core.unit_of_work() as tx:
        await FaultTable(tx.connection, ["a"]).refresh_all()
    assert await _is(core, network, "ERROR")
    async with core.unit_of_work() as tx:
        await FaultTable(tx.connection, []).refresh_all()
    assert await _is(core, network, "ACTIVE")


async def test_port_stays_active_while_a_driver_is_told_everything_again(scene: Any) -> None:
    """A wiped backend, or a driver that is away with one, lowers no port whose host says again that it works."""
    driver = await scene.driver()
    core = await scene.core(driver)
    port = await core.port(await core.network(), host="host1", wiring="up")
    await core.until_paid()
    await driver.down()
    async with core.unit_of_work() as tx:
        await owe_all_again(tx.connection, "a")

    async with core.unit_of_work() as tx:
        await tx.ports.hold([port.id])
        await tx.ports.set_wiring([WiringReport(port.id, "host1", "up")])
        assert await tx.ports.refresh_status([port.id], ["a"]) == []

    assert await core.status(port) == "ACTIVE"


async def _is(core: Any, resource: Any, status: str) -> bool:
    return (await core.find(resource)).status == status  # type: ignore[no-any-return]
