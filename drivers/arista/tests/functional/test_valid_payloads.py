"""What is sent, judged by the models of EOS 4.36.1F: all kinds of changes of all kinds of ports, there and back."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from arista_switches import IS_OURS, SAFETY, edit_for, make, name_of, open_session, trunk, wanted
from jackfield_arista.configuration.difference import difference
from jackfield_arista.configuration.edit import Edit, PortChange, VlanChange
from jackfield_arista.configuration.model import Configuration, Mode, SwitchPort, vlans_of
from jackfield_arista.device.payload import payload
from lxml import etree
from support import yang
from support.netconf import FakeSwitch

pytestmark = pytest.mark.skipif(bool(yang.missing_requirements()), reason="; ".join(yang.missing_requirements()))

ENTRIES = ("2000..2005", "7", "100")
STATES = (
    {},
    {"mode": Mode.ACCESS, "access_vlan": 1},
    {"mode": Mode.ACCESS, "access_vlan": 100},
    {"mode": Mode.TRUNK},
    {"mode": Mode.TRUNK, "native_vlan": 7, "trunk_vlans": vlans_of(ENTRIES), "entries": ENTRIES},
    {"mode": Mode.TRUNK, "native_vlan": 100, "trunk_vlans": vlans_of(ENTRIES[:2]), "entries": ENTRIES[:2]},
)


def as_sent(edit: Edit) -> bytes:
    return bytes(etree.tostring(payload(edit)))


def test_every_change_of_a_port_is_valid() -> None:
    """From every state to every other one, of interfaces and of port-channels."""
    edits = [
        Edit(ports={name: PortChange(SwitchPort(name, **before), SwitchPort(name, **after))})
        for before, after in itertools.permutations(STATES, 2)
        for name in ("Ethernet1", "Ethernet49/1", "Port-Channel7")
    ]

    yang.check(as_sent(edit) for edit in edits)


def test_vlans_and_mappings_are_valid() -> None:
    """They come, change their names, and go."""
    edit = edit_for(
        Configuration(ports={"Ethernet1": SwitchPort("Ethernet1")}),
        trunk("Ethernet1", 100, 4094),
        vnis={100: 16777215, 4094: 1},
    )
    renamed = Edit({100: VlanChange(name_of(55), name_of(100))})
    made = replace(edit.applied_to(Configuration()), carriers={100: name_of(55), 4094: name_of(4094)})
    moved = difference(made, wanted(trunk("Ethernet1", 100, 4094), vnis={100: 7, 4094: 1}), IS_OURS)

    assert moved.vnis[100].carrier_before == name_of(55)
    yang.check(as_sent(one) for one in (edit, edit.undone(), renamed, moved))


def test_what_a_switch_gets_in_a_day_is_valid(fake_switch: FakeSwitch) -> None:
    """As it was received: machines come, one after the other, and go."""
    with open_session(fake_switch) as session:
        factory = session.read()
        make(session, trunk("Ethernet1", 100), vnis={100: 5000})
        make(session, trunk("Ethernet1", 100, 101), trunk("Port-Channel1", 101, native_vlan=102), vnis={100: 5000})
        make(session, trunk("Ethernet1", 101))
        gone = difference(session.read(), replace(wanted(), restore=dict(factory.ports)), IS_OURS)
        session.apply(gone, SAFETY)

    assert len(fake_switch.payloads) == 4
    yang.check(fake_switch.payloads)


def test_what_is_wrong_is_found() -> None:
    """The judge is awake."""
    with pytest.raises(yang.InvalidPayload, match="5000"):
        yang.check([as_sent(Edit({5000: VlanChange(None, name_of(1))}))])
