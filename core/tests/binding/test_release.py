"""A dynamic segment is there as long as somebody counts on it, and its number as long as a device may have it."""

import pytest
from jackfield_core.errors import Conflict, Invalid
from jackfield_core.services.port_binding import BindingSpec
from jackfield_core.services.spec import NetworkUpdate
from jackfield_core.types import BINDING_FAILED, FixedIpRequest
from support.silent_cloud import CTX

NOVA = {"device_owner": "compute:nova", "device_id": "server"}


async def test_the_last_port_of_a_rack_takes_the_segment_with_it(racks):
    """It leaves the network when drivers have let go of the ports, and its number is free when they know of that."""
    first, second = await racks.port("host-1"), await racks.port("host-2")
    await racks.pay()
    await racks.delete(first)
    await racks.pay()
    await racks.look()
    assert await racks.leaves() == ["leaf1"]

    await racks.delete(second)
    await racks.pay("a")
    await racks.look()
    assert await racks.leaves() == ["leaf1"], '"b" is yet to be told which VLAN the port was on'

    await racks.pay("b")
    before = (await racks.tree()).network.revision_number
    await racks.look()
    assert (await racks.leaves(), await racks.vlans()) == ([], 1)
    assert (await racks.tree()).network.revision_number == before + 1

    await racks.pay("a")
    assert await racks.vlans() == 1
    await racks.pay("b")
    assert await racks.vlans() == 0


async def test_nothing_that_is_in_use_is_touched(racks):
    """To look changes neither the network nor what drivers are owed, however often."""
    await racks.port("host-1")
    await racks.port("host-3")
    await racks.pay()
    before = await racks.tree()

    for _ in range(3):
        await racks.look()

    assert await racks.tree() == before
    assert await racks.leaves() == ["leaf1", "leaf2"]


async def test_a_port_that_moves_to_another_rack_leaves_its_segment(racks):
    """The new rack's segment is there at once, and the old one goes when drivers know where the port is."""
    port = await racks.port("host-1")
    await racks.pay()
    await racks.move(port, "host-3")
    await racks.look()
    assert await racks.leaves() == ["leaf1", "leaf2"], "drivers still have the port on leaf1"

    await racks.pay()
    await racks.look()

    assert await racks.leaves() == ["leaf2"]


async def test_a_port_that_is_taken_off_its_host_leaves_its_segment(racks):
    """To be bound nowhere is to count on nothing; to be bound again is to have a segment again."""
    port = await racks.port("host-1")
    await racks.pay()
    await racks.move(port, "")
    await racks.pay()
    await racks.look()
    assert await racks.leaves() == []

    await racks.move(port, "host-2")
    await racks.look()

    assert await racks.leaves() == ["leaf1"]


async def test_a_request_that_fails_behind_the_allocation_leaves_nothing(racks):
    """The segment of a port that never came to be goes like any other that nobody uses, after a while."""
    taken = await racks.port("", fixed_ips=(FixedIpRequest(ip_address="192.0.2.9"),))
    with pytest.raises(Conflict):
        await racks.port("host-1", fixed_ips=(FixedIpRequest(ip_address="192.0.2.9"),))
    assert await racks.leaves() == ["leaf1"]

    await racks.look(grace=3600)
    assert await racks.leaves() == ["leaf1"], "it is new: somebody may be about to use it"

    await racks.look()
    await racks.pay()
    assert (await racks.leaves(), await racks.vlans()) == ([], 0)
    assert (await racks.cloud.ports.get(CTX, taken.id)).binding.host == ""


async def test_a_segment_that_was_allocated_before_a_restart_and_never_used_goes(racks):
    """What a process left that ended between the allocation and its use is found by the next one."""
    await racks.yard.dynamic.ensure(await racks.tree(), "vlan", "leaf2")
    assert await racks.leaves() == ["leaf2"]

    await racks.look()
    await racks.pay()

    assert (await racks.leaves(), await racks.vlans()) == ([], 0)


async def test_a_binding_that_waits_counts(racks):
    """The destination of a migration keeps its segment before the move, and the source afterwards."""
    port = await racks.port("host-1", **NOVA)
    await racks.cloud.bindings.create(CTX, port.id, "host-3", BindingSpec())
    await racks.pay()
    await racks.look()
    assert await racks.leaves() == ["leaf1", "leaf2"]

    await racks.cloud.bindings.activate(CTX, port.id, "host-3")
    await racks.pay()
    await racks.look()
    assert await racks.leaves() == ["leaf1", "leaf2"]

    await racks.cloud.bindings.delete(CTX, port.id, "host-1")
    await racks.look()
    assert await racks.leaves() == ["leaf2"]


async def test_a_migration_that_is_given_up_leaves_its_segment(racks):
    """Without the second binding nobody counts on the destination's rack."""
    port = await racks.port("host-1", **NOVA)
    await racks.cloud.bindings.create(CTX, port.id, "host-3", BindingSpec())
    await racks.pay()

    await racks.cloud.bindings.delete(CTX, port.id, "host-3")
    await racks.look()

    assert await racks.leaves() == ["leaf1"]


async def test_a_binding_that_failed_on_a_segment_counts(racks):
    """It is tried again and wants it again: otherwise the network would change every few seconds, all night."""
    racks.reason = "the agent is dead"
    port = await racks.port("host-1")
    await racks.pay()
    assert port.binding.vif_type == BINDING_FAILED
    before = await racks.tree()

    for _ in range(3):
        await racks.look()
        assert not await racks.cloud.ports.rebind(CTX, port.id)
    assert await racks.tree() == before

    await racks.delete(port)
    await racks.pay()
    await racks.look()
    assert await racks.leaves() == []


async def test_reasons_of_a_failed_binding_follow_what_drivers_say_now(racks):
    """An operator is told why a binding fails now, not why it failed last night; nobody else hears of that."""
    racks.reason = "the agent is dead"
    port = await racks.port("host-1")
    racks.reason = "the bridge is missing"

    assert not await racks.cloud.ports.rebind(CTX, port.id)

    now = await racks.cloud.ports.get(CTX, port.id)
    assert {one["reason"] for one in now.binding.failures if one["level"] == 1} >= {"the bridge is missing"}
    assert "the agent is dead" not in str(now.binding.failures)
    assert now.revision_number == port.revision_number
    racks.reason = ""
    assert await racks.cloud.ports.rebind(CTX, port.id)


async def test_what_an_operator_forgets_is_not_waited_for(racks):
    """A driver that will never hear again keeps neither the segment in the network nor its number."""
    port = await racks.port("host-1")
    await racks.pay()
    await racks.delete(port)
    await racks.pay("a")
    await racks.look()
    assert await racks.leaves() == ["leaf1"]

    await racks.cloud.forget("b")
    await racks.look()
    await racks.pay("a")
    assert (await racks.leaves(), await racks.vlans()) == ([], 1)
    await racks.cloud.forget("b")
    assert await racks.vlans() == 0


async def test_who_comes_back_before_drivers_have_heard_gets_the_same_segment(racks):
    """The number is on devices anyway; another one would be a second one for nothing."""
    port = await racks.port("host-1")
    await racks.pay()
    (leaf,) = (segment for segment in (await racks.tree()).segments if segment.is_dynamic)
    await racks.delete(port)
    await racks.pay()
    await racks.look()
    await racks.pay("a")

    await racks.port("host-2")

    (again,) = (segment for segment in (await racks.tree()).segments if segment.is_dynamic)
    assert (again.id, again.segmentation_id) == (leaf.id, leaf.segmentation_id)
    await racks.pay()
    await racks.look()
    assert (await racks.leaves(), await racks.vlans()) == (["leaf1"], 1)


async def test_a_network_takes_its_dynamic_segments_with_it(racks):
    """Of a deleted network nothing is released by itself: all of it is free when drivers have let go of it."""
    port = await racks.port("host-1")
    await racks.pay()
    await racks.delete(port)
    await racks.cloud.networks.delete(CTX, racks.network_id)
    await racks.look()
    assert await racks.vlans() == 1

    await racks.pay("a")
    assert await racks.vlans() == 1
    await racks.pay("b")
    assert await racks.vlans() == 0


async def test_a_network_with_dynamic_segments_can_be_changed(racks):
    """A change keeps them; its packets have to fit through them as through the others."""
    await racks.port("host-1")
    before = await racks.tree()

    after = await racks.cloud.networks.update(CTX, racks.network_id, NetworkUpdate(name="renamed"))
    with pytest.raises(Invalid, match="not in valid range"):
        await racks.cloud.networks.update(CTX, racks.network_id, NetworkUpdate(mtu=1501))

    assert after.segments == before.segments
    assert (await racks.tree()).segments == before.segments


async def test_an_operator_may_delete_one_that_is_idle_and_no_other(racks):
    """By hand it is the same as by itself."""
    port = await racks.port("host-1")
    (leaf,) = (segment for segment in (await racks.tree()).segments if segment.is_dynamic)
    with pytest.raises(Conflict, match="a port is bound to it"):
        await racks.cloud.segments.delete(CTX, leaf.id)

    await racks.move(port, "")
    await racks.cloud.segments.delete(CTX, leaf.id)
    await racks.pay()
    await racks.look()

    assert (await racks.leaves(), await racks.vlans()) == ([], 0)


async def test_a_host_without_a_rack_needs_no_segment(racks):
    """In a mixed datacentre a host that ends tunnels itself is bound to the network's own segment."""
    direct, racked = await racks.port("host-9"), await racks.port("host-1")

    async with racks.yard.unit_of_work.reading() as tables:
        levels = await tables.ports.levels([direct.id, racked.id])

    overlay, leaf = (await racks.tree()).segments
    assert [level.segment_id for level in levels[direct.id]] == [overlay.id]
    assert [level.segment_id for level in levels[racked.id]] == [overlay.id, leaf.id]
