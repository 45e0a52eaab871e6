"""VLANs of hypervisors: where their hosts are plugged in, as long as somebody there needs them."""

from __future__ import annotations

from arista_site import Site, a_vlan, deleted, named, plugged, until_done
from jackfield_arista.configuration.model import Mode


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
