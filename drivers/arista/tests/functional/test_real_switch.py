"""Edits on a real NETCONF server, with real datastores and real trials."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from arista_switches import FOREIGN, IS_OURS, SAFETY, access, edit_for, make, name_of, open_session, trunk, wanted
from jackfield_arista.configuration.difference import difference
from jackfield_arista.configuration.edit import Edit, VlanChange
from jackfield_arista.device.errors import LockHeld, RpcFailed, UnhealthyAfterCommit
from jackfield_arista.device.health import Health
from jackfield_arista.device.payload import payload
from jackfield_arista.device.session import Session
from support.netconf import NetconfSwitch
from support.waiting import wait_until


@pytest.fixture
def session(netconf_switch: NetconfSwitch) -> Iterator[Session]:
    with open_session(netconf_switch) as session:
        yield session


def test_everything_of_an_edit_is_made_and_taken_back(session: Session) -> None:
    """VLANs, a trunk, an access port, a port-channel with a native VLAN and a mapping come and go, byte for byte."""
    before, factory = session.running_xml(), session.read()
    ports = (trunk("Ethernet1", 100, 101), access("Ethernet2", 100), trunk("Port-Channel1", 101, native_vlan=100))

    made = make(session, *ports, vnis={100: 5000})

    assert made.vlans == {1: "default", 100: name_of(100), 101: name_of(101)}
    assert made.ports["Ethernet1"].trunk_vlans == {100, 101}
    assert made.ports["Ethernet2"].access_vlan == 100
    assert made.ports["Port-Channel1"].native_vlan == 100
    assert made.vnis == {100: 5000}
    assert edit_for(session.read(), *ports, vnis={100: 5000}).is_empty

    session.apply(difference(made, replace(wanted(), restore=dict(factory.ports)), IS_OURS), SAFETY)

    assert session.running_xml() == before


def test_what_others_configured_stays_as_they_wrote_it(netconf_switch: NetconfSwitch, session: Session) -> None:
    """VLANs of ours join and leave a trunk of theirs, and nothing of theirs moves."""
    netconf_switch.edit(FOREIGN)
    before = session.running_xml()

    made = make(session, trunk("Ethernet1", 100, 101))
    fewer = make(session, trunk("Ethernet1", 101))
    make(session)

    assert made.ports["Ethernet1"].trunk_vlans == {7, 30, 100, 101, *range(2000, 2006)}
    assert fewer.ports["Ethernet1"].trunk_vlans == {7, 30, 101, *range(2000, 2006)}
    assert session.running_xml() == before


def test_five_hundred_vlans_are_one_edit(session: Session) -> None:
    """They come with one commit and go with one."""
    many = range(1000, 1500)

    made = make(session, trunk("Ethernet1", *many))
    gone = make(session)

    assert made.ports["Ethernet1"].trunk_vlans == set(many)
    assert len(made.vlans) == 501
    assert gone.vlans == {1: "default"}


def test_a_lock_of_somebody_else_is_named(netconf_switch: NetconfSwitch, session: Session) -> None:
    """By the number of their session; nothing is changed, and it works when they have gone."""
    with netconf_switch.lock_elsewhere() as holder, pytest.raises(LockHeld) as held:
        make(session, trunk("Ethernet1", 100))

    assert held.value.session_id == holder
    assert 100 not in session.read().vlans
    assert 100 in make(session, trunk("Ethernet1", 100)).vlans


def test_what_a_dead_session_left_is_thrown_away(netconf_switch: NetconfSwitch, session: Session) -> None:
    """An edit that somebody never committed does not come with ours."""
    with netconf_switch.somebody() as operator:
        operator.ask("edit_config", target="candidate", config=operator.config(FOREIGN))

    made = make(session, trunk("Port-Channel1", 100))

    assert made.vlans == {1: "default", 100: name_of(100)}


def test_an_edit_that_makes_no_sense_changes_nothing(session: Session) -> None:
    """The switch says what and where, and its lock is free again."""
    before = session.running_xml()

    with pytest.raises(RpcFailed) as refused:
        session.apply(Edit({5000: VlanChange(None, name_of(1))}), SAFETY)

    assert refused.value.tag == "invalid-value"
    assert "vlan" in refused.value.path
    assert session.running_xml() == before
    assert 100 in make(session, trunk("Ethernet1", 100)).vlans


def test_a_change_ends_with_the_session_that_tried_it(netconf_switch: NetconfSwitch, session: Session) -> None:
    """Cut while it is on trial, the switch is as before."""
    with open_session(netconf_switch) as other:
        before = other.running_xml()
        other._netconf.edit_candidate(payload(edit_for(other.read(), trunk("Ethernet1", 100))))
        other._netconf.commit(trial=600)
        assert 100 in other.read().vlans
        netconf_switch.cut()

    with open_session(netconf_switch) as again:
        wait_until(lambda: again.running_xml() == before, what="the change to be taken back")
        assert 100 in make(again, trunk("Ethernet1", 100)).vlans


def test_a_change_survives_a_restart(netconf_switch: NetconfSwitch, session: Session) -> None:
    """It is saved with the change; a switch that comes back empty is seen to be so."""
    make(session, trunk("Ethernet1", 100))

    netconf_switch.reboot()
    with open_session(netconf_switch) as again:
        assert 100 in again.read().vlans

    netconf_switch.reboot(empty=True)
    with open_session(netconf_switch) as again:
        assert again.read().vlans == {1: "default"}


def test_an_uplink_that_is_lost_takes_the_change_back(session: Session) -> None:
    """The trial is cancelled, and the session goes on."""
    before = session.running_xml()
    # An uplink that shows only in the first look is one that went down with the change.
    look, looks = session._look, iter([Health(links={"Ethernet3": True})])
    session._look = lambda: next(looks, replace(look(), links={"Ethernet3": False}))  # type: ignore[method-assign]

    with pytest.raises(UnhealthyAfterCommit, match="uplink Ethernet3 is down"):
        make(session, trunk("Ethernet1", 100), access("Ethernet2", 101))

    assert session.running_xml() == before


def test_links_and_neighbours_are_seen(session: Session) -> None:
    """As the health check looks at them."""
    (spine,) = session.neighbours()

    assert (spine.interface, spine.system_name, spine.port_id) == ("Ethernet3", "spine-1", "Ethernet7")
    assert session.links()["Ethernet3"]
