"""What is on the switches, whoever put it there, and what a driver knows that has lost its memory."""

from __future__ import annotations

import shutil
from dataclasses import replace

from arista_site import DEPLOYMENT, Site, a_vlan, deleted, named, plugged, until_done
from jackfield_arista.configuration import ownership
from jackfield_arista.configuration.edit import Edit, PortChange, VlanChange
from jackfield_arista.configuration.model import Mode, SwitchPort
from jackfield_arista.device.session import Safety
from jackfield_sdk import Done, Kind, Owned
from jackfield_sdk.testing import a_network


async def test_what_is_true_is_listed_as_it_was_told(site: Site):
    """On each switch once, with revision and digest; half of it without the digest, nothing of it not at all."""
    site.fake()
    site.attach("host-1", "leaf1", "Ethernet1", "Ethernet2")
    change = plugged(a_vlan(7))
    async with site.driver() as core:
        await until_done(core, change)
        (whole,) = await core.list_owned()
        take_off(site, "Ethernet1")
        (half,) = await core.list_owned()
        told = await core.dry_run(change)
        take_off(site, "Ethernet2")
        none = await core.list_owned()
        await until_done(core, change)
        again = await core.list_owned()

    assert isinstance(whole, Owned)
    assert (whole.kind, whole.id, whole.revision, whole.backend) == (Kind.PORT, change.current.id, 1, "leaf1")
    assert whole.digest
    assert half == replace(whole, digest=b"")
    assert ["Ethernet1" in line.text for line in told] == [True]
    assert none == []
    assert again == [whole]


async def test_a_vlan_that_bears_our_mark_and_nobody_knows_is_an_orphan(site: Site):
    """It is listed as its network, left alone, and goes with everything on it when the core says so."""
    site.fake()
    network = a_network()
    name = ownership.mark(DEPLOYMENT, network.id)
    port = SwitchPort("Ethernet3", Mode.TRUNK, trunk_vlans=frozenset({9}))
    with site.session() as session:
        seen = session.read().port("Ethernet3")
        session.apply(Edit({9: VlanChange(None, name)}, {"Ethernet3": PortChange(seen, port)}), Safety())
    site.attach("host-1", "leaf1", "Ethernet1")
    change = plugged(a_vlan(7))
    async with site.driver() as core:
        await until_done(core, change)
        listed = await core.list_owned(Kind.NETWORK)
        assert listed == [Owned(Kind.NETWORK, network.id, 0, b"", "leaf1")]
        assert site.configuration().port("Ethernet3").trunk_vlans == {9}
        await until_done(core, deleted(change))
        assert isinstance(await core.delete_orphan(Kind.NETWORK, network.id), Done)
        assert await core.list_owned() == []

    seen = site.configuration()
    assert seen.vlans == {1: "default"}
    assert seen.port("Ethernet3").trunk_vlans == frozenset()


async def test_a_driver_that_lost_its_memory_takes_nothing_away_that_it_does_not_understand(site: Site):
    """It has a new epoch, makes what it is told again, and another port's VLAN stays until the network goes."""
    site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    site.attach("host-2", "leaf1", "Ethernet2")
    network = a_vlan(7)
    first, second = plugged(network), plugged(network, "host-2")
    async with site.driver() as core:
        await until_done(core, first, second)
        (before,) = (await core.handshake()).backends
    shutil.rmtree(site.folder / "state")
    async with site.driver() as core:
        (after,) = (await core.handshake()).backends
        await until_done(core, first)
        await until_done(core, deleted(first))
        assert site.configuration().port("Ethernet2").trunk_vlans == {7}
        assert site.configuration().vlans[7] == named(network)
        await until_done(core, second)
        await until_done(core, deleted(second))

    assert before.epoch != after.epoch
    assert 7 not in site.configuration().vlans


async def test_another_process_goes_on_where_one_ended(site: Site):
    """The memory has the same epoch, and an old revision is answered with the one that is held."""
    site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    change = replace(plugged(a_vlan(7)), revision=5)
    async with site.driver() as core:
        await until_done(core, change)
        (before,) = (await core.handshake()).backends
    async with site.driver() as core:
        (after,) = (await core.handshake()).backends
        held = await core.postcommit_all([replace(change, revision=3)])
        listed = await core.list_owned()

    assert before.epoch == after.epoch
    assert held == [Done(revision=5)]
    assert [each.revision for each in listed if isinstance(each, Owned)] == [5]


async def test_ranges_of_the_operator_stay_whole(site: Site):
    """Our VLANs come and go among numbers that trunks had before, and nothing is cut out of their lists."""
    switch = site.fake(uplinks=["Ethernet3"])
    site.attach("host-1", "leaf1", "Ethernet1")
    for name in ("Ethernet1", "Ethernet2", "Ethernet3"):
        write_trunk(site, name, 7, 8, 50)
    before, changes = switch.running(), [plugged(a_vlan(7)), plugged(a_vlan(8)), plugged(a_vlan(9))]
    async with site.driver() as core:
        await until_done(core, *changes)
        assert site.configuration().port("Ethernet1").trunk_vlans == {7, 8, 9, 50}
        assert site.configuration().port("Ethernet2").trunk_vlans == {7, 8, 50}
        for change in changes:
            await until_done(core, deleted(change))
            assert site.configuration().port("Ethernet3").trunk_vlans == {7, 8, 50}

    assert switch.running() == before


async def test_a_vlan_of_ours_that_somebody_put_on_a_port_of_ours_goes_with_the_next_edit(site: Site):
    """What is ours and nobody wants there is drift; what is not ours stays as it was written."""
    switch = site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    site.attach("host-2", "leaf1", "Ethernet2")
    async with site.driver() as core:
        await until_done(core, plugged(a_vlan(7)), plugged(a_vlan(6), "host-2"))
        switch.take_vlan(50, "storage")
        write_trunk(site, "Ethernet2", 6, 7, 50)
        await until_done(core, plugged(a_vlan(8)))

    seen = site.configuration()
    assert seen.port("Ethernet1").trunk_vlans == {7, 8}
    assert seen.port("Ethernet2").trunk_vlans == {6, 50}
    assert seen.vlans[50] == "storage"


async def test_a_switch_that_leaves_the_inventory_is_forgotten(site: Site):
    """Nobody can be made to take anything off it any more, so what waits for it is done."""
    switch, _ = site.fake("leaf1"), site.fake("leaf2", group="leaf2")
    site.attach("host-1", "leaf1", "Ethernet1")
    change = plugged(a_vlan(7))
    async with site.driver() as core:
        await until_done(core, change)
        switch.power_off()
        site.forget("leaf1")
        site.write()
        await until_done(core, deleted(change))
        assert [backend.id for backend in (await core.handshake()).backends] == ["leaf2"]


def write_trunk(site: Site, name: str, *vlans: int) -> None:
    """Have an operator write the list of a trunk."""
    with site.session() as session:
        after = SwitchPort(name, Mode.TRUNK, trunk_vlans=frozenset(vlans))
        session.apply(Edit(ports={name: PortChange(session.read().port(name), after)}), Safety())


def take_off(site: Site, name: str) -> None:
    """Have an operator take VLAN 7 off a trunk on which it is alone."""
    with site.session() as session:
        seen = session.read().port(name)
        session.apply(Edit(ports={name: PortChange(seen, SwitchPort(name))}), Safety())
