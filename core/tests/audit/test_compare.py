"""What an audit finds, and what it leaves alone because it cannot know."""

from datetime import timedelta
from typing import Any

import grpc
import pytest
import sqlalchemy as sa
from jackfield.driver.v1 import change_pb2, driver_pb2, reconcile_pb2
from jackfield_core.audit.findings import Difference
from jackfield_core.db import delivery
from jackfield_core.db.base import now
from jackfield_core.mechanism.answers import NoVerdict
from jackfield_core.types import Kind

MISSING, CHANGED, ORPHAN = Difference.MISSING, Difference.CHANGED, Difference.ORPHAN
STRANGER = "5c0a6f1e-0000-4000-8000-00000000000{}"


async def test_what_is_true_is_not_found(scene: Any) -> None:
    """A device that holds what was acknowledged differs in nothing."""
    driver = await scene.driver()
    core = await scene.core(driver)
    await core.world()

    findings = await core.compare()

    assert (findings.found, findings.listed, findings.compared) == ([], 6, 6)
    assert findings.listed_kinds == {Kind.NETWORK, Kind.SUBNET, Kind.PORT}


async def test_what_differs_is_found_and_nothing_else(scene: Any) -> None:
    """Lost, changed and unknown resources are found, parents first; whatever the change, it is seen."""
    driver = await scene.driver()
    core = await scene.core(driver)
    tree, (lost, emptied, older, other, *_) = await core.world(6)
    driver.lose(lost, tree.subnets[0].id)
    driver.spoil(emptied)
    driver.spoil(older, driver.held[Kind.PORT, older][0].digest, revision=0)
    driver.spoil(other, b"x" * 32)
    stranger = driver.keep(Kind.NETWORK, STRANGER.format(1))

    findings = await core.compare()

    assert {(one.difference, one.resource_id) for one in findings.found} == {
        (ORPHAN, stranger),
        (MISSING, tree.subnets[0].id),
        (MISSING, lost),
        *((CHANGED, id) for id in (emptied, older, other)),
    }
    assert [one.kind for one in findings.found] == [Kind.NETWORK, Kind.SUBNET, *[Kind.PORT] * 4]
    assert not await core.rows_of(stranger)


async def test_change_of_a_subnet_is_no_difference_of_its_network(scene: Any) -> None:
    """A network whose revision has grown because of a subnet is told of at the old one, and that is right."""
    driver = await scene.driver()
    core = await scene.core(driver)
    tree, _ = await core.world(1)
    async with core.unit_of_work() as tx:
        await tx.networks.update(core.rows.network(id=tree.network.id, name=tree.network.name, revision_number=9))

    assert await core.differences() == set()


async def test_what_is_owed_is_not_judged(scene: Any) -> None:
    """A resource that the driver has yet to make true is neither missing nor changed."""
    driver = await scene.driver()
    core = await scene.core(driver)
    tree, _ = await core.world(1)
    driver.refuses = True
    await core.rename(tree.network, "new")
    late = (await core.network()).network.id
    await scene.eventually(lambda: len(driver.told) >= 5)
    driver.lose(tree.network.id)

    assert await core.differences() == set()
    assert late not in {id for _, id in driver.held}


async def test_what_is_acknowledged_while_the_devices_are_read_is_not_judged(scene: Any) -> None:
    """A listing says nothing of what was made true after it began."""
    driver = await scene.driver()
    core = await scene.core(driver)
    tree, _ = await core.world(1)

    async def go_on() -> None:
        await core.rename(tree.network, "new")
        await core.network()
        await core.until_paid()

    driver.in_listing = scene.once(go_on)

    assert await core.differences() == set()
    assert len(driver.held) == 4


async def test_what_was_acknowledged_in_the_future_is_judged(scene: Any) -> None:
    """A clock that was ahead and has been set back keeps nothing from being looked at."""
    driver = await scene.driver()
    core = await scene.core(driver)
    _, (lost, *_) = await core.world()
    async with core.database.writing() as connection:
        tomorrow = now() + timedelta(days=1)
        await connection.execute(sa.update(delivery.table).values(acknowledged_at=tomorrow))
    driver.lose(lost)

    assert await core.differences() == {(MISSING, lost)}


async def test_what_came_and_went_meanwhile_is_no_orphan(scene: Any) -> None:
    """What was created, listed, and deleted again while the devices were read is not there any more."""
    driver = await scene.driver()
    core = await scene.core(driver)
    await core.world(1)
    short: list[Any] = []

    async def create() -> None:
        short.append((await core.network()).network)
        await core.until_paid()

    async def delete() -> None:
        assert (Kind.NETWORK, short[0].id) in driver.held
        await core.delete(short[0])
        await core.until_paid()

    driver.before_listing, driver.in_listing = scene.once(create), scene.once(delete)

    assert await core.differences() == set()
    assert driver.listings == 2


async def test_what_is_deleted_meanwhile_is_no_orphan(scene: Any) -> None:
    """A listing that still names what was deleted after it began finds nothing."""
    driver = await scene.driver()
    core = await scene.core(driver)
    network = (await core.network()).network
    await core.until_paid()

    async def delete() -> None:
        await core.delete(network)
        await core.until_paid()

    driver.in_listing = scene.once(delete)

    assert await core.differences() == set()
    assert driver.listings == 1


async def test_unreachable_backend_makes_nothing_missing(scene: Any) -> None:
    """What is not listed may be on the backend that cannot be read; what is listed is judged all the same."""
    driver = await scene.driver()
    core = await scene.core(driver)
    _, (lost, spoiled, *_) = await core.world()
    stranger = driver.keep(Kind.PORT, STRANGER.format(1))
    driver.unreachable = [reconcile_pb2.Unreachable(backend="switch-2", reason="it reboots")]
    driver.lose(lost)
    driver.spoil(spoiled)

    findings = await core.compare()

    assert {(one.difference, one.resource_id) for one in findings.found} == {(CHANGED, spoiled), (ORPHAN, stranger)}
    assert [(one.backend, one.reason) for one in findings.unreachable] == [("switch-2", "it reboots")]


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.ABORTED])
async def test_listing_that_breaks_finds_nothing(scene: Any, code: grpc.StatusCode) -> None:
    """Half a listing is no listing, whatever the status that it ends with."""
    driver = await scene.driver(breaks_with=code)
    core = await scene.core(driver)
    await core.world()
    driver.held.clear()

    with pytest.raises(NoVerdict) as caught:
        await core.compare()

    assert caught.value.code == code.name


async def test_what_needs_nothing_on_a_device_is_not_missing(scene: Any) -> None:
    """What is not listed, and what the driver would do nothing for, is as it should be; what is lost is missed."""
    driver = await scene.driver(unlisted={Kind.SUBNET})
    core = await scene.core(driver)
    _, (lost, *_) = await core.world()

    assert await core.differences(listed_kinds=[*Kind]) == set()
    assert driver.dry_runs == 1
    driver.lose(lost)
    assert await core.differences() == {(MISSING, lost)}


async def test_dry_run_that_breaks_makes_nothing_less_missing(scene: Any) -> None:
    """Who cannot say what he would do is told again: that does no harm."""
    driver = await scene.driver(unlisted={Kind.SUBNET}, has_dry_runs=False)
    core = await scene.core(driver)
    tree, (lost, *_) = await core.world()
    driver.lose(lost)

    assert await core.differences() == {(MISSING, lost), (MISSING, tree.subnets[0].id)}


async def test_kind_that_was_never_listed_is_not_missed(scene: Any) -> None:
    """Without dry runs, nothing of a kind is missing until some of it was listed: a switch keeps nothing of subnets."""
    driver = await scene.driver(features=["list_owned"], unlisted={Kind.SUBNET})
    core = await scene.core(driver)
    tree, _ = await core.world()

    findings = await core.compare()
    assert (findings.found, findings.listed_kinds) == ([], {Kind.NETWORK, Kind.PORT})

    assert await core.differences(listed_kinds={Kind.SUBNET}) == {(MISSING, tree.subnets[0].id)}


async def test_last_of_a_listed_kind_is_missed(scene: Any) -> None:
    """A device that has nothing left of a kind that it used to list has lost it; that it did is stored."""
    driver = await scene.driver(features=["list_owned"])
    core = await scene.core(driver)
    tree, ports = await core.world(2)
    await core.audit()
    driver.held.clear()

    known = (await core.last_audit()).listed_kinds

    assert {id for _, id in await core.differences(listed_kinds=known)} == {
        tree.network.id,
        tree.subnets[0].id,
        *ports,
    }


async def test_resource_on_two_backends_is_right_if_it_is_on_both(scene: Any) -> None:
    """One of two switches that hold the same network has been changed by hand; the one that is right hides nothing."""
    driver = await scene.driver()
    core = await scene.core(driver)
    tree, _ = await core.world(1)
    key = Kind.NETWORK, tree.network.id
    (held,) = driver.held[key]
    other = held._replace(backend="switch-2")

    driver.held[key] = [held, other]
    findings = await core.compare()
    assert (findings.found, findings.listed) == ([], 3)

    for spoiled in ([held, other._replace(digest=b"")], [held._replace(digest=b""), other]):
        driver.held[key] = spoiled
        assert await core.differences() == {(CHANGED, tree.network.id)}


async def test_driver_that_hears_no_updates_is_judged_by_revision(scene: Any) -> None:
    """What it was told at creation is out of date by now, and nobody owes it anything newer."""
    driver = await scene.driver(actions=[change_pb2.ACTION_CREATE, change_pb2.ACTION_DELETE])
    core = await scene.core(driver)
    tree, _ = await core.world(1)
    await core.rename(tree.network, "new")

    assert await core.differences() == set()
    driver.spoil(tree.network.id)
    assert await core.differences() == {(CHANGED, tree.network.id)}


async def test_orphan_whose_end_nobody_may_tell_is_left_alone(scene: Any) -> None:
    """A driver that hears of no deletions is not told of any."""
    driver = await scene.driver(actions=[change_pb2.ACTION_CREATE, change_pb2.ACTION_UPDATE])
    core = await scene.core(driver)
    await core.world(1)
    driver.keep(Kind.PORT, STRANGER.format(1))

    assert await core.differences() == set()


async def test_what_names_no_resource_is_left_out(scene: Any) -> None:
    """Ids that the core could never have given out are nobody's."""
    driver = await scene.driver()
    core = await scene.core(driver)
    await core.world(1)
    driver.keep(Kind.PORT, "x" * 37)
    driver.keep(Kind.PORT, "line\nbreak")

    assert await core.differences() == set()


async def test_attribute_that_the_driver_set_itself_is_no_change(scene: Any) -> None:
    """A value that came with the acknowledgement was not known when the driver was told, and nobody is owed it."""
    schema = driver_pb2.AttributeSchema(
        kind=change_pb2.RESOURCE_KIND_PORT, name="rack", json_schema=b'{"type": "string"}', read_only=True
    )
    driver = await scene.driver(
        features=["list_owned", "attributes"],
        declares={"schema_digest": b"digest"},
        schemas=[schema],
    )
    core = await scene.core(driver)
    tree = await core.network()
    await core.until_paid()
    driver.sets = {"rack": b'"r1"'}
    (port,) = await core.ports(tree, 1)
    await core.until_paid()
    async with core.unit_of_work.reading() as tables:
        assert await tables.vendor_attributes.list(Kind.PORT, [port]) == {port: {("a", "rack"): b'"r1"'}}

    assert await core.differences() == set()

    # Now it is told with the old value, and answers with a new one.
    driver.sets = {"rack": b'"r2"'}
    await core.rename_port(tree, port, "moved")
    await core.until_paid()

    assert await core.differences() == set()


async def test_driver_that_cannot_list_is_not_asked(scene: Any) -> None:
    """Without the feature there is no call."""
    driver = await scene.driver(features=["diff"])
    core = await scene.core(driver)

    with pytest.raises(NoVerdict, match="does not tell what is on its devices"):
        await core.compare()

    assert driver.listings == 0
