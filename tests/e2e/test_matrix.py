"""Every kind of host reaches every kind of host, on every type of network.

What the kernel here cannot carry is skipped, and runs in a guest (`make test-vm`).
"""

import itertools
from collections.abc import Iterator

import pytest
from e2e.lab.conversation import echo
from e2e.lab.fleet import KERNEL_FEATURES, PROVIDERS, Fleet

KINDS = ("ovs", "linuxbridge")
HEADERS = {4: 20 + 8, 6: 40 + 8}  # Bytes of IP and ICMP header in front of a ping's payload.
PAYLOAD = bytes(range(256)) * 64  # Eleven full packets and a rest.


def combinations() -> Iterator[object]:
    """Return type of network and kinds of the two hosts, with what the kernel needs for it."""
    for network_type, near, far in itertools.product(PROVIDERS, KINDS, KINDS):
        features = {KERNEL_FEATURES.get((kind, network_type)) for kind in (near, far)} - {None}
        marks = [pytest.mark.kernel(*features)] if features else []
        yield pytest.param(network_type, (near, far), marks=marks, id=f"{network_type}-{near}-{far}")


@pytest.mark.parametrize("ip_version", [4, 6], ids=["ipv4", "ipv6"])
@pytest.mark.parametrize(("network_type", "kinds"), [*combinations()])
def test_machines_reach_each_other(fleet: Fleet, network_type: str, kinds: tuple[str, str], ip_version: int) -> None:
    """Packets as large as the network allows pass in both directions, and so do full TCP segments."""
    one, two = fleet.pair(network_type, kinds)
    address = two.address_of(ip_version)

    one.wait_for_ping(address)

    one.wait_for_ping(address, size=fleet.network(network_type)["mtu"] - HEADERS[ip_version])
    assert echo(one.namespace, two.namespace, address, PAYLOAD) == PAYLOAD


@pytest.mark.kernel("vlan", "vlan_filtering")
def test_trunk_between_kinds_carries_the_vlan_and_needs_no_other(fleet: Fleet) -> None:
    """A switch that drops all tags but the network's lets the machines meet; without it they do not."""
    one, two = fleet.pair("vlan", ("ovs", "linuxbridge"))
    hosts = [one.host.number, two.host.number]
    vlan = fleet.network("vlan")["provider:segmentation_id"]

    with fleet.cloud.lab.underlay.trunk(hosts, vlans=[vlan]):
        one.wait_for_ping(two.address)
    with fleet.cloud.lab.underlay.trunk(hosts, vlans=[vlan + 1]):
        assert not one.ping(two.address)
