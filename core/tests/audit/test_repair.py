"""What an audit finds is owed, and paid on the path of everything else."""

from typing import Any

from jackfield.driver.v1 import change_pb2
from jackfield_core.db.redelivery import owe_all_again, retry
from jackfield_core.mechanism.answers import Garbage
from jackfield_core.services.numbers import DriverNumbers
from jackfield_core.types import Kind

STRANGER = "5c0a6f1e-0000-4000-8000-0000000000{:02}"


async def test_what_is_missing_comes_as_new_and_what_was_changed_as_an_update(scene: Any) -> None:
    """Both are told at the revision that they had, and then nothing differs any more."""
    driver = await scene.driver()
    core = await scene.core(driver)
    _, (lost, spoiled, *_) = await core.world()
    driver.lose(lost)
    driver.spoil(spoiled)
    before = len(driver.told)

    repaired = await core.repair(await core.compare())
    await core.until_paid()

    assert (repaired.missing, repaired.changed, repaired.orphans, repaired.owed) == (1, 1, 0, 2)
    assert {(change.id, change.action, change.revision) for change in driver.told[before:]} == {
        (lost, change_pb2.ACTION_CREATE, 1),
        (spoiled, change_pb2.ACTION_UPDATE, 1),
    }
    assert await core.differences() == set()


async def test_lost_network_comes_back_before_its_ports(scene: Any) -> None:
    """Parents first, also when everything on the device is made again."""
    driver = await scene.driver()
    core = await scene.core(driver)
    tree, ports = await core.world()
    driver.held.clear()
    before = len(driver.told)

    await core.repair(await core.compare())
    await core.until_paid()

    told = [change.id for change in driver.told[before:]]
    assert told[0] == tree.network.id
    assert {*told} == {tree.network.id, tree.subnets[0].id, *ports}


async def test_driver_that_hears_no_updates_gets_what_was_changed_as_new(scene: Any) -> None:
    """No action is told that a driver did not declare."""
    driver = await scene.driver(actions=[change_pb2.ACTION_CREATE, change_pb2.ACTION_DELETE])
    core = await scene.core(driver)
    tree, _ = await core.world(1)
    driver.spoil(tree.network.id)
    before = len(driver.told)

    await core.repair(await core.compare())
    await core.until_paid()

    assert [change.action for change in driver.told[before:]] == [change_pb2.ACTION_CREATE]


async def test_a_repair_that_loses_a_race_is_tried_again(scene: Any, losing: Any) -> None:
    """Whoever waits in a circle with others while it owes what differs begins that page anew."""
    driver = await scene.driver()
    core = await scene.core(driver)
    _, (lost, spoiled, *_) = await core.world()
    driver.lose(lost)
    driver.spoil(spoiled)
    findings = await core.compare()

    async with losing(3) as tried:
        repaired = await core.repair(findings)
        assert await tried() == 3 + 2
    await core.until_paid()

    assert (repaired.missing, repaired.changed) == (1, 1)
    assert await core.differences() == set()


async def test_findings_that_are_old_do_no_harm(scene: Any) -> None:
    """What has changed since it was compared is owed for that reason, and only once."""
    driver = await scene.driver()
    core = await scene.core(driver)
    tree, (lost, *_) = await core.world()
    driver.lose(lost)
    driver.spoil(tree.network.id)
    findings = await core.compare()
    await core.rename(tree.network, "new")
    await core.repair(findings)
    await core.until_paid()
    before = len(driver.told)

    repaired = await core.repair(findings)

    assert repaired.owed == 0
    assert len(driver.told) == before


async def test_orphan_is_removed_by_its_id_alone(scene: Any) -> None:
    """Nobody knows more of it; ports go before networks, and nothing is left in the ledger."""
    driver = await scene.driver()
    core = await scene.core(driver)
    await core.world(1)
    strangers = {kind: driver.keep(kind, STRANGER.format(place)) for place, kind in enumerate(Kind)}
    before = len(driver.told)

    repaired = await core.repair(await core.compare())
    await core.until_paid()

    told = driver.told[before:]
    assert (repaired.orphans, repaired.held_orphans) == (3, 0)
    assert [change.id for change in told] == [strangers[kind] for kind in (Kind.PORT, Kind.SUBNET, Kind.NETWORK)]
    for change, kind in zip(told, (Kind.PORT, Kind.SUBNET, Kind.NETWORK), strict=True):
        current = getattr(change.current, kind)
        assert (change.action, change.revision, current.id) == (change_pb2.ACTION_DELETE, 8, change.id)
        assert current.ListFields() == [(current.DESCRIPTOR.fields_by_name["id"], change.id)]
        assert not change.HasField("related")
    assert not any([await core.rows_of(id) for id in strangers.values()])
    assert await core.differences() == set()


async def test_removal_of_an_orphan_is_retried(scene: Any) -> None:
    """An orphan that its driver cannot remove stays owed, with the reason."""
    driver = await scene.driver(refuses=False)
    core = await scene.core(driver)
    await core.world(1)
    stranger = driver.keep(Kind.PORT, STRANGER.format(1))
    driver.refuses = True

    await core.repair(await core.compare())
    core.dispatcher.wake()

    async def has_failed() -> bool:
        return [row.reason for row in await core.rows_of(stranger)] == ["AS_TOLD"]

    await scene.eventually(has_failed)
    assert await core.differences() == set()


async def test_many_orphans_wait_for_an_operator(scene: Any) -> None:
    """More than the limit, and more than the share, are noted and left alone until somebody agrees."""
    driver = await scene.driver()
    core = await scene.core(driver, orphan_limit=2, orphan_percent=5)
    await core.world()
    strangers = [driver.keep(Kind.PORT, STRANGER.format(place)) for place in range(3)]
    before = len(driver.told)

    first = await core.repair(await core.compare())
    again = await core.repair(await core.compare())
    await core.until_paid()

    assert [(one.orphans, one.held_orphans) for one in (first, again)] == [(0, 3), (0, 3)]
    assert len(driver.told) == before
    assert {id for _, id in driver.held} >= {*strangers}

    agreed = await core.agree()
    await core.until_paid()

    assert agreed == 3
    assert sorted(change.id for change in driver.told[before:]) == strangers
    assert not {id for _, id in driver.held} & {*strangers}


async def test_few_orphans_among_much_are_removed_without_asking(scene: Any) -> None:
    """The limit is a number or a share, whichever is more."""
    driver = await scene.driver()
    core = await scene.core(driver, orphan_limit=1, orphan_percent=25)
    await core.world(4)
    for place in range(2):
        driver.keep(Kind.PORT, STRANGER.format(place))

    assert (await core.repair(await core.compare())).orphans == 2


async def test_new_orphans_beside_held_ones_are_held_too(scene: Any) -> None:
    """Orphans that come one by one are not fewer for that."""
    driver = await scene.driver()
    core = await scene.core(driver, orphan_limit=2, orphan_percent=0)
    await core.world(1)
    for place in range(3):
        driver.keep(Kind.PORT, STRANGER.format(place))
    await core.repair(await core.compare())
    late = driver.keep(Kind.PORT, STRANGER.format(9))

    repaired = await core.repair(await core.compare())

    assert (repaired.orphans, repaired.held_orphans) == (0, 4)
    assert [row.owed for row in await core.rows_of(late)] == [False]


async def test_held_orphans_stay_held_when_they_have_become_few(scene: Any) -> None:
    """Whoever was asked about many is asked about the rest of them; what is new is judged for itself."""
    driver = await scene.driver()
    core = await scene.core(driver, orphan_limit=2, orphan_percent=0)
    await core.world(1)
    gone, gone_too, stays = (driver.keep(Kind.PORT, STRANGER.format(place)) for place in range(3))
    await core.repair(await core.compare())
    driver.lose(gone, gone_too)
    late = driver.keep(Kind.PORT, STRANGER.format(9))

    repaired = await core.repair(await core.compare())
    await core.until_paid()

    assert (repaired.orphans, repaired.held_orphans) == (1, 1)
    assert [row.owed for row in await core.rows_of(stays)] == [False]
    assert (Kind.PORT, stays) in driver.held
    assert (Kind.PORT, late) not in driver.held


async def test_operator_agrees_to_what_is_held_and_to_no_more(scene: Any) -> None:
    """What is found after his word waits for the next one."""
    driver = await scene.driver()
    core = await scene.core(driver, orphan_limit=0, orphan_percent=0)
    await core.world(1)
    seen = driver.keep(Kind.PORT, STRANGER.format(1))
    await core.repair(await core.compare())
    unseen = driver.keep(Kind.PORT, STRANGER.format(2))

    assert await core.agree() == 1
    repaired = await core.repair(await core.compare())
    await core.until_paid()

    assert (repaired.orphans, repaired.held_orphans) == (0, 1)
    assert (Kind.PORT, seen) not in driver.held
    assert (Kind.PORT, unseen) in driver.held


async def test_quarantine_takes_the_word_back(scene: Any) -> None:
    """Orphans that are not removed yet are held again: nobody knows whether the driver told the truth of them."""
    driver = await scene.driver()
    core = await scene.core(driver, orphan_limit=0, orphan_percent=0)
    await core.world(1)
    stranger = driver.keep(Kind.PORT, STRANGER.format(1))
    await core.repair(await core.compare())
    driver.refuses = True
    await core.agree()
    assert [row.owed for row in await core.rows_of(stranger)] == [True]

    for _ in range(3):
        core.registry.note_garbage(Garbage("a", "it lies"))
    await scene.eventually(lambda: core.registry.entry("a").is_quarantined)

    assert [(row.owed, row.orphan, row.claim) for row in await core.rows_of(stranger)] == [(False, True, None)]


async def test_held_orphan_is_removed_at_the_revision_that_it_has_by_then(scene: Any) -> None:
    """Somebody else may go on changing it; every audit takes note of that."""
    driver = await scene.driver()
    core = await scene.core(driver, orphan_limit=0, orphan_percent=0)
    await core.world(1)
    stranger = driver.keep(Kind.PORT, STRANGER.format(1), revision=7)
    await core.repair(await core.compare())
    driver.keep(Kind.PORT, stranger, revision=30)

    findings = await core.compare()
    await core.repair(findings)
    await core.agree()
    await core.until_paid()

    assert [(one.resource_id, one.revision) for one in findings.grown] == [(stranger, 30)]
    [told] = [change for change in driver.told if change.id == stranger]
    assert told.revision == 31
    assert (await core.compare()).grown == []


async def test_held_orphans_are_counted_as_they_are_now(scene: Any) -> None:
    """The number for alerts does not wait for the next audit."""
    driver = await scene.driver()
    core = await scene.core(driver, orphan_limit=0, orphan_percent=0)
    await core.world(1)
    for place in range(2):
        driver.keep(Kind.PORT, STRANGER.format(place))
    await core.audit()
    numbers = DriverNumbers(core.database, core.registry)
    before = (await numbers.stored())[1]["a"].held_orphans

    await core.agree()
    await core.until_paid()

    assert (before, (await numbers.stored())[1]["a"].held_orphans) == (2, 0)


async def test_held_orphan_that_has_gone_is_forgotten(scene: Any) -> None:
    """Whoever removes them by hand is not asked any more; while a backend cannot be read they are not gone."""
    driver = await scene.driver()
    core = await scene.core(driver, orphan_limit=0, orphan_percent=0)
    await core.world(1)
    stays, goes = (driver.keep(Kind.PORT, STRANGER.format(place)) for place in range(2))
    await core.repair(await core.compare())
    driver.lose(goes)

    findings = await core.compare()
    assert [finding.resource_id for finding in findings.gone] == [goes]
    await core.repair(findings)

    assert [len(await core.rows_of(id)) for id in (stays, goes)] == [1, 0]


async def test_new_epoch_does_not_agree_for_the_operator(scene: Any) -> None:
    """When everything is owed again, orphans that wait are not."""
    driver = await scene.driver()
    core = await scene.core(driver, orphan_limit=0, orphan_percent=0)
    await core.world(1)
    stranger = driver.keep(Kind.PORT, STRANGER.format(1))
    await core.repair(await core.compare())

    async with core.unit_of_work() as tx:
        await owe_all_again(tx.connection, "a")
    await core.until_paid()

    assert [row.owed for row in await core.rows_of(stranger)] == [False]


async def test_orphan_keeps_nothing_reserved(scene: Any) -> None:
    """A network that a device brings back after its end was acknowledged gives its segment back all the same."""
    a, b = await scene.driver("a"), await scene.driver("b")
    core = await scene.core(a, b, orphan_limit=0, orphan_percent=0)
    network = (await core.network()).network
    await core.until_paid()
    b.refuses = True
    await core.delete(network)

    async def is_left_to_b() -> bool:
        return [row.driver for row in await core.rows_of(network.id)] == ["b"]

    await scene.eventually(is_left_to_b)
    a.keep(Kind.NETWORK, network.id)
    assert (await core.repair(await core.compare())).held_orphans == 1
    b.refuses = False
    async with core.unit_of_work() as tx:
        await retry(tx.connection, "b")
    await core.until_paid()

    async with core.unit_of_work.reading() as tables:
        assert await tables.networks.list_with_deleted([network.id]) == {}
    assert [row.driver for row in await core.rows_of(network.id)] == ["a"]
