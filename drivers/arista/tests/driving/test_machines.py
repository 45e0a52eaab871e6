"""Baremetal ports: bound by the driver, on the switch port that Ironic says, and up when the switch is true."""

from __future__ import annotations

from dataclasses import replace

from arista_site import (
    Site,
    a_machine,
    a_vlan,
    deleted,
    drift_in,
    failure,
    named,
    plugged,
    until,
    until_done,
    watching,
)
from jackfield_arista.configuration.model import Mode
from jackfield_sdk import Action, Bound, NextLevel, Skip
from jackfield_sdk.errors import Rejected
from jackfield_sdk.testing import Core, Wanted, a_host, a_network, a_segment

CHASSIS = "00:1c:73:00:00:01"


def a_rack(site: Site) -> None:
    site.fake(chassis_id=CHASSIS, ports=["Ethernet1", "Ethernet2", "Port-Channel7"])


async def test_a_machine_gets_its_vlan_untagged_and_the_port_is_as_before_when_it_leaves(site: Site):
    """The switch port becomes an access port of the network's VLAN, and goes back to what it was."""
    a_rack(site)
    switch = site.switches["leaf1"]
    before, network = switch.running(), a_vlan(7)
    machine = a_machine(network, CHASSIS, "Et1")
    async with site.driver() as core:
        await until_done(core, machine)
        seen = site.configuration()
        assert seen.vlans[7] == named(network)
        assert (seen.port("Ethernet1").mode, seen.port("Ethernet1").access_vlan) == (Mode.ACCESS, 7)
        await until_done(core, deleted(machine))

    assert switch.running() == before


async def test_a_port_of_a_machine_is_reported_up_when_its_switch_carries_it(site: Site):
    """Nobody else plugs it, so its status comes from here, at its revision."""
    a_rack(site)
    machine = a_machine(a_vlan(7), CHASSIS, "Ethernet1")
    async with site.driver() as core:
        await until_done(core, machine)

        async for event in core.watch():
            if event.WhichOneof("event") == "port_status":
                break

    assert (event.port_status.port_id, event.port_status.observed_revision) == (machine.current.id, 1)


async def test_a_machine_on_a_bond_is_configured_on_the_port_channel(site: Site):
    """EOS ignores what is on the members of a port-channel."""
    a_rack(site)
    site.attach("node-1", "leaf1", "Ethernet1", "Ethernet2", lag="Port-Channel7", role="baremetal")
    machine = a_machine(a_vlan(7), CHASSIS, "Ethernet1", name="bond0", bond_mode="802.3ad")
    async with site.driver() as core:
        await until_done(core, machine)

    seen = site.configuration()
    assert seen.port("Port-Channel7").access_vlan == 7
    assert seen.port("Ethernet1").access_vlan == 1


async def test_both_switches_of_a_pair_are_made_true(site: Site):
    """A frame may take either cable of an MLAG; what is left without one switch is said."""
    for name, peer in (("leaf1", "leaf2"), ("leaf2", "leaf1")):
        site.fake(name, group="rack", mlag_peer=peer, ports=["Ethernet1", "Port-Channel7"])
    site.change_group("rack", physical_network="leaf1")
    site.attach("host-1", "leaf1", lag="Port-Channel7")
    change = plugged(a_vlan(7))
    async with site.driver() as core:
        site.switches["leaf2"].power_off()
        failed = await failure(core, change)
        assert site.configuration("leaf1").port("Port-Channel7").trunk_vlans == {7}
        assert (failed.reason, failed.effect) == ("SWITCH_UNREACHABLE", "PARTIAL")
        site.switches["leaf2"].power_on()
        await until_done(core, change)

    assert site.configuration("leaf2").port("Port-Channel7").trunk_vlans == {7}


async def test_two_machines_want_one_port(site: Site):
    """The first has it; the second is told, and gets it when the first has left."""
    a_rack(site)
    first, second = a_machine(a_vlan(7), CHASSIS, "Ethernet1"), a_machine(a_vlan(8), CHASSIS, "Ethernet1")
    async with site.driver() as core:
        await until_done(core, first)
        failed = await failure(core, second)
        assert (failed.reason, failed.disposition) == ("PORT_IN_USE", "RETRY")
        assert site.configuration().port("Ethernet1").access_vlan == 7
        await until_done(core, deleted(first))
        await until_done(core, second)

    assert site.configuration().port("Ethernet1").access_vlan == 8


async def test_a_machine_is_bound_where_its_links_say(site: Site):
    """To a VLAN of the rack, or through the fabric to one that the core takes for it."""
    a_rack(site)
    vlan = a_vlan(7)
    async with site.driver() as core:
        bound = await _bind(core, a_machine(vlan, CHASSIS, "Ethernet1"))
        tunnel = a_network(a_segment("vxlan", 70_000))
        carried = await _bind(core, a_machine(tunnel, CHASSIS, "Ethernet1"))
        lost = await _bind(core, a_machine(vlan, "00:1c:73:ff:ff:ff", "Ethernet1"))

    assert isinstance(bound, Bound)
    assert (bound.segment_id, bound.vif_type, bound.wired) == (vlan.segments[0].id, "other", False)
    assert carried == NextLevel(tunnel.segments[0].id, "vlan", "leaf1")
    assert isinstance(lost, Skip)
    assert "00:1c:73:ff:ff:ff" in lost.reason


async def test_a_hypervisor_is_carried_through_the_fabric_and_its_vlan_mapped(site: Site):
    """Level 0 is ours and level 1 the agent's driver's; the switch maps the VLAN to the VNI."""
    site.fake(vtep="192.0.2.1")
    site.attach("host-1", "leaf1", "Ethernet1")
    tunnel, dynamic = a_segment("vxlan", 70_000), a_segment("vlan", 7)
    network = a_network(tunnel, replace(dynamic, dynamic=True))
    fabric, rack = network.segments
    change = plugged(network)
    levels = tuple(
        replace(change.current.binding.levels[0], level=level, driver=driver, segment_id=segment.id)
        for level, (driver, segment) in enumerate([("arista", fabric), ("ovs", rack)])
    )
    port = replace(change.current, binding=replace(change.current.binding, levels=levels))
    async with site.driver() as core:
        asked = await core.bind(replace(port, binding=replace(port.binding, levels=())), network, a_host(), [fabric])
        assert asked == NextLevel(fabric.id, "vlan", "leaf1")
        await until_done(core, Wanted(Action.CREATE, port, 1, network=network))
        assert site.configuration().vnis == {7: 70_000}
        await until_done(core, Wanted(Action.DELETE, port, 2, network=network))

    assert site.configuration().vnis == {}


async def test_what_can_never_be_is_refused_before_it_is_written(site: Site):
    """Reserved VLANs, VLANs outside of the group's ranges, and links that lead nowhere on a switch of ours."""
    site.fake(chassis_id=CHASSIS, reserved_vlans="7")
    site.change_group("leaf1", vlan_ranges="1-99")
    async with site.driver() as core:
        reserved = await core.precommit(Action.CREATE, a_vlan(7))
        outside = await core.precommit(Action.CREATE, a_vlan(100))
        nowhere = a_machine(a_vlan(8), CHASSIS, "Nonsense")
        unknown = await core.precommit(Action.CREATE, nowhere.current, network=nowhere.network)
        others = a_machine(a_vlan(8), "00:1c:73:ff:ff:ff", "Ethernet1")
        elsewhere = await core.precommit(Action.CREATE, others.current, network=others.network)

    assert isinstance(reserved, Rejected)
    assert "VLAN 7" in reserved.message
    assert "leaf1" in reserved.message
    assert isinstance(outside, Rejected)
    assert isinstance(unknown, Rejected)
    assert unknown.field == "binding:profile"
    assert not isinstance(elsewhere, Rejected), "it may be a switch of another vendor"


async def test_a_cable_that_moves_in_the_inventory_moves_the_vlan(site: Site):
    """The core is asked to tell the port again, and what the old place had goes."""
    site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    change = plugged(a_vlan(7))
    async with site.driver() as core:
        await until_done(core, change)
        events = await watching(core)
        site.detach("host-1")
        site.attach("host-1", "leaf1", "Ethernet2")
        site.write()
        assert await drift_in(events) == change.current.id
        await until_done(core, change)
        await until(lambda: _is_on(site, "Ethernet2"))

    assert site.configuration().port("Ethernet1").trunk_vlans == frozenset()


async def _is_on(site: Site, port: str) -> bool:
    return site.configuration().port(port).trunk_vlans == {7}


async def _bind(core: Core, machine: Wanted) -> object:
    port, network = machine.current, machine.network
    assert network is not None
    unbound = replace(port, binding=replace(port.binding, levels=(), vif_type="unbound"))
    return await core.bind(unbound, network, a_host("node-1"))
