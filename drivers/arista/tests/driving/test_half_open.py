"""A connection that dies unheard in the middle of an edit holds nothing up."""

from __future__ import annotations

from arista_roads import Road
from arista_site import Site, a_vlan, plugged, until_done


async def test_what_a_session_of_ours_left_at_the_switch_is_ended_by_the_next(site: Site):
    """Its lock is known by its number, and what it had on trial is made anew."""
    switch = site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    with Road(switch.port) as road:
        site.change("leaf1", port=road.port)
        async with site.driver(rpc_timeout=3.0) as core:
            await until_done(core, plugged(a_vlan(7)))
            switch.after_next_change(road.swallow)
            await until_done(core, plugged(a_vlan(8)))

    assert "kill-session" in switch.operations
    assert not switch.datastores.is_on_trial
    assert site.configuration().port("Ethernet1").trunk_vlans == {7, 8}
