"""What a switch shows is not always what it will hold: commits on trial, old configurations, other names."""

from __future__ import annotations

from arista_site import Site, a_vlan, by_hand, deleted, epoch_of, failure, named, plugged, until, until_done
from jackfield_arista.configuration.edit import Edit, PortChange, VlanChange
from jackfield_arista.configuration.model import Mode, SwitchPort
from jackfield_sdk import Action
from jackfield_sdk.testing import Wanted
from support.netconf.fake import VLAN
from support.netconf.somebody import Somebody

TRUNK = (
    '<interfaces xmlns="http://openconfig.net/yang/interfaces"><interface><name>Ethernet1</name>'
    '<ethernet xmlns="http://openconfig.net/yang/interfaces/ethernet">'
    '<switched-vlan xmlns="http://openconfig.net/yang/vlan"><config><interface-mode>TRUNK</interface-mode>'
    "<trunk-vlans>{vlan}</trunk-vlans></config></switched-vlan></ethernet></interface></interfaces>"
)


async def test_what_a_dead_driver_has_committed_on_trial_is_not_taken_for_true(site: Site):
    """The switch has not noticed that its session is dead: it will take back what it shows, and is asked again."""
    switch = site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    change = plugged(a_vlan(7))
    assert change.network is not None
    with Somebody(switch.port, switch.user, switch.key_file) as dead:
        dead.ask("lock", target="candidate")
        async with site.driver() as core:
            await failure(core, change)
        put_on_trial(dead, 7, named(change.network))
        assert site.configuration().port("Ethernet1").trunk_vlans == {7}
        async with site.driver() as core:
            failed = await failure(core, change)
            assert (failed.reason, failed.disposition) == ("SWITCH_LOCKED", "RETRY")
    async with site.driver() as core:
        await until_done(core, change)

    assert not switch.datastores.is_on_trial
    assert site.configuration().port("Ethernet1").trunk_vlans == {7}


async def test_what_came_back_with_an_old_configuration_goes_by_itself(site: Site):
    """Nobody has a port in that network there any more, although the network lives, and nobody asks for anything."""
    site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    network = a_vlan(7)
    change, bare = plugged(network), site.configuration()
    async with site.driver(poll_interval=0.2) as core:
        await until_done(core, Wanted(Action.CREATE, network, 1), change)
        old = site.configuration()
        await until_done(core, deleted(change))
        ports = {"Ethernet1": PortChange(SwitchPort("Ethernet1"), old.port("Ethernet1"))}
        by_hand(site, Edit({7: VlanChange(None, old.vlans[7])}, ports))

        async def is_gone() -> bool:
            return site.configuration().vlans == bare.vlans

        await until(is_gone)


async def test_a_vlan_with_another_name_is_no_empty_switch(site: Site):
    """What its port was before us is still known when the name is ours again, and the port is given back."""
    before, change = on_vlan_20(site), plugged(a_vlan(7))
    assert change.network is not None
    name = named(change.network)
    async with site.driver(poll_interval=0.2) as core:
        await until_done(core, change)
        epoch = await epoch_of(core, "leaf1")
        by_hand(site, Edit(vlans={7: VlanChange(name, "somebody")}))
        failed = await failure(core, change)
        assert failed.reason == "VLAN_TAKEN"
        by_hand(site, Edit(vlans={7: VlanChange("somebody", name)}))
        assert await epoch_of(core, "leaf1") == epoch
        await until_done(core, change, deleted(change))

    assert site.switches["leaf1"].running() == before


async def test_a_switch_that_lost_our_vlans_only_gives_its_ports_back_as_they_were(site: Site):
    """Its ports still show what we made of them, and that is not what they were before us."""
    before, change = on_vlan_20(site), plugged(a_vlan(7))
    async with site.driver(poll_interval=0.2) as core:
        await until_done(core, change)
        epoch = await epoch_of(core, "leaf1")
        site.remove_vlan("leaf1", 7)

        async def is_noticed() -> bool:
            return await epoch_of(core, "leaf1") != epoch

        await until(is_noticed)
        await until_done(core, change, deleted(change))

    assert site.switches["leaf1"].running() == before


def on_vlan_20(site: Site) -> bytes:
    """Start a switch whose first port is on a VLAN of the operator, and return its configuration."""
    switch = site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    on_20 = SwitchPort("Ethernet1", Mode.ACCESS, 20)
    by_hand(site, Edit(ports={"Ethernet1": PortChange(SwitchPort("Ethernet1"), on_20)}))
    return switch.running()


def put_on_trial(dead: Somebody, vlan: int, name: str) -> None:
    """Have a session commit on trial, as a driver leaves it that is cut off from the switch."""
    for part in (VLAN.format(id=vlan, name=name), TRUNK.format(vlan=vlan)):
        dead.ask("edit_config", target="candidate", config=dead.config(part))
    dead.ask("commit", confirmed=True, timeout="60")
