"""The inventory as values: what fits together, where hosts are, and where Ironic's machines are."""

from typing import Any

import pytest
from jackfield_arista.inventory.attachments import Place, Role
from jackfield_arista.inventory.links import UnknownLink, places_of_links
from jackfield_arista.inventory.model import Inventory
from pydantic import ValidationError

LEAF_A, LEAF_B = "001c.7300.000a", "00-1C-73-00-00-0B"
LACP = {"id": "uuid", "name": "", "bond_mode": "802.3ad", "bond_properties": {}}


def an_inventory(**parts: Any) -> Inventory:
    """Return two leafs of an MLAG pair and one alone; `parts` replace whole parts."""
    leaf = {"credential": "leafs", "group": "rack1"}
    usual = {
        "credentials": {"leafs": {"username": "jackfield", "key_file": "/etc/jackfield/key"}},
        "groups": {
            "rack1": {"physical_network": "rack1", "vlan_ranges": "100-199, 300"},
            "rack2": {"physical_network": "rack2"},
        },
        "switches": {
            "a": leaf | {"address": "192.0.2.1", "mlag_peer": "b", "chassis_id": LEAF_A, "uplinks": ["Et49"]},
            "b": leaf | {"address": "192.0.2.2", "mlag_peer": "a", "chassis_id": LEAF_B, "uplinks": ["Et49"]},
            "c": leaf | {"address": "192.0.2.3", "group": "rack2", "reserved_vlans": [1, "4000-4094"]},
        },
        "attachments": [
            {"host": "paired", "switch": "a", "lag": "Po7", "interfaces": ["Et7"]},
            {"host": "paired", "switch": "b", "lag": "Po7", "interfaces": ["Et9"]},
            {"host": "single", "switch": "c", "interfaces": ["Ethernet1", "Et2"]},
            {"host": "bonded", "switch": "a", "lag": "Port-Channel8", "mlag": False, "interfaces": ["Et8"]},
            {"host": "rented", "switch": "c", "interfaces": ["Et20"], "role": "baremetal"},
        ],
    }
    return Inventory.model_validate(usual | parts)


def a_link(switch_id: str = "", port_id: str = "Ethernet20", switch_info: str = "") -> dict[str, str]:
    return {"switch_id": switch_id, "port_id": port_id, "switch_info": switch_info}


def at(*places: str, role: Role = Role.BAREMETAL) -> list[tuple[str, Role]]:
    return [(place, role) for place in places]


def shown(places: tuple[Place, ...]) -> list[tuple[str, Role]]:
    return [(f"{place.switch} {place.port}", place.role) for place in places]


def test_a_host_is_where_its_cables_end():
    """Interfaces are places each; a port-channel of a pair is one place on each member, unless it is no MLAG."""
    inventory = an_inventory()

    assert shown(inventory.of_host("single")) == at("c Ethernet1", "c Ethernet2", role=Role.HYPERVISOR)
    assert shown(inventory.of_host("paired")) == at("a Port-Channel7", "b Port-Channel7", role=Role.HYPERVISOR)
    assert shown(inventory.of_host("bonded")) == at("a Port-Channel8", role=Role.HYPERVISOR)
    assert inventory.of_host("single.example.org") == inventory.of_host("single")
    assert inventory.of_host("stranger") == ()
    assert {place.physical_network for place in inventory.of_host("paired")} == {"rack1"}


def test_one_attachment_is_enough_for_a_pair():
    """Whoever lists a port-channel at one member of an MLAG pair has it at both."""
    inventory = an_inventory(attachments=[{"host": "h", "switch": "b", "lag": "Port-Channel3"}])

    assert shown(inventory.of_host("h")) == at("a Port-Channel3", "b Port-Channel3", role=Role.HYPERVISOR)
    assert inventory.owner_of("a", "Port-Channel3") is inventory.attachments[0]


@pytest.mark.parametrize("switch_id", ["00:1c:73:00:00:0a", "001C.7300.000A", "00-1c-73-00-00-0a", "001c7300000a"])
def test_ironic_names_a_chassis_in_any_notation(switch_id):
    """`switch_id` is the chassis MAC address, however the person spelled it who wrote it into Ironic."""
    assert shown(places_of_links(an_inventory(), [a_link(switch_id, "Et20")])) == at("a Ethernet20")


def test_ironic_may_name_a_switch():
    """`switch_info` finds a switch whose chassis nobody knows, with or without its domain."""
    inventory = an_inventory()

    assert shown(places_of_links(inventory, [a_link(switch_info="c")])) == at("c Ethernet20")
    assert shown(places_of_links(inventory, [a_link("not a mac", "Po4", "c.example.org")])) == at("c Port-Channel4")


def test_cables_without_lacp_are_places_each():
    """Active-backup and the like need nothing of the switch but VLANs on every cable."""
    links = [a_link(LEAF_A, "Ethernet30"), a_link(LEAF_B, "Ethernet30")]

    for group in (None, {}, {"bond_mode": "active-backup"}):
        assert shown(places_of_links(an_inventory(), links, group)) == at("a Ethernet30", "b Ethernet30")


def test_a_bond_with_lacp_is_its_port_channel():
    """It is found by its members in the inventory, by `port_id` itself, or by the name of Ironic's port group."""
    rented = [{"host": "r", "switch": "a", "lag": "Po9", "interfaces": ["Et30"], "role": "baremetal"}]
    inventory = an_inventory(attachments=rented)
    members = [a_link(LEAF_A, "Ethernet30"), a_link(LEAF_B, "Ethernet31")]

    by_member = places_of_links(inventory, members, LACP)
    by_port = places_of_links(inventory, [a_link(LEAF_A, "Port-Channel9"), a_link(LEAF_B, "Port-Channel9")], LACP)
    by_name = places_of_links(an_inventory(), members, LACP | {"name": "Port-Channel9"})

    assert shown(by_member) == shown(by_port) == shown(by_name) == at("a Port-Channel9", "b Port-Channel9")


def test_a_member_of_a_port_channel_is_configured_there():
    """EOS ignores what is configured on a member, so a cable that is one stands for its port-channel."""
    rented = [{"host": "r", "switch": "a", "lag": "Po9", "interfaces": ["Et30"], "role": "baremetal", "mlag": False}]

    assert shown(places_of_links(an_inventory(attachments=rented), [a_link(LEAF_A, "Et30")])) == at("a Port-Channel9")


@pytest.mark.parametrize(
    ("links", "group", "reason"),
    [
        pytest.param(None, None, "has no local_link_information", id="none"),
        pytest.param([], None, "has no local_link_information", id="empty"),
        pytest.param("Ethernet1", None, "has no local_link_information", id="text"),
        pytest.param(["Ethernet1"], None, "must list objects", id="no object"),
        pytest.param([a_link("00:00:00:00:00:99")], None, "'00:00:00:00:00:99'", id="strange chassis"),
        pytest.param([a_link("00:00:00:00:00:99", switch_info="a")], None, "its chassis is not", id="other chassis"),
        pytest.param([a_link(LEAF_A, "7")], None, "'7' names no interface of a", id="number"),
        pytest.param([a_link(LEAF_A, "Ethernet49")], None, "a Ethernet49 is one of its uplinks", id="uplink"),
        pytest.param([a_link(switch_info="c", port_id="Et1")], None, "given to hypervisor single", id="hypervisor"),
        pytest.param([a_link(LEAF_A, "Et30")], LACP, "which port-channel a Ethernet30 is in", id="LACP"),
    ],
)
def test_a_link_that_leads_nowhere_is_named(links, group, reason):
    """The reason says which link, and what is wrong with it."""
    with pytest.raises(UnknownLink) as caught:
        places_of_links(an_inventory(), links, group)
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("parts", "fault"),
    [
        pytest.param({"groups": {}}, "switches.a.group: there is no group rack1", id="group"),
        pytest.param({"credentials": {}}, "switches.c.credential: there is no credential leafs", id="credential"),
        pytest.param(
            {"attachments": [{"host": "h", "switch": "z", "lag": "Po1"}]}, "h: there is no switch z", id="switch"
        ),
        pytest.param(
            {"attachments": [{"host": "h", "switch": "a", "interfaces": ["Et49"]}]},
            "is one of its uplinks",
            id="uplink",
        ),
        pytest.param(
            {
                "attachments": [
                    {"host": "h", "switch": "a", "lag": "Po7"},
                    {"host": "i", "switch": "b", "interfaces": ["Po7"]},
                ]
            },
            "i: b Port-Channel7 is given to h already",
            id="two hosts on one port",
        ),
        pytest.param({"attachments": [{"host": "h", "switch": "a"}]}, "needs interfaces or lag", id="nowhere"),
        pytest.param({"attachments": [{"host": "h", "switch": "a", "lag": "Et1"}]}, "must be a port-channel", id="lag"),
    ],
)
def test_what_does_not_fit_together_is_refused(parts, fault):
    """Names that lead nowhere and cables that cannot be so are found when the inventory is made."""
    with pytest.raises(ValidationError) as caught:
        an_inventory(**parts)
    assert fault in str(caught.value)


def test_pairs_are_mutual_and_in_one_group():
    """A peer that does not name the switch back, or is in another group, is a mistake in the file."""
    leaf = {"credential": "leafs", "group": "rack1"}
    switches = {
        "a": leaf | {"address": "192.0.2.1", "mlag_peer": "b"},
        "b": leaf | {"address": "192.0.2.1"},
        "c": leaf | {"address": "192.0.2.3", "mlag_peer": "d"},
        "d": leaf | {"address": "192.0.2.4", "mlag_peer": "c", "group": "rack2"},
        "e": leaf | {"address": "192.0.2.5", "mlag_peer": "e"},
    }
    with pytest.raises(ValidationError) as caught:
        an_inventory(switches=switches, attachments=[])

    for fault in (
        "switches.a.mlag_peer: b does not name a as its mlag_peer",
        "switches.b.address: a has the same",
        "switches.c.mlag_peer: d is in group rack2, and an MLAG pair is in one group",
        "switches.e.mlag_peer: there is no other switch e",
    ):
        assert fault in str(caught.value)


def test_vlans_are_read_as_people_write_them():
    """Ranges and single VLANs, as text or as a list, in any order."""
    inventory = an_inventory()

    rack1, rack2 = inventory.group_of("a"), inventory.group_of("c")
    assert [vlan for vlan in (99, 100, 199, 200, 300) if rack1.allows(vlan)] == [100, 199, 300]
    assert rack2.allows(4094)
    assert str(rack1.vlan_ranges) == "100-199, 300"
    reserved = inventory.switch("c").reserved_vlans
    assert (1 in reserved, 2 in reserved, 4050 in reserved) == (True, False, True)


@pytest.mark.parametrize("ranges", ["5-4", "0", "4095", "a-b", "100 200", [True]])
def test_vlans_that_are_none_are_refused(ranges):
    """A range goes upwards within 1 to 4094."""
    with pytest.raises(ValidationError):
        an_inventory(groups={"rack1": {"physical_network": "rack1", "vlan_ranges": ranges}})
