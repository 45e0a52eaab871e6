"""Levels whose segments are allocated while a port is bound."""

import asyncio

from jackfield_core.binding.dynamic import NUMBERS
from jackfield_core.types import BINDING_FAILED, BindingLevel
from jackfield_sdk import NextLevel, Skip


def descend(context):
    """Bind the fabric's part and ask for a VLAN at the leaf."""
    return NextLevel(context.segments[0].id, "vlan", "leaf1")


async def test_two_levels_share_one_dynamic_segment(yard, bind, creditors):
    """The fabric's driver gets a VLAN for the leaf, the host's driver binds it, and the next port reuses it."""
    fabric = yard.driver("fabric", descend, network_types=["vxlan"])
    ovs = yard.driver("ovs", yard.binds(), network_types=["vlan"])
    binder = await yard.binder(fabric, ovs)
    creditors.drivers = [fabric.name]
    tree = await yard.network("vxlan")

    first = await bind(binder, tree)
    second = await bind(binder, tree)

    stored = await yard.reload(tree.network.id)
    assert first.tree == second.tree == stored
    overlay, leaf = stored.segments
    assert (leaf.network_type, leaf.physical_network, leaf.is_dynamic) == ("vlan", "leaf1", True)
    assert leaf.segmentation_id in (100, 101)
    assert (
        first.levels
        == second.levels
        == (
            BindingLevel(0, fabric.name, overlay.id),
            BindingLevel(1, ovs.name, leaf.id),
        )
    )
    assert first.binding.vif_details["bound_drivers"] == {"0": fabric.name, "1": ovs.name}
    assert stored.network.revision_number == tree.network.revision_number + 1
    assert ovs.asked[0].bound_levels[0].driver == fabric.name
    async with yard.unit_of_work.reading() as tables:
        (debt,) = await tables.deliveries.list(driver=fabric.name)
    assert (debt.resource_id, debt.desired_revision) == (tree.network.id, stored.network.revision_number)


async def test_dynamic_segments_are_not_offered_at_the_top(yard, bind):
    """A segment between switch and host is nothing that the network itself could be bound to."""
    fabric = yard.driver("fabric", descend, network_types=["vxlan"])
    ovs = yard.driver("ovs", yard.binds(), network_types=["vlan"])
    binder = await yard.binder(ovs, fabric)
    tree = (await bind(binder, await yard.network("vxlan"))).tree
    assert len(tree.segments) == 2

    outcome = await bind(binder, tree)

    assert [level.driver for level in outcome.levels] == [fabric.name, ovs.name]


async def test_bindings_at_once_get_one_dynamic_segment(yard):
    """Ports of one network that are bound at the same time on many hosts share the segment."""
    fabric = yard.driver("fabric", descend, network_types=["vxlan"])
    ovs = yard.driver("ovs", yard.binds(), network_types=["vlan"])
    binder = await yard.binder(fabric, ovs)
    tree = await yard.network("vxlan")
    requests = [yard.request(tree, host=f"host-{n}") for n in range(8)]

    outcomes = await asyncio.gather(*(binder.bind([request]) for request in requests))

    leaves = {outcome.levels[1].segment_id for bound in outcomes for outcome in bound.values()}
    assert len(leaves) == 1
    assert len((await yard.reload(tree.network.id)).segments) == 2


async def test_full_pool_is_a_reason(yard, bind):
    """When no VLAN is left for the leaf, the binding has failed and says so; nothing is left behind."""
    fabric = yard.driver("fabric", descend, network_types=["vxlan"])
    ovs = yard.driver("ovs", yard.binds(), network_types=["vlan"])
    binder = await yard.binder(fabric, ovs)
    for _ in range(2):
        await bind(binder, await yard.network("vxlan"))
    tree = await yard.network("vxlan")

    outcome = await bind(binder, tree)

    assert outcome.binding.vif_type == BINDING_FAILED
    wanted = 'no segment for the next level: all 2 numbers of vlan on physical_network "leaf1" are in use'
    assert yard.reasons(outcome)[fabric.name] == wanted
    assert await yard.reload(tree.network.id) == tree


async def test_type_that_nobody_has_is_a_reason(yard, bind):
    """A driver that wants a network type without a type driver is given up."""
    fabric = yard.driver("fabric", lambda context: NextLevel(context.segments[0].id, "token-ring"))
    binder = await yard.binder(fabric)

    outcome = await bind(binder, await yard.network())

    assert "token-ring" in yard.reasons(outcome)[fabric.name]


async def test_network_that_is_gone_is_a_reason(yard, bind):
    """A network that is deleted while a port is bound fails the binding, not the core."""
    fabric = yard.driver("fabric", descend)
    binder = await yard.binder(fabric)
    tree = await yard.network()
    async with yard.unit_of_work() as tx:
        await tx.networks.purge([tree.network.id])

    outcome = await bind(binder, tree)

    assert "could not be found" in yard.reasons(outcome)[fabric.name]


async def test_number_that_a_driver_refuses_is_not_given(yard, bind):
    """A new segment is judged like any change of its network, and another number is tried for one that is refused."""
    fabric = yard.driver("fabric", descend, network_types=["vxlan"])
    strict = yard.strict_driver("strict", lambda _: Skip("no"), refusals=3)
    ovs = yard.driver("ovs", yard.binds(), network_types=["vlan"])
    binder = await yard.binder(fabric, strict, ovs)

    outcome = await bind(binder, await yard.network("vxlan"))

    assert len(strict.shown) == 4
    assert outcome.tree.segments[1].segmentation_id == strict.shown[-1]
    assert outcome.tree == await yard.reload(outcome.tree.network.id)
    assert outcome.binding.vif_type == "ovs"


async def test_driver_may_refuse_all_dynamic_segments(yard, bind):
    """Of what is refused nothing is kept, and it is said why."""
    fabric = yard.driver("fabric", descend, network_types=["vxlan"])
    strict = yard.strict_driver("strict", lambda _: Skip("no"), refusals=99)
    ovs = yard.driver("ovs", yard.binds(), network_types=["vlan"])
    binder = await yard.binder(fabric, strict, ovs)
    tree = await yard.network("vxlan")

    outcome = await bind(binder, tree)

    assert outcome.binding.vif_type == BINDING_FAILED
    assert len(strict.shown) == NUMBERS
    assert f"VLAN {strict.shown[-1]} is reserved on switch leaf1" in yard.reasons(outcome)[fabric.name]
    assert await yard.reload(tree.network.id) == tree


async def test_segment_that_is_too_small_for_the_network_is_a_reason(yard, bind):
    """Packets of the network have to fit through the rack: a binding that would lose the long ones is no binding."""
    fabric = yard.driver("fabric", descend, network_types=["vxlan"])
    ovs = yard.driver("ovs", yard.binds(), network_types=["vlan"])
    binder = await yard.binder(fabric, ovs, physical_network_mtus={"leaf1": 1400})
    tree = await yard.network("vxlan")

    outcome = await bind(binder, tree)

    said = yard.reasons(outcome)[fabric.name]
    assert 'on physical_network "leaf1" carries packets of 1400 bytes at most' in said
    assert f"the MTU of network {tree.network.id} is 1450" in said
    assert await yard.reload(tree.network.id) == tree


async def test_reasons_name_the_level_and_its_segment(yard, bind):
    """A binding that fails below the top says at which level, of which segment, and who said so there."""
    fabric = yard.driver("fabric", descend, network_types=["vxlan"])
    ovs = yard.driver("ovs", lambda _: Skip("no agent on host-1"), network_types=["vlan"])
    binder = await yard.binder(fabric, ovs)

    outcome = await bind(binder, await yard.network("vxlan"))

    leaf = outcome.tree.segments[1]
    assert outcome.binding.failures[1:] == (
        {"driver": ovs.name, "level": 1, "segment_id": leaf.id, "reason": "no agent on host-1"},
        {"driver": ovs.name, "level": 0, "reason": "it does not bind the network types of this level: vxlan"},
    )
