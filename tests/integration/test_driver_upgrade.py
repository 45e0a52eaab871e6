"""A driver is upgraded, and rolled back, while ports are created without a break."""

import asyncio
import json
import os
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from support import ledger
from support.cloud import Cloud
from support.processes import Process
from support.waiting import wait_until

RATE = int(os.environ.get("JACKFIELD_UPGRADE_RATE", "40"))
"""Port creates a second."""
SECONDS = float(os.environ.get("JACKFIELD_UPGRADE_SECONDS", "8"))
"""Seconds of load at least; it goes on until upgrade and rollback are over. The long form is 60 s at 100 a second."""
CORES = int(os.environ.get("JACKFIELD_UPGRADE_CORES", "2"))
BUDGET = float(os.environ.get("JACKFIELD_UPGRADE_BUDGET", "20.0"))
"""Seconds for a verdict and for a binding; the defaults of the core are short, and a busy machine overruns them."""
CLIENTS = 40
"""Creates under way at most: a machine that cannot keep up gets fewer of them."""


@dataclass
class Load:
    """Creates ports, *rate* a second if the core keeps up, for *seconds* and until it is no longer needed."""

    urls: list[str]
    rate: int
    seconds: float
    is_needed: bool = True
    wanted: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    latencies: list[float] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    lasted: float = 0.0

    async def run(self, network: str) -> None:
        """Create ports until the time is over."""
        async with httpx.AsyncClient(timeout=120) as client, asyncio.TaskGroup() as creates:
            started = due = time.monotonic()
            places = asyncio.Semaphore(CLIENTS)
            while self.is_needed or time.monotonic() - started < self.seconds:
                await places.acquire()
                create = creates.create_task(self._create(client, self.wanted, network))
                create.add_done_callback(lambda _: places.release())
                self.wanted += 1
                # A moment of delay is made up for; what a machine that cannot keep up owes is not.
                due = max(due + 1 / self.rate, time.monotonic() - CLIENTS / self.rate)
                await asyncio.sleep(due - time.monotonic())
        self.lasted = time.monotonic() - started

    async def _create(self, client: httpx.AsyncClient, number: int, network: str) -> None:
        port = {"port": {"network_id": network, "binding:host_id": f"host-{number % 5}"}}
        started = time.monotonic()
        try:
            answer = await client.post(f"{self.urls[number % len(self.urls)]}/v2.0/ports", json=port)
        except httpx.HTTPError as error:
            self.statuses[type(error).__name__] += 1
            return
        self.latencies.append(time.monotonic() - started)
        self.statuses[str(answer.status_code)] += 1
        if answer.status_code != 201:
            print(answer.status_code, answer.text)
            return
        created = answer.json()["port"]
        self.statuses[created["binding:vif_type"]] += 1
        self.ids.append(created["id"])

    def report(self) -> str:
        """Return what came of it in a line."""
        cuts = statistics.quantiles(self.latencies, n=100)
        made = len(self.ids)
        return (
            f"{made} ports in {self.lasted:.1f} s ({made / self.lasted:.0f}/s), {dict(self.statuses)}, "
            f"median {cuts[49] * 1000:.1f} ms, p99 {cuts[98] * 1000:.1f} ms, max {max(self.latencies) * 1000:.0f} ms"
        )


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_upgrade_and_rollback_under_load_cost_nothing(postgres_database: Any) -> None:
    """A new version takes over and the old one comes back: no API error, no lost debt, no port unbound."""
    options = ("--state-version", "1", "--version", "1")
    limits = ("precommit_budget", "bind_timeout", "bind_budget", "handshake_timeout")
    settings = "[mechanism]\n" + "".join(f"{limit} = {BUDGET}\n" for limit in limits)
    with Cloud(postgres_database.url, cores=CORES, spare=True, options=options, settings=settings) as cloud:
        network = await _network(cloud.url)
        load = Load(cloud.urls, RATE, SECONDS)
        creating = asyncio.create_task(load.run(network))

        await asyncio.sleep(SECONDS / 8)
        new = await asyncio.to_thread(_replace, cloud, cloud.drivers["fabric"], "2", at_spare=True)
        await asyncio.sleep(SECONDS / 8)
        await asyncio.to_thread(_replace, cloud, new, "1", at_spare=False)
        load.is_needed = False
        await creating

        print(load.report())
        assert load.statuses == {"201": load.wanted, "other": load.wanted}
        url = postgres_database.url
        wait_until(lambda: ledger.owed(url) == 0, what="all debts to be paid", timeout=120)
        assert ledger.problems(url, {"fabric": cloud.fabric("fabric")}) == []
        assert set(cloud.fabric("fabric")["port"]) == set(load.ids)


def _replace(cloud: Cloud, old: Process, version: str, *, at_spare: bool) -> Process:
    """Start another version, wait until the old process is asked to drain, and stop that; return the new one."""
    new = cloud.release("fabric", "--version", version, "--state-version", version, at_spare=at_spare)
    wait_until(lambda: "driver.draining" in old.output(), what="the old process to be drained", timeout=120)
    (driver,) = json.loads(cloud.command("driver", "list", "--json"))
    seen = {one["condition"]: (one["version"], one["serves"]) for one in driver["endpoints"]}
    assert seen == {"ready": (version, True), "draining": ("1" if version == "2" else "2", False)}
    assert driver["state_version"] == 1
    old.stop()
    return new


async def _network(url: str) -> str:
    async with httpx.AsyncClient(timeout=60, base_url=f"{url}/v2.0") as client:
        network = (await client.post("/networks", json={"network": {}})).raise_for_status().json()["network"]["id"]
        subnet = {"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/16"}}
        (await client.post("/subnets", json=subnet)).raise_for_status()
    return str(network)
