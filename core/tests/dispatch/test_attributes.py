"""Vendor attributes on their way to drivers, and back."""

from collections.abc import Callable
from typing import Any

import pytest
from jackfield.driver.v1 import change_pb2, driver_pb2, mechanism_pb2
from jackfield_core.db.tree import load_trees
from jackfield_core.db.unit_of_work import Change
from jackfield_core.types import Action, Kind
from jackfield_sdk import Attribute, Done
from jackfield_sdk.resources import Kind as SdkKind
from msgspec.structs import replace

COLOUR = Attribute(SdkKind.NETWORK, "colour", {"enum": ["red", "blue"]})
RACK = Attribute(SdkKind.NETWORK, "rack", {"type": "integer"}, read_only=True)


@pytest.fixture
def driver(scene: Any) -> Callable[..., Any]:
    """Start drivers that declare attributes of networks."""

    async def start(name: str, *attributes: Attribute) -> Any:
        driver = await scene.driver(name, up=False)
        driver.attributes = attributes
        await driver.up()
        return driver

    return start


async def paint(core: Any, network: Any, values: Any) -> Any:
    """Write attributes of a network, as a user would."""
    after = replace(network, revision_number=network.revision_number + 1)
    async with core.unit_of_work() as tx:
        tree = (await load_trees(tx.connection, [network.id]))[network.id]
        await tx.networks.update(after)
        change = Change(Kind.NETWORK, Action.UPDATE, after, network, replace(tree, network=after), original_tree=tree)
        change.new_attributes = values
        tx.record(await tx.recall(change))
    return after


async def stored(core: Any, network: Any) -> Any:
    """Return what is stored with a network."""
    async with core.unit_of_work.reading() as tables:
        return (await tables.vendor_attributes.list(Kind.NETWORK, [network.id])).get(network.id, {})


async def test_driver_is_told_of_its_own_attributes_only(scene: Any, driver: Any) -> None:
    """Two drivers may call theirs the same; one that has none hears of none; and the end carries the last values."""
    drivers = await driver("a", COLOUR), await driver("b", COLOUR, RACK), await driver("c")
    core = await scene.core(*drivers)
    network = (await core.network()).network
    await core.until_paid()
    network = await paint(core, network, {("a", "colour"): b'"red"', ("b", "colour"): b'"blue"', ("b", "rack"): b"4"})
    await core.until_paid()
    await core.delete(network)
    await core.until_paid()

    told = [[dict(context.attributes) for context in driver.told(kind="network")] for driver in drivers]
    assert told == [
        [{}, {"colour": "red"}, {"colour": "red"}],
        [{}, {"colour": "blue", "rack": 4}, {"colour": "blue", "rack": 4}],
        [{}, {}, {}],
    ]
    assert await stored(core, network) == {}


async def test_digest_covers_the_attributes(scene: Any, driver: Any) -> None:
    """Another value is another digest, for the driver that it belongs to; without values it is that of the resource."""
    mine, other = await driver("a", COLOUR), await driver("b", COLOUR)
    core = await scene.core(mine, other)
    network = (await core.network()).network
    await core.until_paid()
    digests = [[one.told()[-1].digest for one in (mine, other)]]
    for value in (b'"red"', b'"blue"', b"null"):
        await paint(core, network, {("a", "colour"): value})
        await core.until_paid()
        digests.append([one.told()[-1].digest for one in (mine, other)])

    assert len({digest for digest, _ in digests}) == 3
    assert digests[0] == digests[-1]
    assert [mine == other for mine, other in digests] == [True, False, False, True]


async def test_what_a_driver_sets_is_kept_with_its_acknowledgement(scene: Any, driver: Any) -> None:
    """It is stored under the driver's name, and neither raises a revision nor is owed to anybody."""
    fabric = await driver("a", COLOUR, RACK)
    core = await scene.core(fabric)
    fabric.script.answer("create_network_postcommit", Done(attributes={"rack": 7, "colour": "red"}))
    network = (await core.network()).network
    await core.until_paid()

    assert await stored(core, network) == {("a", "colour"): b'"red"', ("a", "rack"): b"7"}
    (debt,) = await core.debts("a", owed=False)
    assert debt.acknowledged_revision == debt.desired_revision == network.revision_number
    assert len(fabric.told()) == 1


@pytest.mark.parametrize(
    "attributes", [{"size": b"1"}, {"colour": b'"green"'}, {"colour": b"{"}], ids=["unknown", "against", "no JSON"]
)
async def test_attribute_that_was_not_declared_so_is_garbage(scene: Any, attributes: Any) -> None:
    """Nothing of such an answer is believed: neither the value nor that the change is true."""
    declared = driver_pb2.AttributeSchema(
        kind=change_pb2.RESOURCE_KIND_NETWORK, name="colour", json_schema=b'{"enum": ["red"]}'
    )
    declares = {"features": ["attributes"], "schema_digest": b"digest"}
    fabric = await scene.raw_driver("a", schemas=[declared], declares=declares)

    async def answer(request: Any, _context: Any) -> Any:
        done = [
            mechanism_pb2.PostcommitResult(
                change_id=one.change_id, done=mechanism_pb2.Done(revision=one.revision, attributes=attributes)
            )
            for one in request.changes
        ]
        return mechanism_pb2.PostcommitResponse(results=done)

    fabric.answer = answer
    core = await scene.core(fabric)
    network = (await core.network()).network

    async def failed() -> Any:
        return [debt for debt in await core.debts("a") if debt.attempts]

    (debt,) = await scene.eventually(failed)
    assert debt.reason == "GARBAGE"
    assert await stored(core, network) == {}
    fabric.answer = fabric.good
    await core.until_paid()


async def test_values_survive_a_version_that_does_not_know_them(scene: Any, driver: Any) -> None:
    """A driver that is rolled back is told nothing of what it never declared, and finds it when it is back."""
    fabric = await driver("a", COLOUR)
    core = await scene.core(fabric)
    network = (await core.network()).network
    await core.until_paid()
    network = await paint(core, network, {("a", "colour"): b'"red"'})
    await core.until_paid()

    for attributes, expected in (((), {}), ((COLOUR,), {"colour": "red"})):
        await fabric.down()
        fabric.attributes = attributes
        await fabric.up()
        await core.until_ready("a")
        network = await core.rename(network, f"with {len(attributes)}")
        await core.until_paid()
        assert dict(fabric.told()[-1].attributes) == expected
