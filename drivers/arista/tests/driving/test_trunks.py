"""VLANs of hypervisors: where their hosts are plugged in, as long as somebody there needs them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from arista_site import Site, a_vlan, by_hand, deleted, drift_in, named, plugged, until_done, watching
from jackfield_arista.configuration.edit import Edit, PortChange
from jackfield_arista.configuration.model import Mode, SwitchPort


async def test_a_port_brings_its_vlan_where_its_host_is_plugged_in(site: Site):
    """The VLAN is made with our mark and comes on the trunk; other ports are left as they are."""
    site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    network = a_vlan(7)
    before = site.configuration()
    async with site.driver() as core:
        await until_done(core, plugged(network))

    seen = site.configuration()
    assert seen.vlans[7] == named(network)
    assert seen.port("Ethernet1").mode is Mode.TRUNK
    assert seen.port("Ethernet1").trunk_vlans == {7}
    assert seen.port("Ethernet2") == before.port("Ethernet2")


async def test_the_last_port_that_leaves_takes_the_vlan_away(site: Site):
    """As long as one port needs it the VLAN stays; then the switch is as it was."""
    switch = site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    network = a_vlan(7)
    before = switch.running()
    first, second = plugged(network), plugged(network)
    async with site.driver() as core:
        await until_done(core, first, second)
        await until_done(core, deleted(first))
        assert site.configuration().port("Ethernet1").trunk_vlans == {7}
        await until_done(core, deleted(second))

    assert switch.running() == before


@pytest.mark.parametrize("before", [(), (30, 40)])
async def test_a_list_that_is_emptied_by_hand_is_drift_and_made_again(site: Site, before: tuple[int, ...]):
    """A trunk without a list carries the VLANs of everybody: the host gets its own again, and what was there before."""
    switch = site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    bare = SwitchPort("Ethernet1")
    if before:
        listed = SwitchPort("Ethernet1", Mode.TRUNK, trunk_vlans=frozenset(before))
        by_hand(site, Edit(ports={"Ethernet1": PortChange(bare, listed)}))
    untouched, change = switch.running(), plugged(a_vlan(7))
    async with site.driver(poll_interval=0.2) as core:
        await until_done(core, change)
        events = await watching(core)
        made = site.configuration().port("Ethernet1")
        emptied = replace(made, trunk_vlans=frozenset(), entries=())
        by_hand(site, Edit(ports={"Ethernet1": PortChange(made, emptied)}))
        assert await drift_in(events) == change.current.id
        await until_done(core, change)
        assert site.configuration().port("Ethernet1").trunk_vlans == {7, *before}
        await until_done(core, deleted(change))

    assert switch.running() == untouched


async def test_a_list_that_is_emptied_by_hand_does_not_stay_so_when_the_last_port_leaves(site: Site):
    """The port is what it was before us, and no trunk of all VLANs."""
    switch = site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    untouched, change = switch.running(), plugged(a_vlan(7))
    async with site.driver() as core:
        await until_done(core, change)
        made = site.configuration().port("Ethernet1")
        by_hand(site, Edit(ports={"Ethernet1": PortChange(made, replace(made, trunk_vlans=frozenset(), entries=()))}))
        await until_done(core, deleted(change))

    assert switch.running() == untouched


async def test_a_trunk_that_had_no_list_before_us_gets_none(site: Site):
    """It carries the VLAN already; what others have on it is not cut off."""
    switch = site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    of_all = SwitchPort("Ethernet1", Mode.TRUNK)
    by_hand(site, Edit(ports={"Ethernet1": PortChange(SwitchPort("Ethernet1"), of_all)}))
    untouched, change = switch.running(), plugged(a_vlan(7))
    async with site.driver() as core:
        await until_done(core, change)
        assert site.configuration().port("Ethernet1") == of_all
        await until_done(core, deleted(change))

    assert switch.running() == untouched
