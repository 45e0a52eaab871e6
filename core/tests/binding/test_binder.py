"""Ports are bound by real drivers over real sockets."""

import asyncio
import time
import uuid

from jackfield_core.db.agent import Agent
from jackfield_core.db.base import now
from jackfield_core.types import BINDING_FAILED, BindingLevel
from jackfield_sdk import Skip, Veto
from support.waiting import eventually


async def hang(_context):
    """Never answer."""
    await asyncio.Event().wait()


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
    assert yard.reasons(outcome) == {first.name: "not mine"}


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
    found = yard.reasons(outcome)
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
    assert yard.reasons(outcome) == {strict.name: "the host is locked"}
    assert willing.asked == []


async def test_driver_that_went_down_is_passed_over(yard, bind):
    """A driver without a connection costs no time and leaves its reason."""
    gone, willing = yard.driver("gone", yard.binds()), yard.driver("ovs", yard.binds())
    # A test that waited for either would be ended by its own time limit.
    binder = await yard.binder(gone, willing, bind_timeout=3600.0, bind_budget=3600.0)
    await yard.stop(gone)

    outcome = await bind(binder, await yard.network())

    assert outcome.levels[0].driver == willing.name
    assert yard.reasons(outcome)[gone.name].startswith("it is connecting")


async def test_driver_that_never_came_is_not_asked(yard, bind):
    """A configured driver that nobody heard of binds nothing and stops nobody."""
    never, willing = yard.driver("never", yard.binds()), yard.driver("ovs", yard.binds())
    binder = await yard.binder(never, willing, down=[never])

    assert (await bind(binder, await yard.network())).levels[0].driver == willing.name


async def test_slow_driver_costs_one_timeout(yard, bind):
    """A driver that hangs is given up after its time, and the next one binds."""
    slow, willing = yard.driver("slow", hang), yard.driver("ovs", yard.binds())
    binder = await yard.binder(slow, willing, bind_timeout=0.3, bind_budget=3600.0)
    tree = await yard.network()
    attempts = 0

    async def bound():
        nonlocal attempts
        attempts += 1
        outcome = await bind(binder, tree)
        return outcome if outcome.levels else None

    started = time.monotonic()
    # On a busy machine the willing one may be late too, and then it is for whoever tries again.
    outcome = await eventually(bound)

    assert time.monotonic() - started > 0.25
    assert len(slow.asked) <= attempts
    assert yard.reasons(outcome)[slow.name].startswith("DEADLINE_EXCEEDED")
    assert outcome.levels[0].driver == willing.name


async def test_binding_as_a_whole_has_a_budget(yard, bind):
    """Many slow drivers together cost no more than the budget; then the binding has failed."""
    slow = [yard.driver(f"slow{n}", hang) for n in range(6)]
    binder = await yard.binder(*slow, bind_timeout=0.2, bind_budget=0.5)
    tree = await yard.network()

    outcome = await bind(binder, tree)

    # Each of them takes a fifth of a second at least, so half a second is over before the fourth.
    assert [len(driver.asked) for driver in slow[3:]] == [0, 0, 0]
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
