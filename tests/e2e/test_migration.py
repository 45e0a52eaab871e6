"""A server moves between hosts the way compute services do it: bind there, activate, delete here."""

from typing import Any

import httpx
import pytest
from e2e.lab.cloud import Cloud

PROVIDERS = {
    "vxlan": {},
    "vlan": {"provider:network_type": "vlan", "provider:physical_network": "physnet1"},
}


class Bindings:
    """The bindings of one port, in the hands of a compute service."""

    def __init__(self, url: str, port_id: str) -> None:
        self._client = httpx.Client(
            base_url=f"{url}/v2.0/ports/{port_id}/", headers={"X-Roles": "service"}, trust_env=False, timeout=30
        )

    def create(self, host: str) -> Any:
        """Have the port bound on one more host."""
        return self._checked(self._client.post("bindings", json={"binding": {"host": host}})).json()["binding"]

    def activate(self, host: str) -> None:
        """Move the port."""
        self._checked(self._client.put(f"bindings/{host}/activate"))

    def delete(self, host: str) -> None:
        """Forget a binding."""
        self._checked(self._client.delete(f"bindings/{host}"))

    def states(self) -> dict[str, str]:
        """Return the status of each binding by host."""
        found = self._checked(self._client.get("bindings")).json()["bindings"]
        return {binding["host"]: binding["status"] for binding in found}

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def _checked(self, answer: httpx.Response) -> httpx.Response:
        assert answer.is_success, answer.text
        return answer


@pytest.mark.parametrize("network_type", PROVIDERS)
def test_server_that_moved_is_reached_where_it_is(cloud: Cloud, network_type: str) -> None:
    """After the activation both hosts send to the new place, and the old one holds nothing of the port."""
    near, far = cloud.lab.hosts
    network = cloud.network("blue", "10.0.0.0/24", **PROVIDERS[network_type])
    peers = [cloud.boot(f"peer-{host.name}", network, host) for host in (near, far)]
    before = cloud.boot("before", network, near, device_owner="compute:nova", device_id="server")
    for peer in peers:
        peer.wait_for_ping(before.address)
    bindings = Bindings(cloud.control_plane.url, before.vif.port_id)

    assert bindings.create(far.name)["status"] == "INACTIVE"
    after = cloud.plug("after", cloud.api.show("port", before.vif.port_id), far)
    # What is plugged early is not wired: frames still go to the old place, and pass there.
    assert peers[1].ping(before.address)
    assert not after.ping(peers[0].address, timeout=0.5)

    bindings.activate(far.name)
    before.remove()

    cloud.api.wait_for("port", before.vif.port_id, status="ACTIVE", **{"binding:host_id": far.name}, timeout=40)
    # The machine has not said a word yet: that it is found is the agent's announcement.
    for peer in peers:
        peer.wait_for_ping(after.address)
    bindings.delete(near.name)
    assert bindings.states() == {far.name: "ACTIVE"}
    bindings.close()
