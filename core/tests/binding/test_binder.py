"""Ports are bound by real drivers over real sockets."""

import asyncio
import time
import uuid

import pytest
from jackfield_core.binding.dynamic import NUMBERS
from jackfield_core.db.agent import Agent
from jackfield_core.db.base import now
from jackfield_core.types import BINDING_FAILED, BindingLevel
from jackfield_sdk import NextLevel, Skip, Veto


async def hang(_context):
    """Never answer."""
    await asyncio.Event().wait()


def descend(context):
    """Bind the fabric's part and ask for a VLAN at the leaf."""
    return NextLevel(context.segments[0].id, "vlan", "leaf1")


def reasons(outcome):
    """Return why each driver did not bind."""
    return {failure["driver"]: failure["reason"] for failure in outcome.binding.failures}


@pytest.fixture
def bind(yard):
    """Return a function that binds one new port of a network and returns the outcome."""

    async def bind(binder, tree, **binding):
        request = yard.request(tree, **binding)
        return (await binder.bind([request]))[request.port.id]

    return bind


async def test_bound_port_says_how(yard, bind):
    """The outcome names VIF type, details, the driver of each level, and the segment."""
    ovs = yard.driver("ovs", yard.binds(vif_details={"port_filter": True}))
    binder = await yard.binder(ovs)
    tree = await yard.network()

    outcome = await bind(binder, tree, profile={"a": 1})

    assert outcome.levels == (BindingLevel(0, ovs.name, tree.segments[0].id),)
    assert outcome.binding.vif_type == "ovs"
    assert outcome.binding.vif_details == {"port_filter": True, "bound_drivers": {"0": ovs.name}}
    assert outcome.binding.profile == {"a": 1}
    assert outcome.binding.host == "host-1"
    assert outcome.binding.wiring == "unknown"
    assert not outcome.wired
    assert outcome.tree is tree
    assert ovs.asked[0].port.binding.profile == {"a": 1}


async def test_port_that_nothing_has_to_wire_is_up(yard, bind):
    """A driver that needs nobody on the host says so."""
    binder = await yard.binder(yard.driver("sriov", yard.binds("hw_veb", wired=True)))

    outcome = await bind(binder, await yard.network())

    assert outcome.wired
    assert outcome.binding.wiring == "up"


async def test_drivers_are_asked_in_the_configured_order(yard, bind):
    """The first driver that binds wins; those before it have said why not, and those after it are not asked."""
    first, second = yard.driver("z-first", lambda _: Skip("not mine")), yard.driver("m-second", yard.binds())
    third = yard.driver("a-third", yard.binds())
    binder = await yard.binder(first, second, third)

    outcome = await bind(binder, await yard.network())

    assert outcome.levels[0].driver == second.name
    assert (len(first.asked), len(second.asked), len(third.asked)) == (1, 1, 0)
    assert reasons(outcome) == {first.name: "not mine"}


async def test_failed_binding_says_who_and_why(yard, bind):
    """When nobody binds, every driver's reason is part of the binding."""
    skips = yard.driver("skips", lambda _: Skip("no agent on host-1"))
    broken = yard.driver("broken", lambda _: 1 / 0)
    vlan = yard.driver("vlan", yard.binds(), network_types=["vlan"])
    binder = await yard.binder(skips, broken, vlan)

    outcome = await bind(binder, await yard.network("vxlan"))

    assert outcome.binding.vif_type == BINDING_FAILED
    assert outcome.binding.vif_details == {}
    assert outcome.levels == ()
    found = reasons(outcome)
    assert found[skips.name] == "no agent on host-1"
    assert found[broken.name]
    assert "division" not in found[broken.name]
    assert found[vlan.name] == "it does not bind the network types of this level: vxlan"
    assert vlan.asked == []


async def test_veto_stops_the_binding(yard, bind):
    """After a veto no other driver is asked."""
    strict, willing = yard.driver("strict", lambda _: Veto("the host is locked")), yard.driver("ovs", yard.binds())
    binder = await yard.binder(strict, willing)

    outcome = await bind(binder, await yard.network())

    assert outcome.binding.vif_type == BINDING_FAILED
    assert reasons(outcome) == {strict.name: "the host is locked"}
    assert willing.asked == []


async def test_driver_that_went_down_is_passed_over(yard, bind):
    """A driver without a connection costs no time and leaves its reason."""
    gone, willing = yard.driver("gone", yard.binds()), yard.driver("ovs", yard.binds())
    binder = await yard.binder(gone, willing, bind_timeout=60.0, bind_budget=120.0)
    await yard.stop(gone)

    started = time.monotonic()
    outcome = await bind(binder, await yard.network())

    assert outcome.levels[0].driver == willing.name
    assert time.monotonic() - started < 20


async def test_driver_that_never_came_is_not_asked(yard, bind):
    """A configured driver that nobody heard of binds nothing and stops nobody."""
    never, willing = yard.driver("never", yard.binds()), yard.driver("ovs", yard.binds())
    binder = await yard.binder(never, willing, down=[never])

    assert (await bind(binder, await yard.network())).levels[0].driver == willing.name


async def test_slow_driver_costs_one_timeout(yard, bind):
    """A driver that hangs is given up after its time, and the next one binds."""
    slow, willing = yard.driver("slow", hang), yard.driver("ovs", yard.binds())
    binder = await yard.binder(slow, willing, bind_timeout=0.3)
    tree = await yard.network()

    started = time.monotonic()
    outcome = await bind(binder, tree)

    assert 0.25 < time.monotonic() - started < 20
    assert outcome.levels[0].driver == willing.name


async def test_binding_as_a_whole_has_a_budget(yard, bind):
    """Many slow drivers together cost no more than the budget; then the binding has failed."""
    slow = [yard.driver(f"slow{n}", hang) for n in range(6)]
    binder = await yard.binder(*slow, bind_timeout=0.2, bind_budget=0.5)
    tree = await yard.network()

    started = time.monotonic()
    outcome = await bind(binder, tree)

    assert time.monotonic() - started < 20
    assert outcome.binding.vif_type == BINDING_FAILED
    *earlier, last = outcome.binding.failures
    # On a busy machine fewer of them have their turn.
    assert [one["driver"] for one in (*earlier, last)] == [driver.name for driver in slow[: len(earlier) + 1]]
    assert last["reason"] == "the time for binding was over"
    assert all(one["reason"] not in ("", last["reason"]) for one in earlier)


async def test_ports_of_one_host_are_one_call(yard):
    """Twenty ports of two networks on two hosts cost one call for each host, and each gets its own answer."""
    ovs = yard.driver(
        "ovs", lambda context: Skip("odd") if context.port.binding.profile["odd"] else yard.binds()(context)
    )
    binder = await yard.binder(ovs)
    trees = [await yard.network(), await yard.network()]
    requests = [yard.request(trees[n % 2], host=f"host-{n % 4 // 2}", profile={"odd": n % 3 == 0}) for n in range(20)]

    outcomes = await binder.bind(requests)

    assert ovs.calls == 2
    assert len(ovs.asked) == 20
    for n, request in enumerate(requests):
        outcome = outcomes[request.port.id]
        assert outcome.binding.vif_type == (BINDING_FAILED if n % 3 == 0 else "ovs")
        assert not outcome.levels or outcome.levels[0].segment_id == trees[n % 2].segments[0].id


async def test_driver_learns_what_the_host_can_do(yard, bind):
    """The agents of the host, alive or not, come with the question."""
    ovs = yard.driver("ovs", yard.binds())
    binder = await yard.binder(ovs)
    at = now()
    agent = Agent(
        str(uuid.uuid4()), "Open vSwitch agent", "host-1", "b", "1", "ovs", "", True, {"leaf1": "br-1"}, ("vxlan",),
        "198.51.100.1", ("ovs",), {"x": 1}, (), at, at, at,
    )  # fmt: skip
    async with yard.unit_of_work() as tx:
        await tx.agents.save(agent)

    await bind(binder, await yard.network())

    (told,) = ovs.asked[0].host.agents
    assert ovs.asked[0].host.name == "host-1"
    assert told.alive
    assert told.physical_networks == {"leaf1"}
    assert told.tunnel_ip == "198.51.100.1"


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
    assert reasons(outcome)[fabric.name] == wanted
    assert await yard.reload(tree.network.id) == tree


async def test_type_that_nobody_has_is_a_reason(yard, bind):
    """A driver that wants a network type without a type driver is given up."""
    fabric = yard.driver("fabric", lambda context: NextLevel(context.segments[0].id, "token-ring"))
    binder = await yard.binder(fabric)

    outcome = await bind(binder, await yard.network())

    assert "token-ring" in reasons(outcome)[fabric.name]


async def test_network_that_is_gone_is_a_reason(yard, bind):
    """A network that is deleted while a port is bound fails the binding, not the core."""
    fabric = yard.driver("fabric", descend)
    binder = await yard.binder(fabric)
    tree = await yard.network()
    async with yard.unit_of_work() as tx:
        await tx.networks.purge([tree.network.id])

    outcome = await bind(binder, tree)

    assert "could not be found" in reasons(outcome)[fabric.name]


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
    assert f"VLAN {strict.shown[-1]} is reserved on switch leaf1" in reasons(outcome)[fabric.name]
    assert await yard.reload(tree.network.id) == tree


async def test_segment_that_is_too_small_for_the_network_is_a_reason(yard, bind):
    """Packets of the network have to fit through the rack: a binding that would lose the long ones is no binding."""
    fabric = yard.driver("fabric", descend, network_types=["vxlan"])
    ovs = yard.driver("ovs", yard.binds(), network_types=["vlan"])
    binder = await yard.binder(fabric, ovs, physical_network_mtus={"leaf1": 1400})
    tree = await yard.network("vxlan")

    outcome = await bind(binder, tree)

    said = reasons(outcome)[fabric.name]
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
