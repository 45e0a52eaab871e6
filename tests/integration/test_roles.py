"""The three roles of the core as three processes, which share nothing but PostgreSQL."""

import asyncio
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from jackfield_sdk import AgentSettings, start_agent
from jackfield_sdk.testing import RecordingAgent
from support import ledger
from support.cloud import BIN, Cloud
from support.ports import free_port

ROLES = (["api"], ["dispatcher"], ["nodes"])
# Whoever is not woken finds out long after the test has given up.
SETTINGS = "poll_interval = 300\n[dispatcher]\npoll_interval = 300\n"
_HERE = "FROM pg_stat_activity WHERE datname = current_database()"
BELLS = f"SELECT count(*) {_HERE} AND application_name = 'jackfield bell'"
CUT = f"SELECT pg_terminate_backend(pid) {_HERE} AND pid <> pg_backend_pid()"


class Agent(RecordingAgent):
    """An agent of the loopback driver."""

    driver = "fabric"


async def test_roles_wake_each_other(postgres_database: Any) -> None:
    """What the API commits is delivered and pushed at once by the other two, also after the database was away."""
    url = postgres_database.url
    with Cloud(url, roles=ROLES, settings=SETTINGS) as cloud:
        await _until(lambda: _bells(url) == len(ROLES), "all processes to listen")
        agent = Agent()
        settings = AgentSettings(core=f"unix://{cloud.folder}/nodes-2.sock", host="host-1", reconnect_max=0.2)
        running = await start_agent(agent, settings)
        try:
            async with httpx.AsyncClient(base_url=f"{cloud.url}/v2.0", timeout=60) as api:
                network = (await api.post("/networks", json={"network": {}})).json()["network"]["id"]
                await _create_port(api, network, agent, url)
                cut = ledger.rows(url, CUT)
                assert len(cut) > len(ROLES)
                await _until(lambda: _bells(url) == len(ROLES), "all processes to listen again")
                await _create_port(api, network, agent, url)
        finally:
            await running.stop()

        assert httpx.get(f"{cloud.urls[1]}/v2.0/networks", timeout=60).status_code == 404
        assert httpx.get(f"{cloud.urls[2]}/healthz", timeout=60).status_code == 200


def test_second_dispatcher_on_sqlite_ends_with_a_sentence(tmp_path: Path) -> None:
    """It says who delivers already, and does not touch what that one has claimed."""
    with Cloud(f"sqlite:///{tmp_path}/core.sqlite") as cloud:
        command = [BIN / "jackfield", "serve", "--role", "dispatcher", "--config", cloud.configs[0]]
        environment = os.environ | {"JACKFIELD_API__LISTEN": f"127.0.0.1:{free_port()}"}
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

        assert ended.returncode == 2
        assert f"cannot serve: process {cloud.core.pid} delivers from {tmp_path}/core.sqlite already" in ended.stderr
        assert httpx.get(f"{cloud.url}/readyz", timeout=60).status_code == 200


async def _create_port(api: httpx.AsyncClient, network: str, agent: Agent, url: str) -> None:
    """Create a port that is bound by the driver, and wait until driver and agent have it."""
    body = {"port": {"network_id": network, "binding:host_id": "host-1"}}
    port = (await api.post("/ports", json=body)).json()["port"]
    assert port["binding:vif_type"] == "other"
    await _until(lambda: port["id"] in agent.ports, "the agent to be pushed the port")
    await _until(lambda: ledger.owed(url) == 0, "the driver to be told of the port")


def _bells(url: str) -> int:
    [(count,)] = ledger.rows(url, BELLS)
    return int(count)


async def _until(condition: Callable[[], object], what: str) -> None:
    """Wait, and let the agent of this process go on meanwhile."""
    try:
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise TimeoutError(f"timed out waiting for {what}") from None
