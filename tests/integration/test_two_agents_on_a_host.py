"""Open vSwitch and Linux bridge side by side on one host: who gets a port, and who says why not.

Core and both drivers are what ships, the drivers as processes. The two agents of
the host are real streams that say what real agents say, and wire nothing.
"""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from jackfield_core import config
from jackfield_core.app import Application
from jackfield_core.db import migrate
from jackfield_sdk import AgentSettings, Facts, start_agent
from jackfield_sdk.testing import RecordingAgent
from support.cloud import BIN
from support.processes import Process, accepts
from support.reaper import owned

HOST = "host-1"
PROGRAMS = {"ovs": "jackfield-ovs", "linuxbridge": "jackfield-linuxbridge"}
FACTS = {
    "ovs": Facts({"cloud": "br-ex"}, ("vxlan", "geneve"), "198.51.100.1", ("ovs",), {"integration_bridge": "br-int"}),
    "linuxbridge": Facts({"office": "eth1"}, ("vxlan", "gre"), "198.51.100.1", ("tap",), {"vif_type": "tap"}),
}


class Agent(RecordingAgent):
    """An agent of one of the two kinds, with the facts of its kind."""

    def __init__(self, driver: str) -> None:
        super().__init__()
        self.driver = driver
        self.agent_type = f"{driver} agent"

    def facts(self) -> Facts:
        return FACTS[self.driver]


class Cloud:
    """A core that asks its drivers in some order, and one host with both agents."""

    def __init__(self, api: httpx.AsyncClient, agents: dict[str, Agent]) -> None:
        self._api = api
        self.agents = agents

    async def port(self, network_type: str, physical_network: str | None = None, **attributes: Any) -> Any:
        """Create a network of a type, and a port of it on the host."""
        provider = {"provider:network_type": network_type, "provider:physical_network": physical_network}
        network = {name: value for name, value in provider.items() if value}
        id = (await self._create("network", network))["id"]
        return await self._create("port", {"network_id": id, "binding:host_id": HOST, **attributes})

    async def _create(self, kind: str, attributes: dict[str, Any]) -> Any:
        answer = await self._api.post(f"/v2.0/{kind}s", json={kind: attributes})
        assert answer.status_code == 201, answer.text
        return answer.json()[kind]

    async def agents_alive(self) -> bool:
        """Return whether the core has heard of both agents."""
        answer = await self._api.get("/v2.0/agents")
        return len(answer.json()["agents"]) == len(self.agents)


def driver(name: str, folder: Path) -> Process:
    """Return the process of a driver."""
    socket = folder / f"{name}.sock"
    settings = folder / f"{name}.toml"
    settings.write_text(f'[driver]\nlisten = "unix://{socket}"\n')
    command = [str(BIN / PROGRAMS[name]), "driver", "--config", str(settings)]
    return Process(name, command, log=folder / f"{name}.log", ready=accepts(socket))


@contextlib.asynccontextmanager
async def cloud(*order: str) -> AsyncIterator[Cloud]:
    """Run a cloud whose core asks the drivers in this order."""
    folder = Path(tempfile.mkdtemp(prefix=owned("two"), dir="/tmp"))
    settings = config.Settings(
        database=config.Database(url=f"sqlite:///{folder}/core.sqlite"),
        nodes=config.Nodes(listen=f"unix://{folder}/nodes.sock"),
        drivers=[config.Driver(name=name, endpoint=f"unix://{folder}/{name}.sock") for name in order],
        mechanism=config.Mechanism(precommit_budget=10, bind_timeout=10, bind_budget=20),
        segments=config.Segments(
            vlan=config.TypeDriverSettings(ranges=["cloud:100:199", "office:100:199", "attic:100:199"]),
            **{name: config.TypeDriverSettings(ranges=["1000:1999"]) for name in ("vxlan", "gre", "geneve")},
        ),
    )
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        for name in order:
            stack.callback((process := driver(name, folder)).stop)
            await asyncio.to_thread(process.start)
        await migrate.upgrade(settings.database)
        application = Application(settings)
        stack.push_async_callback(application.stop)
        await application.start()
        await application.drivers_ready(60)
        agents = {name: Agent(name) for name in order}
        for agent in agents.values():
            link = AgentSettings(core=f"unix://{folder}/nodes.sock", host=HOST, reconnect_max=0.2)
            stack.push_async_callback((await start_agent(agent, link)).stop)
        transport = httpx.ASGITransport(application.api)
        api = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://core"))
        found = Cloud(api, agents)
        await eventually(found.agents_alive)
        yield found


async def eventually(condition: Callable[[], Awaitable[Any]]) -> None:
    """Return when *condition* holds."""
    async with asyncio.timeout(60):
        while not await condition():
            await asyncio.sleep(0.02)


def bound(port: Any) -> tuple[str, str]:
    """Return VIF type and driver of a port."""
    return port["binding:vif_type"], port["binding:vif_details"].get("bound_drivers", {}).get("0", "")


def reasons(port: Any) -> dict[str, str]:
    """Return why drivers did not bind a port."""
    return {failure["driver"]: failure["reason"] for failure in port["binding:failures"]}


@pytest.mark.parametrize("order", [("ovs", "linuxbridge"), ("linuxbridge", "ovs")], ids=lambda order: order[0])
async def test_what_both_can_carry_goes_to_the_first(order: tuple[str, str]) -> None:
    """The order of the drivers decides; nobody declined, and only the agent of that driver hears of the port."""
    vif_type = {"ovs": "ovs", "linuxbridge": "tap"}[order[0]]
    async with cloud(*order) as site:
        port = await site.port("vxlan")

        assert (bound(port), reasons(port)) == ((vif_type, order[0]), {})

        async def is_told() -> bool:
            return port["id"] in site.agents[order[0]].ports

        await eventually(is_told)
        assert site.agents[order[1]].ports == {}


async def test_what_one_can_carry_goes_to_it_and_the_other_says_why() -> None:
    """Types and physical networks are those of each agent, and the reason is kept though the port is bound."""
    async with cloud("linuxbridge", "ovs") as site:
        ports = {
            "office": await site.port("vlan", "office"),
            "cloud": await site.port("vlan", "cloud"),
            "gre": await site.port("gre"),
            "geneve": await site.port("geneve"),
        }

        assert {name: bound(port) for name, port in ports.items()} == {
            "office": ("tap", "linuxbridge"),
            "cloud": ("ovs", "ovs"),
            "gre": ("tap", "linuxbridge"),
            "geneve": ("ovs", "ovs"),
        }
        assert reasons(ports["office"]) == reasons(ports["gre"]) == {}
        cannot = 'physical_network "cloud" is not among the agent\'s (office)'
        assert cannot in reasons(ports["cloud"])["linuxbridge"]
        assert "geneve" in reasons(ports["geneve"])["linuxbridge"]
        assert "ovs" not in reasons(ports["geneve"])


async def test_what_nobody_can_carry_has_the_reasons_of_both() -> None:
    """A port that fails says of each driver why: the physical network, or the VNIC type."""
    async with cloud("ovs", "linuxbridge") as site:
        attic = await site.port("vlan", "attic")
        direct = await site.port("vxlan", **{"binding:vnic_type": "direct"})

    assert [port["binding:vif_type"] for port in (attic, direct)] == ["binding_failed"] * 2
    assert 'physical_network "attic" is not among the agent\'s (cloud)' in reasons(attic)["ovs"]
    assert 'physical_network "attic" is not among the agent\'s (office)' in reasons(attic)["linuxbridge"]
    assert reasons(direct) == dict.fromkeys(("ovs", "linuxbridge"), 'it does not bind VNIC type "direct"')
