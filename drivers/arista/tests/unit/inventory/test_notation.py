"""One spelling for chassis and ports."""

import pytest
from jackfield_arista.inventory.notation import canonical_chassis, canonical_port, port_order
from jackfield_arista.inventory.vlan_ranges import VlanSet, vlan_set


@pytest.mark.parametrize(
    ("given", "canonical"),
    [
        ("Ethernet7", "Ethernet7"),
        ("Et7", "Ethernet7"),
        ("eth 7/1", "Ethernet7/1"),
        (" ETHERNET3/7/1 ", "Ethernet3/7/1"),
        ("Po7", "Port-Channel7"),
        ("port-channel 7", "Port-Channel7"),
        ("PortChannel7", "Port-Channel7"),
    ],
)
def test_a_port_has_the_name_of_the_models(given, canonical):
    """EOS takes every beginning that is unique, so do we."""
    assert canonical_port(given) == canonical


@pytest.mark.parametrize(
    "given", ["", "7", "Vlan7", "Management1", "Ethernet", "Ethernet7.5", "Et7 Et8", "Et" + "1" * 40]
)
def test_what_carries_no_vlans_of_hosts_is_no_port(given):
    """Management interfaces, VLAN interfaces and bare numbers are refused."""
    with pytest.raises(ValueError, match="must be an interface or a port-channel"):
        canonical_port(given)


@pytest.mark.parametrize("given", ["", "001c.7300.00", "leaf1", "00:1c:73:00:00:0g", "00:1c:73:00:00:01:02"])
def test_what_is_no_mac_address_is_no_chassis(given):
    """Twelve hexadecimal digits, however divided, and nothing else."""
    with pytest.raises(ValueError, match="must be a MAC address"):
        canonical_chassis(given)


def test_ports_are_in_the_order_of_the_front_panel():
    """Ethernet9 is before Ethernet10, and modules before their ports."""
    ports = ["Port-Channel1", "Ethernet10", "Ethernet9", "Ethernet10/2", "Ethernet10/1"]

    assert sorted(ports, key=port_order) == ["Ethernet9", "Ethernet10", "Ethernet10/1", "Ethernet10/2", "Port-Channel1"]


def test_ranges_are_merged_and_printed():
    """What overlaps or touches is one range."""
    assert vlan_set(["7", "10-12", "13", "11-15", 8]) == VlanSet(((7, 8), (10, 15)))
    assert str(vlan_set("7, 10-12")) == "7, 10-12"
    assert list(vlan_set("7, 10-12")) == [7, 10, 11, 12]
    assert str(vlan_set("")) == "none"
