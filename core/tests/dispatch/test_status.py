"""When a port is ACTIVE, as far as drivers decide it."""

from typing import Any

from jackfield_sdk import RetryLater


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
