"""What the inventory says of a switch counts from the moment on when it is read, also for sessions that are open."""

from __future__ import annotations

from dataclasses import replace

from arista_site import Site, a_machine, a_vlan, by_hand, deleted, drift_in, plugged, until, until_done, watching
from jackfield_arista.configuration.edit import Edit, PortChange
from jackfield_arista.configuration.model import Mode, SwitchPort
from jackfield_sdk import Action
from jackfield_sdk.testing import Core

CHASSIS = "00:1c:73:00:00:01"


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


async def test_a_switch_that_the_inventory_loses_for_a_moment_loses_nothing(site: Site):
    """Nothing is taken off it when it is back, and its ports go back to what they were before us."""
    switch = site.fake(chassis_id=CHASSIS)
    site.attach("host-1", "leaf1", "Ethernet2")
    bare = SwitchPort("Ethernet1")
    by_hand(site, Edit(ports={"Ethernet1": PortChange(bare, SwitchPort("Ethernet1", Mode.ACCESS, 20))}))
    before = switch.running()
    machine, guest = a_machine(a_vlan(7), CHASSIS, "Ethernet1"), plugged(a_vlan(8))
    async with site.driver() as core:
        await until_done(core, machine, guest)
        made, edits = switch.running(), len(switch.payloads)
        with site.without("leaf1"):
            await until(lambda: _knows(core, "leaf1", False))
            await until_done(core, guest)
        looked = switch.operations.count("get-config")
        await until(lambda: _knows(core, "leaf1", True))

        async def is_looked_at() -> bool:
            return switch.operations.count("get-config") > looked

        await until(is_looked_at)
        await until_done(core, machine, guest)
        assert (switch.running(), len(switch.payloads)) == (made, edits)
        await until_done(core, deleted(machine), deleted(guest))

    assert switch.running() == before


async def test_what_was_deleted_while_the_inventory_had_no_switch_goes_when_it_is_back(site: Site):
    """Nobody has to be asked for it again."""
    switch = site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    before, change = switch.running(), plugged(a_vlan(7))
    async with site.driver() as core:
        await until_done(core, change)
        with site.without("leaf1"):
            await until(lambda: _knows(core, "leaf1", False))
            await until_done(core, deleted(change))

        async def is_as_before() -> bool:
            return switch.running() == before

        await until(is_as_before)


async def test_what_moved_to_another_vlan_while_the_inventory_had_no_switch_is_told_again(site: Site):
    """The switch knows the old one only, so the core is asked for the port when it is back."""
    site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    change, other = plugged(a_vlan(7)), a_vlan(8)
    assert change.network is not None
    moved = replace(plugged(other), revision=2)
    moved = replace(moved, action=Action.UPDATE, current=replace(moved.current, id=change.current.id))
    async with site.driver() as core:
        await until_done(core, change)
        with site.without("leaf1"):
            await until(lambda: _knows(core, "leaf1", False))
            await until_done(core, moved)
            events = await watching(core)
        assert await drift_in(events) == change.current.id
        await until_done(core, moved)

    assert site.configuration().port("Ethernet1").trunk_vlans == {8}


async def test_a_file_that_cannot_be_used_is_told_with_every_switch(site: Site):
    """Who looks why a change of the file has no effect reads file, line and fact, until it is mended."""
    site.fake()
    async with site.driver() as core:
        good = site.inventory_file.read_text()
        site.inventory_file.write_text(good.replace("physical_network:", "network:"))
        told = await until(lambda: _said(core, "inventory.yaml:"))
        assert "groups.leaf1.physical_network: is missing" in told
        assert "and 1 more" in told
        site.inventory_file.write_text(good)

        async def is_mended() -> bool:
            return "inventory" not in (await core.handshake()).backends[0].message

        await until(is_mended)


async def _said(core: Core, words: str) -> str:
    (backend,) = (await core.handshake()).backends
    return str(backend.message) if words in backend.message else ""


async def _knows(core: Core, switch: str, expected: bool) -> bool:
    told = await core.handshake()
    return (switch in {backend.id for backend in told.backends}) is expected
