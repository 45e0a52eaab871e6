"""An upgrade of a driver is finalised by the operator's command, while ports are created."""

import asyncio
import json
from collections import Counter
from typing import Any

import httpx
import pytest
from support import ledger
from support.cloud import Cloud
from support.waiting import wait_until

PAUSE = 0.04
"""Seconds between creates."""
AFTERWARDS = 8
"""Seconds of creates behind the command: longer than all processes of the core need to tell the driver."""


class Load:
    """Creates ports one after the other, at all cores in turn, until it is stopped."""

    def __init__(self, urls: list[str], network: str) -> None:
        self.answers: Counter[int] = Counter()
        self._urls = urls
        self._network = network
        self._is_over = False

    async def run(self) -> None:
        """Create ports."""
        async with httpx.AsyncClient(timeout=60) as client:
            while not self._is_over:
                url = self._urls[self.answers.total() % len(self._urls)]
                port = {"network_id": self._network, "binding:host_id": "host-1"}
                answer = await client.post(f"{url}/v2.0/ports", json={"port": port})
                self.answers[answer.status_code] += 1
                await asyncio.sleep(PAUSE)

    def stop(self) -> None:
        """End after the create that is under way."""
        self._is_over = True


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_finalisation_under_load_costs_nothing(postgres_database: Any) -> None:
    """No create fails, no answer counts as garbage, and in the end every state is of the new version."""
    options = ("--state-version", "1", "--version", "1")
    with Cloud(postgres_database.url, cores=2, spare=True, options=options) as cloud:
        load = Load(cloud.urls, await _network(cloud.url))
        creating = asyncio.create_task(load.run())
        new = ("--version", "2", "--state-version", "2")
        await asyncio.to_thread(cloud.release, "fabric", *new, at_spare=True)
        await asyncio.to_thread(wait_until, lambda: _serving(cloud) == "2", what="the new version", timeout=120)
        await asyncio.to_thread(cloud.drivers["fabric"].stop)

        outcome = json.loads(await asyncio.to_thread(cloud.command, "driver", "finalize", "fabric", "--json"))
        await asyncio.sleep(AFTERWARDS)
        load.stop()
        await creating

        assert set(load.answers) == {201}
        assert (outcome["before"], outcome["version"], outcome["kept"]) == (1, 2, [])
        assert outcome["rewritten"] > 0
        url = postgres_database.url
        wait_until(lambda: ledger.owed(url) == 0, what="all debts to be paid", timeout=120)
        await asyncio.to_thread(cloud.command, "driver", "finalize", "fabric")
        assert ledger.state_versions(url) == {2}
        assert not [core for core in cloud.cores if "driver.garbage" in core.output()]


def _serving(cloud: Cloud) -> str:
    """Return the version of the process that serves."""
    (driver,) = json.loads(cloud.command("driver", "list", "--json"))
    return next((one["version"] for one in driver["endpoints"] if one["serves"]), "")


async def _network(url: str) -> str:
    async with httpx.AsyncClient(timeout=60, base_url=f"{url}/v2.0") as client:
        network = (await client.post("/networks", json={"network": {}})).raise_for_status().json()["network"]["id"]
        subnet = {"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/16"}}
        (await client.post("/subnets", json=subnet)).raise_for_status()
    return str(network)
