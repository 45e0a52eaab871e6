"""What the inventory says of a switch counts from the moment on when it is read, also for sessions that are open."""

from __future__ import annotations

from arista_site import Site, a_vlan, plugged, until, until_done


async def test_a_switch_that_has_another_address_is_called_there(site: Site):
    """The old one still answers, and is another switch now."""
    old, new = site.fake(), site.fake("leaf2")
    site.attach("host-1", "leaf1", "Ethernet1")
    site.forget("leaf2")
    first, second = plugged(a_vlan(7)), plugged(a_vlan(8))
    async with site.driver() as core:
        await until_done(core, first)
        site.log_in_as("leaf1", "leaf2")
        site.change("leaf1", port=new.port, host_key=new.host_key)
        site.write()

        async def is_called() -> bool:
            return bool(new.operations)

        await until(is_called)
        asked = len(old.payloads)
        await until_done(core, first, second)

    assert len(old.payloads) == asked
    assert site.configuration("leaf2").port("Ethernet1").trunk_vlans == {7, 8}


async def test_a_candidate_that_is_not_to_be_trusted_any_more_is_not_used(site: Site):
    """The session that is open goes on with nothing that the operator has taken back."""
    switch = site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    first, second = plugged(a_vlan(7)), plugged(a_vlan(8))
    async with site.driver() as core:
        await until_done(core, first)
        site.change("leaf1", datastore="running")
        looked = switch.operations.count("get-config")
        site.write()

        async def is_read_again() -> bool:
            return switch.operations.count("get-config") > looked

        await until(is_read_again)
        commits = switch.operations.count("commit")
        await until_done(core, second)

    assert switch.operations.count("commit") == commits
    assert site.configuration().port("Ethernet1").trunk_vlans == {7, 8}
