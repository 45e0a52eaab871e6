"""What changes on a switch, case by case: the properties hold in general, these are what operators ask about."""

from __future__ import annotations

from dataclasses import replace

import pytest
from arista_switches import IS_OURS, access, edit_for, name_of, trunk, wanted
from jackfield_arista.configuration.difference import Cause, Conflict, MissingPort, difference, obstacles
from jackfield_arista.configuration.edit import Wanted
from jackfield_arista.configuration.model import Configuration, Mode, SwitchPort, vlans_of

FACTORY = {name: SwitchPort(name, Mode.ACCESS, 1) for name in ("Ethernet1", "Ethernet2", "Port-Channel1")}
EMPTY = Configuration({1: "default"}, FACTORY)


def a_trunk(name: str, *entries: str, native_vlan: int | None = None) -> SwitchPort:
    return SwitchPort(name, Mode.TRUNK, None, native_vlan, vlans_of(entries), entries=entries)


def a_switch(*ports: SwitchPort, **vlans: str) -> Configuration:
    names = {int(id.removeprefix("v")): name for id, name in vlans.items()}
    return Configuration({1: "default", **names}, {**FACTORY, **{port.name: port for port in ports}})


def test_vlans_of_ours_join_a_trunk_of_others() -> None:
    """Single entries are added at the end, and what was there stays as it was written."""
    switch = a_switch(a_trunk("Ethernet1", "2000..2005", "7", native_vlan=7), v7="storage")

    after = edit_for(switch, trunk("Ethernet1", 100, 99)).applied_to(switch)

    assert after.ports["Ethernet1"].entries == ("2000..2005", "7", "99", "100")
    assert after.ports["Ethernet1"].native_vlan == 7
    assert after.vlans == {1: "default", 7: "storage", 99: name_of(99), 100: name_of(100)}


def test_vlans_of_ours_leave_a_trunk_of_others() -> None:
    """Their entries stay, order and all."""
    port = a_trunk("Ethernet1", "100", "7", "2000..2005", "101", "30")
    switch = a_switch(port, v7="storage", v100=name_of(100), v101=name_of(101))

    after = edit_for(switch, trunk("Ethernet1", 101)).applied_to(switch)

    assert after.ports["Ethernet1"].entries == ("7", "2000..2005", "101", "30")
    assert 100 not in after.vlans
    assert edit_for(switch).applied_to(switch).ports["Ethernet1"].entries == ("7", "2000..2005", "30")


def test_a_vlan_that_goes_takes_its_place_on_every_port() -> None:
    """A trunk nobody mentions would keep the number for whoever gets it next."""
    port = a_trunk("Ethernet9", "7", "100")
    switch = a_switch(port, v7="storage", v100=name_of(100))

    after = difference(switch, Wanted(scope=frozenset({100})), IS_OURS).applied_to(switch)

    assert after.ports["Ethernet9"].entries == ("7",)


def test_what_is_out_of_scope_stays() -> None:
    """A VLAN of ours that perhaps somebody still needs is not removed."""
    switch = a_switch(a_trunk("Ethernet1", "100", "101"), v100=name_of(100), v101=name_of(101))

    edit = difference(switch, Wanted(ports={"Ethernet1": None}, scope=frozenset({101})), IS_OURS)

    assert set(edit.vlans) == {101}
    assert edit.applied_to(switch).ports["Ethernet1"].entries == ("100",)


def test_a_range_that_an_operator_wrote_stays_whole() -> None:
    """A VLAN of ours comes and goes within it, and leaves no hole; what we added ourselves goes."""
    before_us = a_trunk("Ethernet1", "1000..1999")
    wishes = replace(wanted(trunk("Ethernet1", 1005, 77)), restore={"Ethernet1": before_us})
    switch = a_switch(before_us)

    with_ours = difference(switch, wishes, IS_OURS).applied_to(switch)
    gone = difference(with_ours, replace(wanted(), restore={"Ethernet1": before_us}), IS_OURS).applied_to(with_ours)

    assert with_ours.ports["Ethernet1"].entries == ("1000..1999", "77")
    assert gone.ports["Ethernet1"].entries == ("1000..1999",)
    assert gone == switch


def test_a_port_goes_back_to_what_it_was_before_us() -> None:
    """Mode, access VLAN and list come back when the last of ours leaves."""
    before_us = SwitchPort("Ethernet1", Mode.ACCESS, access_vlan=7)
    switch = a_switch(a_trunk("Ethernet1", "100"), v100=name_of(100))
    nothing = replace(wanted(), restore={"Ethernet1": before_us})

    assert difference(switch, nothing, IS_OURS).applied_to(switch).ports["Ethernet1"] == before_us


def test_a_port_that_nobody_remembers_goes_back_to_the_factory() -> None:
    """It becomes no trunk of every VLAN."""
    switch = a_switch(a_trunk("Ethernet1", "100", native_vlan=100), v100=name_of(100))

    assert edit_for(switch).applied_to(switch).ports["Ethernet1"] == SwitchPort("Ethernet1")


def test_a_trunk_keeps_the_native_vlan_of_others() -> None:
    """With a list of that alone, because without a list it would carry everything."""
    switch = a_switch(a_trunk("Ethernet1", "100", native_vlan=7), v7="storage", v100=name_of(100))

    after = edit_for(switch).applied_to(switch).ports["Ethernet1"]

    assert (after.mode, after.native_vlan, after.entries) == (Mode.TRUNK, 7, ("7",))


def test_a_trunk_of_every_vlan_stays_one() -> None:
    """It carries ours already, and a list would take it from all the others."""
    switch = a_switch(a_trunk("Ethernet1"))
    untagged = a_switch(a_trunk("Ethernet1", native_vlan=100), v100=name_of(100))

    assert set(edit_for(switch, trunk("Ethernet1", 100)).ports) == set()
    assert edit_for(untagged).applied_to(untagged).ports["Ethernet1"] == a_trunk("Ethernet1")


def test_a_native_vlan_is_carried() -> None:
    """EOS drops the native VLAN of a trunk that does not list it."""
    after = edit_for(EMPTY, trunk("Port-Channel1", 101, native_vlan=100)).applied_to(EMPTY).ports["Port-Channel1"]

    assert (after.native_vlan, after.entries) == (100, ("100", "101"))


def test_a_vlan_of_somebody_else_stands_in_the_way() -> None:
    """It is neither renamed nor joined."""
    switch = a_switch(v100="storage")

    with pytest.raises(Conflict) as refused:
        edit_for(switch, trunk("Ethernet1", 100), access("Ethernet2", 101))

    assert refused.value.vlan == 100
    assert "VLAN 100" in str(refused.value)
    assert "storage" in str(refused.value)


def test_all_obstacles_are_told_at_once() -> None:
    """So that the rest can be made without them."""
    switch = a_switch(a_trunk("Ethernet1", "7"), a_trunk("Ethernet2"), v7="storage", v100="")

    found = list(
        obstacles(switch, wanted(access("Ethernet1", 9), access("Ethernet2", 8), trunk("Ethernet9", 100)), IS_OURS)
    )

    assert [(one.cause, one.vlan, one.port) for one in found] == [
        (Cause.VLAN_TAKEN, 100, None),
        (Cause.PORT_TAKEN, None, "Ethernet1"),
        (Cause.PORT_TAKEN, None, "Ethernet2"),
        (Cause.PORT_MISSING, None, "Ethernet9"),
    ]


def test_an_interface_that_is_not_there_is_missing() -> None:
    """A port-channel that nobody has configured is one as well."""
    with pytest.raises(MissingPort, match="Port-Channel9"):
        edit_for(EMPTY, trunk("Port-Channel9", 100))


def test_a_machine_of_ours_changes_its_kind_of_port() -> None:
    """A trunk of ours alone becomes an access port and the other way round."""
    switch = a_switch(a_trunk("Ethernet1", "100"), v100=name_of(100))

    after = edit_for(switch, access("Ethernet1", 101)).applied_to(switch)
    again = edit_for(after, trunk("Ethernet1", 100)).applied_to(after)

    assert after.ports["Ethernet1"] == SwitchPort("Ethernet1", Mode.ACCESS, 101)
    assert again == switch


def test_a_vlan_gets_a_network_of_its_own_name() -> None:
    """A number that another network of ours had is renamed, with what maps it."""
    mapped = replace(a_switch(v100=name_of(55)), vnis={100: 5000}, carriers={100: name_of(55)})

    edit = edit_for(mapped, trunk("Ethernet1", 100), vnis={100: 5000})

    assert (edit.vlans[100].before, edit.vlans[100].after) == (name_of(55), name_of(100))
    assert (edit.vnis[100].carrier_before, edit.vnis[100].carrier) == (name_of(55), name_of(100))


def test_a_mapping_of_somebody_else_stands_in_the_way() -> None:
    """Unless it is the one that we want."""
    mapped = replace(a_switch(v100=name_of(100)), vnis={100: 5000}, carriers={100: "theirs"})

    with pytest.raises(Conflict, match="VNI 5000"):
        edit_for(mapped, trunk("Ethernet1", 100), vnis={100: 5001})

    assert set(edit_for(mapped, trunk("Ethernet1", 100), vnis={100: 5000}).vnis) == set()
    assert set(edit_for(mapped).vnis) == set()


def test_an_edit_can_be_read() -> None:
    """A line for each thing, and of a long trunk only what differs."""
    entries = tuple(str(vlan) for vlan in range(200, 240))
    switch = a_switch(a_trunk("Ethernet1", *entries, "100"), v100=name_of(100))

    assert edit_for(switch, access("Ethernet2", 101), vnis={101: 5000}).lines() == (
        f"VLAN 100: {name_of(100)} is too much",
        f"VLAN 101: {name_of(101)} is missing",
        "Ethernet1: trunk of 100 instead of trunk of no other",
        "Ethernet2: access VLAN 1 instead of access VLAN 101",
        "VNI of VLAN 101: 5000 is missing",
    )


def test_many_vlans_are_said_in_few_words() -> None:
    """As ranges."""
    lines = edit_for(EMPTY, trunk("Ethernet1", *range(1000, 1500), 7)).lines()

    assert lines[-1] == "Ethernet1: access VLAN 1 instead of trunk of 7, 1000..1499"


def test_what_eos_takes_for_granted_is_no_difference_to_what_was_asked() -> None:
    """A port with nothing configured may be shown as access port of VLAN 1."""
    switch = a_switch(a_trunk("Ethernet1", "100"), v100=name_of(100))
    edit = edit_for(switch)
    shown = replace(edit.applied_to(switch), ports=FACTORY)

    assert edit.missing_from(shown) == ()
    assert edit.missing_from(switch) == (
        f"VLAN 100: {name_of(100)} is too much",
        "Ethernet1: trunk of 100 instead of no VLAN",
    )
