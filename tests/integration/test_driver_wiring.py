"""A driver without agents: what it observes is a port's wiring."""

from pathlib import Path

import httpx
from support.cloud import Cloud
from support.waiting import wait_until


def test_port_of_a_driver_without_agents_becomes_active(tmp_path: Path) -> None:
    """A port that no agent plugs is ACTIVE once its driver reports it up, and still after the driver was restarted."""
    with (
        Cloud(f"sqlite:///{tmp_path}/core.sqlite", options=["--no-wired"]) as cloud,
        httpx.Client(base_url=f"{cloud.url}/v2.0", timeout=60) as client,
    ):
        network = client.post("/networks", json={"network": {}}).json()["network"]["id"]

        def port_status() -> str:
            body = {"port": {"network_id": network, "binding:host_id": "host-1"}}
            port = client.post("/ports", json=body).json()["port"]
            wait_until(
                lambda: client.get(f"/ports/{port['id']}").json()["port"]["status"] == "ACTIVE", what="an ACTIVE port"
            )
            return str(client.get(f"/ports/{port['id']}").json()["port"]["status"])

        assert port_status() == "ACTIVE"

        def is_ready() -> bool:
            return httpx.get(f"{cloud.url}/readyz?drivers=all", timeout=60).status_code == 200

        cloud.drivers["fabric"].kill()
        wait_until(lambda: not is_ready(), what="the core to lose the driver")
        cloud.drivers["fabric"].start()
        wait_until(is_ready, what="the driver to be back")
        assert port_status() == "ACTIVE"
