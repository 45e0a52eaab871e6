"""What goes wrong at a switch ends in the right state, or in a reason that an operator can act on."""

from __future__ import annotations

import os

import pytest
from arista_site import (
    Site,
    a_machine,
    a_vlan,
    by_hand,
    deleted,
    epoch_of,
    failure,
    named,
    plugged,
    until,
    until_done,
)
from jackfield_arista.configuration.edit import Edit, PortChange
from jackfield_arista.configuration.model import Mode, SwitchPort
from jackfield_sdk import Done, Kind, Unreachable
from jackfield_sdk.testing import Failed
from support.netconf.refusals import KINDS, RpcError
from support.waiting import eventually

CHASSIS = "00:1c:73:00:00:01"


async def test_a_wrong_password_is_said_and_the_right_one_is_used_without_a_restart(site: Site, monkeypatch):
    """The secret is read anew at each login, and shows up nowhere."""
    switch = site.fake(password="a new one")
    monkeypatch.setenv("LEAF_PASSWORD", "an old one")
    site.log_in_with_password("leaf1", "env:LEAF_PASSWORD")
    site.attach("host-1", "leaf1", "Ethernet1")
    change = plugged(a_vlan(7))
    async with site.driver() as core:
        failed = await failure(core, change)
        assert (failed.reason, failed.disposition) == ("SWITCH_LOGIN_REFUSED", "RETRY")
        assert "leaf1" in failed.operator_message
        assert "an old one" not in failed.operator_message
        os.environ["LEAF_PASSWORD"] = switch.password
        await until_done(core, change)

    assert site.configuration().port("Ethernet1").trunk_vlans == {7}


async def test_nobody_logs_in_to_a_switch_with_another_host_key(site: Site):
    """The reason names the key; it works once the key is the one that is known."""
    switch = site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    known = switch.host_key
    site.change("leaf1", host_key=known[:-12] + "AAAAAAAAAAAA"[: len(known[-12:])])
    change = plugged(a_vlan(7))
    async with site.driver() as core:
        failed = await failure(core, change)
        assert failed.disposition == "RETRY"
        assert failed.reason in ("HOST_KEY_CHANGED", "HOST_KEY_UNKNOWN")
        site.change("leaf1", host_key=known)
        site.write()
        await until_done(core, change)


async def test_a_switch_whose_key_nobody_knows_is_left_alone(site: Site):
    """Without a key in the inventory or in known hosts there is no session."""
    site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    site.change("leaf1", host_key=None)
    async with site.driver() as core:
        failed = await failure(core, plugged(a_vlan(7)))

    assert failed.reason == "HOST_KEY_UNKNOWN"
    assert "SHA256:" in failed.operator_message


async def test_somebody_else_holds_the_lock(site: Site):
    """Whoever holds it is named, nothing is changed meanwhile, and then it is made."""
    switch = site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    change, before = plugged(a_vlan(7)), switch.running()
    async with site.driver() as core:
        with switch.lock_elsewhere() as session:
            failed = await failure(core, change)
            assert switch.running() == before
        await until_done(core, change)

    assert (failed.reason, failed.disposition) == ("SWITCH_LOCKED", "RETRY")
    assert f"session {session}" in failed.operator_message


async def test_an_edit_that_is_refused_fails_with_the_words_of_the_switch(site: Site):
    """Whatever the error, its tag and message reach the operator, and the switch is as before until it takes it."""
    switch = site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    async with site.driver() as core:
        for vlan, tag in enumerate(KINDS, start=10):
            if tag in ("lock-denied", "in-use"):
                continue
            change, before = plugged(a_vlan(vlan)), switch.running()
            switch.faults.refuse("edit-config", RpcError(tag, "the switch is not in the mood"), times=1000)
            failed = await failure(core, change)
            assert (failed.reason, failed.disposition) == ("SWITCH_REFUSED", "RETRY")
            assert tag in failed.operator_message
            assert "not in the mood" in failed.operator_message
            assert switch.running() == before
            switch.faults.clear()
            await until_done(core, change)


@pytest.mark.parametrize("fault", ["cut_before", "cut_after", "hang"])
async def test_a_session_that_ends_anywhere_is_no_harm(site: Site, fault: str):
    """Whether the switch had done it or not, in the end it is true and stays so."""
    switch = site.fake(confirm_timeout=5)
    site.attach("host-1", "leaf1", "Ethernet1")
    operations = ("lock", "edit-config", "commit", "confirm", "unlock", "get-config", "copy-config")
    networks = {vlan: a_vlan(vlan) for vlan, _ in enumerate(operations, start=10)}
    async with site.driver(rpc_timeout=1.0) as core:
        await until_done(core, plugged(a_vlan(6)))
        for operation, network in zip(operations, networks.values(), strict=True):
            getattr(switch.faults, fault)(operation)
            await until_done(core, plugged(network))

    seen = site.configuration()
    assert {vlan: seen.vlans[vlan] for vlan in networks} == {vlan: named(one) for vlan, one in networks.items()}
    assert seen.port("Ethernet1").trunk_vlans == {6, *networks}


async def test_what_a_switch_takes_and_does_not_show_is_said(site: Site):
    """A commit that does nothing is found by reading back."""
    switch = site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    change = plugged(a_vlan(7))
    async with site.driver() as core:
        switch.faults.ignore("commit", times=50)
        failed = await failure(core, change)
        assert failed.reason == "CHANGE_NOT_TAKEN"
        switch.faults.clear()
        await until_done(core, change)


async def test_a_switch_that_came_up_empty_is_made_true_and_has_a_new_epoch(site: Site):
    """It is noticed without anybody asking, and restored."""
    switch = site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    changes = [plugged(a_vlan(vlan)) for vlan in (7, 8)]
    async with site.driver(poll_interval=0.2) as core:
        await until_done(core, *changes)
        epoch = await epoch_of(core, "leaf1")
        switch.reboot(empty=True)

        await until(lambda: _holds(site, {7, 8}))
        assert await epoch_of(core, "leaf1") != epoch


async def test_an_interface_that_is_not_there_fails_its_own_port_alone(site: Site):
    """Others of the same edit are made, and the reason names the interface."""
    site.fake(ports=["Ethernet1"])
    site.attach("host-1", "leaf1", "Ethernet1")
    site.attach("host-2", "leaf1", "Ethernet9")
    good, bad = plugged(a_vlan(7)), plugged(a_vlan(8), "host-2")
    async with site.driver() as core:
        answers = await core.postcommit_all([good, bad])
        failed = await failure(core, bad)

    assert isinstance(answers[0], Done)
    assert (failed.reason, failed.disposition) == ("INTERFACE_MISSING", "CONFLICT")
    assert "Ethernet9" in failed.operator_message


async def test_a_vlan_of_somebody_else_is_left_alone(site: Site):
    """It is said whose it is, nothing of it changes, others are made; it is made once the VLAN is free."""
    switch = site.fake()
    switch.take_vlan(7, "storage")
    site.attach("host-1", "leaf1", "Ethernet1")
    good, bad = plugged(a_vlan(8)), plugged(a_vlan(7))
    async with site.driver(poll_interval=0.2) as core:
        answers = await core.postcommit_all([bad, good])
        failed = await failure(core, bad)
        assert isinstance(answers[1], Done)
        assert (failed.reason, failed.disposition) == ("VLAN_TAKEN", "CONFLICT")
        assert "storage" in failed.operator_message
        assert site.configuration().vlans[7] == "storage"
        assert site.configuration().port("Ethernet1").trunk_vlans == {8}

        site.remove_vlan("leaf1", 7)
        await until(lambda: _holds(site, {7, 8}))
        await until_done(core, bad)


async def test_a_membership_that_is_refused_alone_keeps_no_other_from_being_made(site: Site):
    """The edit is halved until what the switch refuses stands alone."""
    switch = site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    changes = [plugged(a_vlan(vlan)) for vlan in range(10, 18)]
    switch.forbidden_vlans.add(13)
    async with site.driver() as core:
        await core.postcommit_all(changes)
        await until_done(core, *(change for change in changes if change is not changes[3]))
        refused = await failure(core, changes[3])

    assert "VLAN 13 is in internal use" in refused.operator_message
    assert site.configuration().port("Ethernet1").trunk_vlans == {*range(10, 18)} - {13}


async def test_what_a_port_was_is_what_it_was_when_we_got_it(site: Site):
    """Not what it was at an edit that the switch refused: the operator may have changed it since."""
    switch = site.fake(chassis_id=CHASSIS)
    change = a_machine(a_vlan(7), CHASSIS, "Ethernet1")
    bare, on_20, on_30 = (SwitchPort("Ethernet1", *told) for told in ((), (Mode.ACCESS, 20), (Mode.ACCESS, 30)))
    by_hand(site, Edit(ports={"Ethernet1": PortChange(bare, on_20)}))
    async with site.driver() as core:
        switch.faults.refuse("edit-config", RpcError("operation-failed", "not today"), times=1000)
        await failure(core, change)
        switch.faults.clear()
        by_hand(site, Edit(ports={"Ethernet1": PortChange(on_20, on_30)}))
        before = switch.running()
        await until_done(core, change)
        await until_done(core, deleted(change))

    assert switch.running() == before


async def test_a_dead_switch_answers_at_once_and_delays_its_own_debts_only(site: Site):
    """What is for the living switch is made at the pace of the living one."""
    dead, _ = site.fake("leaf1"), site.fake("leaf2", group="leaf2")
    site.attach("host-1", "leaf1", "Ethernet1")
    site.attach("host-2", "leaf2", "Ethernet1")
    dead.power_off()
    change = plugged(a_vlan(7))
    async with site.driver() as core:
        failed = await failure(core, change)
        assert failed.reason == "SWITCH_UNREACHABLE"
        assert "leaf1" in failed.operator_message
        answers = await core.postcommit_all([change, plugged(a_vlan(8, "leaf2"), "host-2")])
        assert isinstance(answers[0], Failed)
        await until_done(core, plugged(a_vlan(9, "leaf2"), "host-2"))
        # All of it while the dead one is dead.
        assert site.configuration("leaf2").port("Ethernet1").trunk_vlans >= {9}
        listed = await core.list_owned()
        assert [each.backend for each in listed if not hasattr(each, "kind")] == ["leaf1"]
        dead.power_on()
        await until_done(core, change)

    assert site.configuration("leaf1").port("Ethernet1").trunk_vlans == {7}


async def test_what_was_deleted_while_its_switch_was_dead_goes_when_it_is_back(site: Site):
    """The debt stays until the switch is rid of it, and then nothing of it is left."""
    switch = site.fake()
    site.attach("host-1", "leaf1", "Ethernet1")
    before, change = switch.running(), plugged(a_vlan(7))
    async with site.driver() as core:
        await until_done(core, change)
        switch.power_off()
        failed = await failure(core, deleted(change))
        assert failed.reason == "SWITCH_UNREACHABLE"
        switch.power_on()
        await until_done(core, deleted(change))

        async def is_listed_again() -> bool:
            return not any(isinstance(each, Unreachable) for each in await core.list_owned())

        # It is looked at again a moment after it was written to.
        await eventually(is_listed_again)
        assert [each for each in await core.list_owned() if each.kind is Kind.PORT] == []

    assert switch.running() == before


async def test_a_switch_in_maintenance_is_left_alone(site: Site):
    """Nothing is asked of it, what waits says why, and afterwards it is made."""
    switch = site.fake(maintenance=True)
    site.attach("host-1", "leaf1", "Ethernet1")
    change = plugged(a_vlan(7))
    async with site.driver() as core:
        failed = await failure(core, change)
        assert (failed.reason, failed.disposition) == ("SWITCH_IN_MAINTENANCE", "RETRY")
        assert switch.operations == []
        site.change("leaf1", maintenance=False)
        site.write()
        await until_done(core, change)


async def _holds(site: Site, vlans: set[int]) -> bool:
    seen = site.configuration()
    return seen.port("Ethernet1").trunk_vlans == vlans and vlans <= seen.vlans.keys()
