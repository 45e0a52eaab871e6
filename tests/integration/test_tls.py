"""A cloud on TCP whose parts prove who they are: what ships, as processes, with certificates that are replaced."""

import asyncio
import contextlib
import json
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from jackfield_sdk import AgentSettings, start_agent
from jackfield_sdk.testing import RecordingAgent
from support.certificates import Authority, Identity
from support.cloud import BIN, PATIENCE
from support.ports import reserve_port
from support.processes import Process, answers, logs


class Agent(RecordingAgent):
    """An agent of the loopback driver."""

    driver = "fabric"


class Cloud:
    """A core and a driver as processes, and agents that the test starts."""

    def __init__(self, folder: Path, ports: Iterable[int]) -> None:
        self.folder = folder
        self.authority = Authority(folder / "tls")
        self._trusted = self.authority.file
        self.identities = {name: self.authority.certify(name) for name in ("core", "driver")}
        self._ports = dict(zip(("api", "driver", "nodes"), ports, strict=True))
        self.url = f"http://{self._address('api')}"
        self.config = folder / "core.toml"
        self.config.write_text(self._settings())
        self.driver = self._driver()
        self.core = Process(
            "core",
            [BIN / "jackfield", "serve", "--migrate", "--config", self.config],
            log=folder / "core.log",
            ready=answers(f"{self.url}/readyz?drivers=all"),
        )

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run the driver and the core."""
        with self.driver, self.core:
            yield

    @contextlib.asynccontextmanager
    async def agent(self, host: str) -> AsyncIterator[Agent]:
        """Run an agent with a certificate for its host."""
        agent, files = Agent(), self._files(self.authority.certify(host, [host]))
        core = self._address("nodes")
        running = await start_agent(agent, AgentSettings(core=core, host=host, reconnect_max=0.2, **files))
        try:
            yield agent
        finally:
            await running.stop()

    def trust_others(self, others: Authority) -> None:
        """Have another authority sign everybody; the files are where they were."""
        for name, identity in self.identities.items():
            identity.replace(others.certify(name))
        self.authority.replace(others)
        self.authority = others

    def state_of_driver(self) -> str:
        """Return what the core says of the driver."""
        return str(httpx.get(f"{self.url}/readyz", timeout=60).json()["drivers"]["fabric"])

    def command(self, *arguments: str) -> str:
        """Run ``jackfield`` with the settings of the core; return what it prints."""
        command = [BIN / "jackfield", *arguments, "--config", self.config]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout

    def _address(self, name: str) -> str:
        return f"127.0.0.1:{self._ports[name]}"

    def _files(self, identity: Identity) -> dict[str, Any]:
        return {
            "tls_certificate": identity.certificate,
            "tls_key": identity.key,
            "tls_ca": self._trusted,
        }

    def _settings(self) -> str:
        tls = "".join(f'{name} = "{path}"\n' for name, path in self._files(self.identities["core"]).items())
        return (
            f'[api]\nlisten = "{self._address("api")}"\n'
            f'[database]\nurl = "sqlite:///{self.folder}/core.sqlite"\n{PATIENCE}'
            f'[nodes]\nlisten = "{self._address("nodes")}"\n{tls}'
            f'[[drivers]]\nname = "fabric"\nendpoint = "{self._address("driver")}"\n{tls}'
        )

    def _driver(self) -> Process:
        files = self._files(self.identities["driver"])
        variables = {f"JACKFIELD_DRIVER_{name.upper()}": str(path) for name, path in files.items()}
        return Process(
            "fabric",
            [BIN / "jackfield-loopback", "--name", "fabric", "--listen", self._address("driver"), "--no-wired"],
            log=self.folder / "fabric.log",
            ready=logs("driver.serving"),
            environment=variables,
        )


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """Run a cloud on ports that are its own as long as it runs; every test leaves it well."""
    with contextlib.ExitStack() as stack:
        keepers = [stack.enter_context(reserve_port()) for _ in range(3)]
        cloud = Cloud(tmp_path_factory.mktemp("cloud"), [keeper.getsockname()[1] for keeper in keepers])
        with cloud.running():
            yield cloud


async def test_ports_are_wired_over_mutual_tls_also_when_everybody_has_new_certificates(
    cloud: Cloud, tmp_path: Path
) -> None:
    """Core, driver and agents trust one authority, and then another; the core goes on running."""
    async with cloud.agent("host-1") as agent:
        await wire(cloud, agent, "host-1")
    assert 'Driver "fabric" lists 2 resources' in await asyncio.to_thread(cloud.command, "driver", "diff", "fabric")

    await asyncio.to_thread(cloud.driver.kill)
    await until(lambda: cloud.state_of_driver() != "ready", "the core to lose the driver")
    cloud.trust_others(Authority(tmp_path / "others", "others"))
    await asyncio.to_thread(cloud.driver.start)
    await until(lambda: cloud.state_of_driver() == "ready", "the core to call the driver")

    async with cloud.agent("host-2") as agent:
        await wire(cloud, agent, "host-2")


async def test_operators_read_what_is_wrong_with_a_certificate_until_it_is_mended(cloud: Cloud) -> None:
    """The look at the process and the command say it in the same words, and nobody restarts the core."""
    identity, words = cloud.identities["driver"], "its certificate is out of date: certificate has expired"
    await asyncio.to_thread(cloud.driver.kill)
    identity.replace(cloud.authority.certify("expired", valid_for=timedelta(days=-1)))
    await asyncio.to_thread(cloud.driver.start)
    await until(lambda: cloud.state_of_driver() == f"connecting: {words}", "the core to see it")
    [driver] = json.loads(await asyncio.to_thread(cloud.command, "driver", "list", "--json"))
    assert (driver["state"], driver["reason"]) == ("not reachable", words)

    identity.replace(cloud.authority.certify("renewed"))

    await until(lambda: cloud.state_of_driver() == "ready", "the core to call the driver")


async def wire(cloud: Cloud, agent: Agent, host: str) -> None:
    """Create a port, and see driver and agent make it ACTIVE."""
    async with httpx.AsyncClient(base_url=f"{cloud.url}/v2.0", timeout=60) as api:
        network = (await api.post("/networks", json={"network": {}})).json()["network"]["id"]
        body = {"port": {"network_id": network, "binding:host_id": host}}
        port = (await api.post("/ports", json=body)).json()["port"]["id"]
        await until(lambda: port in agent.ports, "the agent to be pushed the port")
        agent.reporter.port(port, "up")

        async def is_active() -> bool:
            return bool((await api.get(f"/ports/{port}")).json()["port"]["status"] == "ACTIVE")

        async with asyncio.timeout(120):
            while not await is_active():
                await asyncio.sleep(0.02)


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait, and let the agents of this process go on meanwhile."""
    try:
        async with asyncio.timeout(120):
            while not await asyncio.to_thread(condition):
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise TimeoutError(f"timed out waiting for {what}") from None
