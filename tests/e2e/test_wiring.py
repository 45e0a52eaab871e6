"""A port created through the API is wired in real Open vSwitch: traffic is the proof."""

from typing import Any

import pytest
from e2e.lab.cloud import Cloud
from support.waiting import wait_until

NETWORKS = {
    "vxlan": {},
    "gre": {"provider:network_type": "gre"},
    "geneve": {"provider:network_type": "geneve"},
    "vlan": {"provider:network_type": "vlan", "provider:physical_network": "physnet1"},
    "flat": {"provider:network_type": "flat", "provider:physical_network": "physnet1"},
}
FOREIGN_MAC = "02:00:00:00:00:99"
LATER_SIZE = 900  # Bytes: no other frame is so large.
HEADERS = {4: 20 + 8, 6: 40 + 8}  # Bytes of IP and ICMP header in front of a ping's payload.


@pytest.mark.parametrize("network_type", NETWORKS)
def test_machines_on_two_hosts_reach_each_other(cloud: Cloud, network_type: str) -> None:
    """Two machines ping each other with packets as large as the network's MTU, and no larger."""
    network = cloud.network("blue", "10.0.0.0/24", **NETWORKS[network_type])
    one, two = (cloud.boot(host.name, network, host) for host in cloud.lab.hosts)

    one.wait_for_ping(two.address)

    assert network["provider:network_type"] == network_type
    largest = network["mtu"] - HEADERS[4]
    one.wait_for_ping(two.address, size=largest)
    assert not one.ping(two.address, size=largest + 1)


def test_machines_on_one_host_reach_each_other(cloud: Cloud) -> None:
    """Two machines of one network on one host ping each other."""
    network = cloud.network("blue", "10.0.0.0/24")
    one, two = (cloud.boot(name, network, cloud.lab.hosts[0]) for name in ("one", "two"))

    one.wait_for_ping(two.address)


def test_machines_reach_each_other_over_ipv6(cloud: Cloud) -> None:
    """Neighbour discovery and packets of IPv6 pass between hosts."""
    network = cloud.network("blue", "2001:db8::/64")
    one, two = (cloud.boot(host.name, network, host) for host in cloud.lab.hosts)

    one.wait_for_ping(two.address)


@pytest.mark.parametrize("provider", [NETWORKS["vxlan"], NETWORKS["vlan"]], ids=["vxlan", "vlan"])
def test_networks_with_the_same_addresses_do_not_meet(cloud: Cloud, provider: dict[str, Any]) -> None:
    """Two networks use one subnet: each machine finds its own network's neighbour, not the other's."""
    near, far = cloud.lab.hosts
    blue, red = (cloud.network(name, "10.0.0.0/24", **provider) for name in ("blue", "red"))
    one = cloud.boot("blue-near", blue, near)
    two = cloud.boot("blue-far", blue, far)
    # Only red has a third and a fourth address in use.
    others = [cloud.boot(f"red-{number}", red, host) for number, host in enumerate([near, far, near, far])]
    only_red = [machine for machine in others if machine.address not in (one.address, two.address)]

    one.wait_for_ping(two.address)
    others[0].wait_for_ping(others[1].address)

    assert only_red
    assert not any(one.ping(machine.address, timeout=0.3) for machine in only_red)


def test_frames_on_the_trunk_carry_the_segment(cloud: Cloud) -> None:
    """Between hosts the frames of a VLAN network carry its segmentation id, whatever hosts use inside."""
    provider = NETWORKS["vlan"] | {"provider:segmentation_id": 142}
    network = cloud.network("red", "10.0.0.0/24", **provider)
    one, two = (cloud.boot(host.name, network, host) for host in cloud.lab.hosts)

    with cloud.lab.capture(f"vlan 142 and icmp and host {two.address}") as trunk:
        one.wait_for_ping(two.address)

        assert "vlan 142" in trunk.first_frame()


@pytest.mark.parametrize("port_security", [True, False], ids=["with", "without"])
def test_port_security_stops_a_foreign_mac_address(cloud: Cloud, port_security: bool) -> None:
    """A machine sends from a MAC address that its port does not have: with port security nobody sees it."""
    near, far = cloud.lab.hosts
    network = cloud.network("blue", "10.0.0.0/24")
    one = cloud.boot("one", network, near, port_security_enabled=port_security)
    two = cloud.boot("two", network, far)
    one.wait_for_ping(two.address)

    with two.capture(f"ether src {FOREIGN_MAC} or greater {LATER_SIZE}") as seen:

        def foreign_frames() -> list[str]:
            return [frame for frame in seen.frames() if FOREIGN_MAC in frame]

        one.change_mac_address(FOREIGN_MAC)
        one.ping(two.address)
        if not port_security:
            wait_until(lambda: foreign_frames() or one.ping(two.address), what="a foreign frame")
        one.change_mac_address(one.vif.mac_address)
        # What comes after the foreign frames is seen after them, so they are not just late.
        one.wait_for_ping(two.address, size=LATER_SIZE)
        wait_until(lambda: len(seen.frames()) > len(foreign_frames()), what="a later frame")

        assert bool(foreign_frames()) is not port_security


def test_deleted_port_is_cut_off(cloud: Cloud) -> None:
    """A machine whose port is deleted reaches nobody, though its interface is still plugged in."""
    network = cloud.network("blue", "10.0.0.0/24")
    one, two = (cloud.boot(host.name, network, host) for host in cloud.lab.hosts)
    one.wait_for_ping(two.address)

    cloud.api.delete("port", one.vif.port_id)

    one.wait_for_silence(two.address)


def test_port_that_is_down_is_cut_off_until_it_is_up(cloud: Cloud) -> None:
    """admin_state_up of a port is a switch: off takes it from the network, on brings it back."""
    network = cloud.network("blue", "10.0.0.0/24")
    one, two = (cloud.boot(host.name, network, host) for host in cloud.lab.hosts)
    one.wait_for_ping(two.address)

    cloud.api.update("port", one.vif.port_id, admin_state_up=False)
    one.wait_for_silence(two.address)
    cloud.api.wait_for("port", one.vif.port_id, status="DOWN")

    cloud.api.update("port", one.vif.port_id, admin_state_up=True)
    one.wait_for_ping(two.address)
    cloud.api.wait_for("port", one.vif.port_id, status="ACTIVE")


def test_unplugged_machine_takes_its_port_down(cloud: Cloud) -> None:
    """A port is ACTIVE while its interface is in the switch, no longer."""
    network = cloud.network("blue", "10.0.0.0/24")
    machine = cloud.boot("one", network, cloud.lab.hosts[0])

    machine.remove()

    cloud.api.wait_for("port", machine.vif.port_id, status="DOWN")
