"""What compute services are told to plug, by VIF type."""

import pytest
from jackfield_sdk import bridge_vif_details, host_mac_address, ovs_vif_details, tap_vif_details


def test_details_of_ovs_name_bridge_datapath_and_plug() -> None:
    """Everything that os-vif reads for a port of Open vSwitch is there, under its names."""
    assert ovs_vif_details("br-int", datapath_type="netdev", hybrid_plug=True) == {
        "port_filter": True,
        "connectivity": "l2",
        "bridge_name": "br-int",
        "datapath_type": "netdev",
        "ovs_hybrid_plug": True,
    }


def test_details_of_bridge_name_the_bridge() -> None:
    """A compute service puts the interface into the bridge of the network."""
    assert bridge_vif_details("brq0123") == {"port_filter": True, "connectivity": "l2", "bridge_name": "brq0123"}


def test_details_of_tap_have_the_address_of_the_host_end() -> None:
    """The compute service makes the device only, with an address that is not the guest's."""
    assert tap_vif_details("fa:16:3e:00:00:01") == {
        "port_filter": True,
        "connectivity": "l2",
        "mac_address": "fe:16:3e:00:00:01",
    }


@pytest.mark.parametrize("guest", ["fa:16:3e:00:00:01", "FE:16:3E:00:00:01", "fe:ff:ff:ff:ff:ff", "02:00:00:00:00:00"])
def test_host_end_never_has_the_address_of_the_guest(guest: str) -> None:
    """Whatever the guest's address, the host's end has another one, of one card and administered locally."""
    host = host_mac_address(guest)

    assert host != guest.lower()
    assert int(host[:2], 16) & 0b11 == 0b10
