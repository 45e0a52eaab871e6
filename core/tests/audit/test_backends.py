"""Resources on several backends of one driver, and hands at the console of one of them."""

from typing import Any

from jackfield.driver.v1 import reconcile_pb2
from jackfield_core.audit.findings import Difference
from jackfield_core.types import Kind

CHANGED = Difference.CHANGED
BOTH = ["switch-1", "switch-2"]


def lose_on(driver: Any, backend: str, id: str) -> None:
    """Remove a resource from one backend by hand."""
    for key, everywhere in driver.held.items():
        if key[1] == id:
            driver.held[key] = [held for held in everywhere if held.backend != backend]


async def test_what_is_gone_from_one_of_two_backends_is_made_again(scene: Any) -> None:
    """What was on both at the last audit, and was not touched since, is told once more."""
    driver = await scene.driver(places=BOTH)
    core = await scene.core(driver)
    tree, (port, *_) = await core.world()
    assert (await core.audit()).changed == 0
    lose_on(driver, "switch-2", tree.network.id)
    lose_on(driver, "switch-1", port)

    audit = await core.audit()
    await core.until_paid()

    assert (audit.changed, audit.missing) == (2, 0)
    assert [held.backend for held in driver.held[Kind.NETWORK, tree.network.id]] == BOTH
    assert [held.backend for held in driver.held[Kind.PORT, port]] == BOTH
    assert (await core.audit()).changed == 0
    lose_on(driver, "switch-2", port)
    assert (await core.audit()).changed == 1


async def test_what_the_driver_took_away_itself_is_no_difference(scene: Any) -> None:
    """Nothing hangs on the second switch any more: the driver says that it would do nothing, and nothing is told."""
    driver = await scene.driver(places=BOTH)
    core = await scene.core(driver)
    tree, _ = await core.world(1)
    await core.audit()
    driver.places = ["switch-1"]
    for _, id in [*driver.held]:
        lose_on(driver, "switch-2", id)
    told = len(driver.told)

    assert await core.differences() == set()
    assert (await core.audit()).changed == 0
    assert len(driver.told) == told
    assert tree.network.id in {id for _, id in driver.held}


async def test_driver_without_a_dry_run_is_told_once(scene: Any) -> None:
    """To repeat what is true does no harm, and where it is found then is where it was."""
    driver = await scene.driver(places=BOTH, features=["list_owned"])
    core = await scene.core(driver)
    tree, _ = await core.world(1)
    await core.audit()
    driver.places = ["switch-1"]
    lose_on(driver, "switch-2", tree.network.id)

    assert (await core.audit()).changed == 1
    await core.until_paid()
    assert (await core.audit()).changed == 0


async def test_what_was_touched_since_the_last_audit_may_be_elsewhere(scene: Any) -> None:
    """A change may move a resource to another backend, and does not miss it on the one that it has left."""
    driver = await scene.driver(places=BOTH, features=["list_owned"])
    core = await scene.core(driver)
    tree, _ = await core.world(1)
    await core.audit()
    driver.places = ["switch-1"]
    await core.rename(tree.network, "moved")
    await core.until_paid()

    assert await core.differences() == set()


async def test_backend_that_cannot_be_read_keeps_what_it_held(scene: Any) -> None:
    """What is on it is unknown; when it can be read again, what is gone from it is missed."""
    driver = await scene.driver(places=BOTH)
    core = await scene.core(driver)
    tree, _ = await core.world(1)
    await core.audit()
    lose_on(driver, "switch-2", tree.network.id)
    driver.unreachable = [reconcile_pb2.Unreachable(backend="switch-2", reason="it reboots")]
    assert (await core.audit()).changed == 0
    driver.unreachable = []

    assert await core.differences() == {(CHANGED, tree.network.id)}
