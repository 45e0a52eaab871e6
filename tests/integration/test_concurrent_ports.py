"""Many clients, two API processes, one subnet."""

import asyncio
import ipaddress
from collections import Counter
from typing import Any

import httpx
import pytest
from support import ledger
from support.cloud import Cloud
from support.waiting import wait_until

CLIENTS = 32
PORTS = 2000


@pytest.mark.timeout(900)
async def test_concurrent_creates_never_share_an_address(postgres_database: Any) -> None:
    """32 clients create 2,000 ports through two API processes: all answers are 201, nothing is given twice or lost."""
    with Cloud(postgres_database.url, cores=2, keep_state=False) as cloud:
        async with httpx.AsyncClient(timeout=120, limits=httpx.Limits(max_connections=CLIENTS)) as client:
            network = await _network(client, cloud.url, "10.0.0.0/20")
            bodies = {"port": {"network_id": network, "binding:host_id": "host-1"}}
            todo = iter(range(PORTS))
            answers: list[httpx.Response] = []

            async def work(url: str) -> None:
                answers.extend([await client.post(f"{url}/v2.0/ports", json=bodies) for _ in todo])

            await asyncio.gather(*(work(cloud.urls[number % 2]) for number in range(CLIENTS)))
            listed = (await client.get(f"{cloud.urls[1]}/v2.0/ports")).json()["ports"]

        assert Counter(answer.status_code for answer in answers) == {201: PORTS}
        created = [answer.json()["port"] for answer in answers]
        addresses = [port["fixed_ips"][0]["ip_address"] for port in created]
        assert len(set(addresses)) == PORTS
        assert len({port["mac_address"] for port in created}) == PORTS
        assert all(ipaddress.ip_address(address) in ipaddress.ip_network("10.0.0.0/20") for address in addresses)
        assert {port["id"] for port in listed} == {port["id"] for port in created}
        wait_until(lambda: ledger.owed(postgres_database.url) == 0, what="all debts to be paid", timeout=120)
        assert ledger.problems(postgres_database.url, {}) == []


async def _network(client: httpx.AsyncClient, url: str, cidr: str) -> str:
    network = (await client.post(f"{url}/v2.0/networks", json={"network": {}})).json()["network"]["id"]
    subnet = {"subnet": {"network_id": network, "ip_version": 4, "cidr": cidr}}
    (await client.post(f"{url}/v2.0/subnets", json=subnet)).raise_for_status()
    return str(network)
