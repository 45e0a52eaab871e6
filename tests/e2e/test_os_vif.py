"""The library that compute services plug with gets along with nothing but what the API says."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from e2e.lab import Host
from e2e.lab.cloud import Cloud
from e2e.lab.names import tap_name

PROGRAM = Path(__file__).parent / "lab" / "os_vif_plug.py"
PYTHON = Path(__file__).parents[2] / ".tools" / "os-vif" / "bin" / "python"

pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="os-vif is not installed; `make os-vif` does it")


class ComputeNode:
    """A host on which os-vif plugs, and which asks the API what there is to know of a port."""

    def __init__(self, host: Host, url: str) -> None:
        self._host = host
        self._url = url
        self.settings = host.directory / "os-vif.conf"
        self.settings.write_text(f"[os_vif_ovs]\novsdb_connection = {host.switch.connection}\n")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)

    def details(self, port_id: str) -> Any:
        """Return what the API tells a compute service of a port on this host."""
        answer = httpx.get(
            f"{self._url}/v2.0/port-implementation-details/{port_id}",
            params={"host": self._host.name},
            headers={"X-Roles": "service"},
            trust_env=False,
            timeout=60,
        )
        answer.raise_for_status()
        return answer.json()["port_implementation_details"]

    def plug(self, port_id: str, mac_address: str) -> str:
        """Plug a port, all of whose properties come from the API; return the interface's name."""
        details = self.details(port_id)
        assert details["mac_address"] == mac_address
        (self._host.directory / port_id).write_text(json.dumps(details))
        self._act("plug", port_id)
        return tap_name(port_id)

    def unplug(self, port_id: str) -> None:
        """Unplug a port with what was known when it was plugged."""
        self._act("unplug", port_id)

    def _act(self, action: str, port_id: str) -> None:
        arguments = [action, str(self._host.directory / port_id), str(self.settings)]
        self._host.namespace.run(str(PYTHON), str(PROGRAM), *arguments)


def test_port_that_os_vif_plugs_is_wired(cloud: Cloud) -> None:
    """os-vif puts the interface where the API says, the agent wires it, pings pass; unplugged, the port is down."""
    near, far = cloud.lab.hosts
    network = cloud.network("blue", "10.0.0.0/24")
    other = cloud.boot("other", network, far)
    node = ComputeNode(near, cloud.control_plane.url)

    machine = cloud.boot("one", network, node, device_owner="compute:nova")

    machine.wait_for_ping(other.address)
    bridge = node.details(machine.vif.port_id)["binding"]["bridge_name"]
    assert near.switch.vsctl("iface-to-br", tap_name(machine.vif.port_id)) == bridge
    node.unplug(machine.vif.port_id)
    cloud.api.wait_for("port", machine.vif.port_id, status="DOWN")
