"""Devices that hold revisions that the database does not know, because it was restored from an older copy."""

from collections.abc import Mapping
from typing import Any

import pytest
from jackfield.driver.v1 import change_pb2, mechanism_pb2
from jackfield_core.dispatch.ahead import MOST_AHEAD, MOST_TIMES
from jackfield_core.mechanism.entry import Condition
from prometheus_client import REGISTRY


class Device:
    """Holds a revision of each resource, and takes only what is higher, as the contract wants it."""

    def __init__(self) -> None:
        self.held: dict[str, int] = {}
        self.names: dict[str, str] = {}

    async def answer(self, request: Any, _context: Any) -> mechanism_pb2.PostcommitResponse:
        """Answer a Postcommit."""
        done = {change.change_id: mechanism_pb2.Done(revision=self._take(change)) for change in request.changes}
        return _response(done)

    def _take(self, change: Any) -> int:
        held = self.held.get(change.id, 0)
        if held > change.revision:
            return held
        if change.action == change_pb2.ACTION_DELETE:
            self.held.pop(change.id, None)
        else:
            self.held[change.id] = change.revision
            self.names[change.id] = getattr(change.current, change.current.WhichOneof("resource")).name
        return int(change.revision)


def _response(done: Mapping[str, mechanism_pb2.Done]) -> mechanism_pb2.PostcommitResponse:
    results = [mechanism_pb2.PostcommitResult(change_id=id, done=answer) for id, answer in done.items()]
    return mechanism_pb2.PostcommitResponse(results=results)


def counted(driver: str) -> float:
    """Return how often something of a driver was raised."""
    return REGISTRY.get_sample_value("jackfield_delivery_ahead_total", {"driver": driver}) or 0.0


async def test_device_that_is_ahead_becomes_true_to_the_database(scene: Any) -> None:
    """Network and port are raised above what the device holds and told again; nobody is quarantined."""
    device = Device()
    driver = await scene.raw_driver(answer=device.answer)
    core = await scene.core(driver)
    tree = await core.network()
    port = await core.port(tree)
    await core.until_paid()
    device.held = {tree.network.id: 9, port.id: 40}
    before = counted("a")

    await core.rename(tree.network, "restored")
    await core.rename(port, "restored too")
    await core.until_paid()

    assert device.held == {tree.network.id: 10, port.id: 41}
    assert device.names == {tree.network.id: "restored", port.id: "restored too"}
    assert {debt.acknowledged_revision for debt in await core.debts(owed=None)} == {10, 41}
    # The next change of a user has to be higher still.
    assert [(await core.find(one)).revision_number for one in (tree.network, port)] == [10, 41]
    assert core.registry.entry("a").condition is Condition.READY
    assert counted("a") - before == 2


async def test_deletion_is_raised_above_what_a_device_holds(scene: Any) -> None:
    """What is deleted goes also from a device that knows a newer revision of it."""
    device = Device()
    driver = await scene.raw_driver(answer=device.answer)
    core = await scene.core(driver)
    tree = await core.network()
    await core.until_paid()
    device.held[tree.network.id] = 9

    await core.delete(tree.network)
    await core.until_paid()

    assert device.held == {}
    assert await core.debts(owed=None) == []


async def test_all_drivers_are_told_of_a_raised_revision(scene: Any) -> None:
    """The revisions of one resource stay the same for all: whoever reports one, reports the newest."""
    device, other = Device(), Device()
    a = await scene.raw_driver("a", answer=device.answer)
    b = await scene.raw_driver("b", answer=other.answer)
    core = await scene.core(a, b)
    tree = await core.network()
    await core.until_paid()
    device.held[tree.network.id] = 9

    await core.rename(tree.network, "restored")
    await core.until_paid()

    assert device.held == other.held == {tree.network.id: 10}


async def test_dispatchers_that_raise_the_same_at_once_come_to_one_revision(scene: Any) -> None:
    """Two processes, two drivers that are ahead in all ports by different revisions: all agree in the end."""
    if not scene.database.is_postgresql:
        pytest.skip("SQLite has room for one dispatcher")
    devices = {"a": Device(), "b": Device()}
    drivers = [await scene.raw_driver(name, answer=device.answer, max_batch=7) for name, device in devices.items()]
    cores = [await scene.core(*drivers, order_hold=0.01) for _ in range(2)]
    tree = await cores[0].network()
    ports = await cores[0].ports(tree, 24)
    await cores[0].until_paid()
    devices["a"].held = {port.id: 10 + number % 3 for number, port in enumerate(ports)}
    devices["b"].held = {port.id: 10 + number % 5 for number, port in enumerate(ports)}

    for number, port in enumerate(ports):
        await cores[number % 2].rename(port, "restored")
    await cores[0].until_paid()

    desired = {debt.resource_id: debt.desired_revision for debt in await cores[0].debts("a", owed=None)}
    for device in devices.values():
        assert {id: device.held[id] for id in desired if id != tree.network.id} == {
            id: revision for id, revision in desired.items() if id != tree.network.id
        }
        assert {device.names[port.id] for port in ports} == {"restored"}
    assert all(core.registry.entry(name).condition is Condition.READY for core in cores for name in devices)


async def test_driver_that_makes_revisions_up_is_quarantined(scene: Any) -> None:
    """Always one more than it was sent: that is believed a few times, and the revision does not run away."""

    async def higher(request: Any, _context: Any) -> mechanism_pb2.PostcommitResponse:
        return _response(
            {change.change_id: mechanism_pb2.Done(revision=change.revision + 1) for change in request.changes}
        )

    driver = await scene.raw_driver(answer=higher)
    core = await scene.core(driver)
    tree = await core.network()

    await scene.eventually(lambda: core.registry.entry("a").condition is Condition.QUARANTINED)

    assert "after it was raised 3 times" in core.registry.entry("a").reason
    [debt] = await core.debts()
    assert debt.desired_revision == 1 + 2 * MOST_TIMES
    assert (await core.find(tree.network)).revision_number == debt.desired_revision


@pytest.mark.parametrize("too_far", [MOST_AHEAD + 1, 2**62])
async def test_driver_that_is_ahead_by_more_than_any_copy_is_quarantined(scene: Any, too_far: int) -> None:
    """No backup is that old, and a revision that was raised so far could never be raised again."""

    async def absurd(request: Any, _context: Any) -> mechanism_pb2.PostcommitResponse:
        return _response(
            {change.change_id: mechanism_pb2.Done(revision=change.revision + too_far) for change in request.changes}
        )

    driver = await scene.raw_driver(answer=absurd)
    core = await scene.core(driver)
    tree = await core.network()

    await scene.eventually(lambda: core.registry.entry("a").condition is Condition.QUARANTINED)

    assert [debt.desired_revision for debt in await core.debts()] == [1]
    assert (await core.find(tree.network)).revision_number == 1
