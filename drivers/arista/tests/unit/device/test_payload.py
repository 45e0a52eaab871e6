"""The XML of an edit: one document that says what changes, and nothing else."""

from __future__ import annotations

from arista_switches import IS_OURS, access, name_of, trunk, wanted
from jackfield_arista.configuration.difference import difference
from jackfield_arista.configuration.edit import Edit
from jackfield_arista.configuration.model import Configuration, Mode, SwitchPort, vlans_of
from jackfield_arista.device import parsing
from jackfield_arista.device.payload import payload
from lxml import etree

PREFIXES = {
    "nc": "urn:ietf:params:xml:ns:netconf:base:1.0",
    "if": "http://openconfig.net/yang/interfaces",
    "ni": "http://openconfig.net/yang/network-instance",
    "vlan": "http://openconfig.net/yang/vlan",
    "vx": "http://arista.com/yang/experimental/eos/vxlan",
}
ENTRIES = ("2000..2005", "7", "100")
SWITCH = Configuration(
    {1: "default", 7: "storage", 100: name_of(100)},
    {
        "Ethernet1": SwitchPort("Ethernet1", Mode.TRUNK, None, None, vlans_of(ENTRIES), entries=ENTRIES),
        "Ethernet2": SwitchPort("Ethernet2", Mode.ACCESS, 1),
        "Port-Channel1": SwitchPort("Port-Channel1", Mode.ACCESS, 1),
    },
)


def the(config: etree._Element, path: str) -> list[tuple[str, bool]]:
    """Return the texts at a path, each with whether it goes."""
    found = config.iterfind(path, PREFIXES)
    return [(one.text or "", one.get(f"{{{PREFIXES['nc']}}}operation") == "remove") for one in found]


def the_switching(config: etree._Element, leaf: str) -> list[tuple[str, bool]]:
    return the(config, f".//vlan:switched-vlan/vlan:config/vlan:{leaf}")


def test_an_empty_edit_says_nothing() -> None:
    """Not even a container, which some servers would make."""
    assert len(payload(Edit())) == 0


def test_only_entries_that_change_are_said() -> None:
    """What others have on the same trunk is not mentioned."""
    config = payload(difference(SWITCH, wanted(trunk("Ethernet1", 101)), IS_OURS))

    assert the_switching(config, "trunk-vlans") == [("100", True), ("101", False)]
    assert the_switching(config, "interface-mode") == [("TRUNK", False)]
    assert b"2000" not in etree.tostring(config)
    assert b"storage" not in etree.tostring(config)


def test_a_port_says_what_it_is() -> None:
    """What a port may have depends on its type, and on its mode."""
    config = payload(difference(SWITCH, wanted(trunk("Ethernet1", 100), trunk("Port-Channel1", 100)), IS_OURS))

    assert the(config, ".//if:interface/if:config/if:type") == [("ianaift:ieee8023adLag", False)]
    assert the_switching(config, "access-vlan") == [("1", True)]
    assert config.nsmap["ianaift"] == "urn:ietf:params:xml:ns:yang:iana-if-type"


def test_a_port_without_anything_left_has_nothing_configured() -> None:
    """The whole of its VLANs goes."""
    port = SwitchPort("Ethernet1", Mode.TRUNK, trunk_vlans=frozenset({100}))
    config = payload(difference(Configuration({100: name_of(100)}, {"Ethernet1": port}), wanted(), IS_OURS))

    assert the(config, ".//vlan:switched-vlan") == [("", True)]
    assert the(config, ".//ni:vlan") == [("", True)]


def test_vlans_of_any_number_are_one_edit() -> None:
    """The default instance is there once, with every VLAN."""
    many = range(1000, 1500)
    config = payload(difference(SWITCH, wanted(trunk("Ethernet1", *many), access("Ethernet2", 100)), IS_OURS))

    assert the(config, "ni:network-instances/ni:network-instance/ni:name") == [("default", False)]
    assert len(the(config, ".//ni:vlan")) == len(many)
    assert len(the_switching(config, "trunk-vlans")) == len(many) + 1


def test_a_mapping_is_an_instance_named_like_the_vlan() -> None:
    """And what a switch shows of it is read back as the mapping."""
    vlan_and_vni = difference(SWITCH, wanted(trunk("Ethernet1", 100), vnis={100: 5000}), IS_OURS)

    assert [*parsing.configuration(payload(vlan_and_vni)).vnis.items()] == [(100, 5000)]
    assert parsing.configuration(payload(vlan_and_vni)).carriers == {100: name_of(100)}
    assert the(payload(vlan_and_vni.undone()), "ni:network-instances/ni:network-instance") == [("", True)]


def test_eos_has_a_table_of_its_own_for_mappings() -> None:
    """At the interface Vxlan1, with the VLAN as the key."""
    edit = difference(SWITCH, wanted(trunk("Ethernet1", 100), vnis={100: 5000}), IS_OURS)

    config = payload(edit, native_vxlan=True)

    assert the(config, "if:interfaces/if:interface/if:name") == [("Vxlan1", False)]
    assert parsing.configuration(config).vnis == {100: 5000}
    assert the(config, "ni:network-instances") == []
    assert the(payload(edit.undone(), native_vxlan=True), ".//vx:vlan-to-vni") == [("", True)]
