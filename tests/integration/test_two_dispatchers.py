"""Two dispatchers on one PostgreSQL, of which one is stopped in its tracks while it delivers."""

import json
from pathlib import Path
from typing import Any

import httpx
from support import ledger
from support.cloud import Cloud
from support.waiting import wait_until

ROLES = (["api"], ["dispatcher"], ["dispatcher"])
SETTINGS = "[dispatcher]\nlease = 5.0\npoll_interval = 0.2\n"
PORTS = 20


def test_dispatcher_that_slept_through_its_lease_has_no_say(postgres_database: Any, tmp_path: Path) -> None:
    """The other one pays meanwhile; what the sleeper writes late is refused and logged, and the device is right."""
    url, orders = postgres_database.url, tmp_path / "orders.json"
    with (
        Cloud(url, roles=ROLES, settings=SETTINGS, options=["--script", str(orders)]) as cloud,
        httpx.Client(base_url=f"{cloud.url}/v2.0", timeout=60) as api,
    ):
        _, sleeper, successor = cloud.cores
        network = api.post("/networks", json={"network": {}}).json()["network"]["id"]
        bodies = [{"network_id": network, "binding:host_id": "host-1"}] * PORTS
        ports = [port["id"] for port in api.post("/ports", json={"ports": bodies}).json()["ports"]]
        wait_until(lambda: ledger.owed(url) == 0, what="ports to be delivered")

        successor.suspend()
        sleeper.suspend()
        orders.write_text(json.dumps({"delay": {"postcommit": 5.0}}))
        _rename(api, ports, "first")
        sleeper.resume()
        wait_until(lambda: _claimed(url) == PORTS, what="one batch of all ports to be on its way")
        sleeper.suspend()
        orders.unlink()
        _rename(api, ports, "second")
        successor.resume()
        wait_until(lambda: ledger.owed(url) == 0, what="the successor to pay")
        settled = _acknowledged(url)
        sleeper.resume()
        wait_until(lambda: "delivery.lease_lost" in sleeper.output(), what="the sleeper to be refused")

        assert _acknowledged(url) == settled
        assert _lost(cloud.urls[1]) > 0
        assert ledger.problems(url, {"fabric": cloud.fabric("fabric")}) == []
        assert "delivery.lease_lost" not in successor.output()
        _rename(api, ports, "third")
        wait_until(lambda: ledger.owed(url) == 0, what="both to go on")
        assert ledger.problems(url, {"fabric": cloud.fabric("fabric")}) == []


def _rename(api: httpx.Client, ports: list[str], name: str) -> None:
    for port in ports:
        api.put(f"/ports/{port}", json={"port": {"name": name}}).raise_for_status()


def _claimed(url: str) -> int:
    [(count,)] = ledger.rows(url, "SELECT count(*) FROM delivery WHERE owed AND claim IS NOT NULL")
    return int(count)


def _acknowledged(url: str) -> dict[str, int]:
    return dict(ledger.rows(url, "SELECT resource_id, acknowledged_revision FROM delivery WHERE kind = 'port'"))


def _lost(url: str) -> float:
    """Return how many outcomes a process could not write down, by its own count."""
    numbers = httpx.get(f"{url}/metrics", timeout=60).text.splitlines()
    name = 'jackfield_delivery_lease_lost_total{driver="fabric"} '
    return sum(float(line.removeprefix(name)) for line in numbers if line.startswith(name))
