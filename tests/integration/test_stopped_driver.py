"""A driver process is stopped in its tracks (SIGSTOP): its sockets stay open, nothing answers."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from support.cloud import HURRIED, Cloud
from support.waiting import wait_until

ANSWER = 0.300
"""Seconds in which the API answers 503 when a required driver is silent, from the first request on."""
ADDED = 0.020
"""Seconds that a silent advisory driver may add to a create, once its breaker is open."""
CREATES = 20
# A busy machine stops us as well: one answer of several may be late by that, most are not.
MOST = 0.8


@pytest.mark.slow
def test_stopped_required_driver_is_a_503_at_once(postgres_database: Any) -> None:
    """From the first request on nobody waits for more than 300 ms; SIGCONT heals without an operator."""
    with Cloud(postgres_database.url, settings=HURRIED) as cloud, _client(cloud) as api:
        network = _network(api)
        _create_port(api, network)

        firsts = []
        for _ in range(3):
            cloud.drivers["fabric"].suspend()
            firsts.append(_refused(lambda: _create_port(api, network)))
            later = [_refused(lambda: _create_port(api, network)) for _ in range(CREATES)]
            _refused(lambda: api.post("/networks", json={"network": {}}))
            cloud.drivers["fabric"].resume()
            healed = _until_created(api, network)

        print(f"first 503 after {_milliseconds(firsts)}, later after {_milliseconds(later)}, healed in {healed:.1f} s")
        assert statistics.median(firsts) < ANSWER
        assert _quantile(later, MOST) < ANSWER


@pytest.mark.slow
def test_stopped_advisory_driver_costs_creates_nothing(postgres_database: Any) -> None:
    """Creates go on, with less than 20 ms more once the breaker is open; SIGCONT heals without an operator."""
    with Cloud(postgres_database.url, policy="advisory", settings=HURRIED) as cloud, _client(cloud) as api:
        network = _network(api)
        for _ in range(CREATES):
            _create_port(api, network)
        before = [_timed(lambda: _create_port(api, network)) for _ in range(CREATES)]

        cloud.drivers["fabric"].suspend()
        first = _timed(lambda: _create_port(api, network))
        during = [_timed(lambda: _create_port(api, network)) for _ in range(CREATES)]
        cloud.drivers["fabric"].resume()
        healed = _until_created(api, network)

        print(
            f"before {_milliseconds(before)}, first {first * 1000:.0f} ms, then {_milliseconds(during)}, "
            f"healed in {healed:.1f} s"
        )
        assert first < ANSWER + max(before)
        assert statistics.median(during) - statistics.median(before) < ADDED


def _client(cloud: Cloud) -> httpx.Client:
    return httpx.Client(base_url=f"{cloud.url}/v2.0", timeout=30, transport=httpx.HTTPTransport())


def _network(api: httpx.Client) -> str:
    network = api.post("/networks", json={"network": {}}).raise_for_status().json()["network"]["id"]
    subnet = {"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/16"}}
    api.post("/subnets", json=subnet).raise_for_status()
    return str(network)


def _create_port(api: httpx.Client, network: str) -> httpx.Response:
    return api.post("/ports", json={"port": {"network_id": network, "binding:host_id": "host-1"}})


def _timed(call: Callable[[], httpx.Response]) -> float:
    started = time.monotonic()
    answer = call()
    assert answer.status_code == 201, answer.text
    return time.monotonic() - started


def _refused(call: Callable[[], httpx.Response]) -> float:
    started = time.monotonic()
    answer = call()
    assert (answer.status_code, "fabric" in answer.text) == (503, True), answer.text
    return time.monotonic() - started


def _until_created(api: httpx.Client, network: str) -> float:
    """Wait until ports are created and bound by the driver again; return the seconds that took."""
    started = time.monotonic()

    def is_bound() -> bool:
        answer = _create_port(api, network)
        return answer.status_code == 201 and answer.json()["port"]["binding:vif_type"] == "other"

    wait_until(is_bound, what="the driver to be asked again", timeout=30, interval=0.1)
    return time.monotonic() - started


def _quantile(seconds: list[float], part: float) -> float:
    return sorted(seconds)[int(len(seconds) * part) - 1]


def _milliseconds(seconds: list[float]) -> str:
    return f"{min(seconds) * 1000:.0f}/{statistics.median(seconds) * 1000:.0f}/{max(seconds) * 1000:.0f} ms"
