"""A server moves between hosts the way compute services do it: bind there, activate, delete here."""

import pytest
from e2e.lab.cloud import Cloud

PROVIDERS = {
    "vxlan": {},
    "vlan": {"provider:network_type": "vlan", "provider:physical_network": "physnet1"},
}


@pytest.mark.parametrize("network_type", PROVIDERS)
def test_server_that_moved_is_reached_before_it_speaks(cloud: Cloud, network_type: str) -> None:
    """What is plugged early takes no frames; after the activation both hosts send to the new place."""
    near, far = cloud.lab.hosts
    network = cloud.network("blue", "10.0.0.0/24", **PROVIDERS[network_type])
    peers = [cloud.boot(f"peer-{host.name}", network, host) for host in (near, far)]
    before = cloud.boot("before", network, near, device_owner="compute:nova", device_id="server")
    for peer in peers:
        peer.wait_for_ping(before.address)
    port_id = before.vif.port_id

    cloud.api.bind(port_id, far.name)
    after = cloud.plug("after", cloud.api.show("port", port_id), far)
    # Its port is still elsewhere: nothing is wired here, and frames still pass there.
    peers[1].wait_for_ping(before.address)
    assert not after.ping(peers[0].address, timeout=0.5)

    cloud.api.activate(port_id, far.name)
    before.remove()

    cloud.api.wait_for("port", port_id, status="ACTIVE", **{"binding:host_id": far.name}, timeout=60)
    # The machine has not said a word yet: that it is found is the agent's announcement.
    for peer in peers:
        peer.wait_for_ping(after.address)
    cloud.api.unbind(port_id, near.name)
