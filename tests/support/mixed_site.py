"""A datacentre of racks: switches of several vendors, hosts with Open vSwitch or Linux bridge, and hosts in no rack.

Core and drivers are what ships, the drivers as processes; the switches are those
of :mod:`support.second_vendor`. The agents of the hosts are real streams that say
what real agents say, keep what they are told, and report every port as wired.
"""

import asyncio
import contextlib
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from jackfield_core import config
from jackfield_core.app import Application
from jackfield_core.db import migrate
from jackfield_sdk import AgentSettings, Facts, NetworkView, PortState, PortView, start_agent
from jackfield_sdk.testing import RecordingAgent

from support.cloud import BIN
from support.processes import Process, accepts, start_together
from support.reaper import owned
from support.second_vendor import SecondVendor, journal

PROGRAMS = {"ovs": "jackfield-ovs", "linuxbridge": "jackfield-linuxbridge"}
VIF_TYPES = {"ovs": "ovs", "linuxbridge": "tap"}
PATIENCE = 60.0
"""Seconds until something else has gone wrong."""
# Who is late is passed over for the next driver, which binds the port in another way.
LIMITS = config.Mechanism(
    precommit_budget=10, bind_timeout=10, bind_budget=10, rebind_interval=0.5, release_interval=0.3
)
"""A segment that nobody uses goes when a binding could not take it any more."""


class HostPlan(NamedTuple):
    """A host: the driver of its agent, its tunnel endpoint, and the rack that it is in."""

    driver: str
    tunnel_ip: str
    physical_network: str = ""


class HostAgent(RecordingAgent):
    """The agent of a host, which reports all that it is told to wire as up."""

    def __init__(self, plan: HostPlan) -> None:
        super().__init__()
        self.driver = plan.driver
        self.agent_type = f"{plan.driver} agent"
        physical_networks = {plan.physical_network: "uplink"} if plan.physical_network else {}
        self._facts = Facts(physical_networks, ("vxlan",), plan.tunnel_ip, (VIF_TYPES[plan.driver],))

    def facts(self) -> Facts:
        return self._facts

    async def apply_port(self, view: PortView) -> None:
        await super().apply_port(view)
        self.reporter.port(view.id, PortState.UP)


class Site:
    """The datacentre, as who runs it sees it."""

    def __init__(
        self,
        folder: Path,
        application: Application,
        api: httpx.AsyncClient,
        vendors: Mapping[str, SecondVendor],
        agents: Mapping[str, HostAgent],
    ) -> None:
        self.application = application
        self.vendors = vendors
        self.agents = agents
        self._folder = folder
        self._api = api

    async def network(self, **attributes: Any) -> Any:
        """Create a VXLAN network, or another one."""
        return await self._create("network", attributes)

    async def port(self, network: Any, host: str, **attributes: Any) -> Any:
        """Create a port on a host; return it when it is bound."""
        body = {"network_id": network["id"], "binding:host_id": host, **attributes}
        port = await self._create("port", body)
        return await self.bound(port["id"])

    async def bound(self, id: str) -> Any:
        """Return a port when it is bound: a driver that was slow is asked again."""
        await self.eventually(lambda: self._has(id, "binding:vif_type", *VIF_TYPES.values()), "a bound port")
        return await self.show(id)

    async def active(self, id: str) -> Any:
        """Return a port when it is ACTIVE."""
        await self.eventually(lambda: self._has(id, "status", "ACTIVE"), "an ACTIVE port")
        return await self.show(id)

    async def show(self, id: str) -> Any:
        """Return a port as an administrator sees it."""
        return (await self.get(f"ports/{id}"))["port"]

    async def delivery(self, id: str, driver: str) -> Any:
        """Return what a driver has heard of a port, or None if it is owed nothing and knows nothing of it."""
        answer = await self._api.get(f"/v2.0/deliveries/{driver}:port:{id}")
        return answer.json()["delivery"] if answer.status_code == 200 else None

    async def levels(self, id: str) -> list[tuple[str, str, str | None, int | None]]:
        """Return driver, network type, physical network and number of each level of a binding."""
        details = (await self.get(f"port-implementation-details/{id}"))["port_implementation_details"]
        return [
            (one["driver"], one["network_type"], one["physical_network"], one["segmentation_id"])
            for one in details["binding"]["levels"]
        ]

    async def leaves(self, network: Any) -> dict[str, int]:
        """Return the VLAN that a network has in each rack."""
        found = await self.get(f"segments?network_id={network['id']}&jackfield:dynamic=true")
        return {one["physical_network"]: one["segmentation_id"] for one in found["segments"]}

    async def update(self, id: str, **attributes: Any) -> None:
        """Change a port."""
        answer = await self._api.put(f"/v2.0/ports/{id}", json={"port": attributes})
        assert answer.status_code == 200, answer.text

    async def delete(self, *resources: Any, kind: str = "port") -> None:
        """Delete ports, or others."""
        for resource in resources:
            answer = await self._api.delete(f"/v2.0/{kind}s/{resource['id']}")
            assert answer.status_code == 204, answer.text

    async def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Ask the API for something that may fail."""
        return await self._api.request(method, f"/v2.0/{path}", **more)

    async def get(self, path: str) -> Any:
        """Return what is at a path of the API."""
        answer = await self._api.get(f"/v2.0/{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def view(self, host: str, network: Any) -> NetworkView | None:
        """Return a network as a host has been told to carry it."""
        return self.agents[host].networks.get(network["id"])

    def did(self, id: str) -> list[tuple[str, str]]:
        """Return which vendor did what with a resource, in order."""
        return journal(self._folder, id)

    async def eventually(self, condition: Callable[[], Awaitable[Any]], what: str) -> None:
        """Return when *condition* holds."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not await condition():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(f"timed out after {PATIENCE:g} s waiting for {what}") from None

    async def is_known(self) -> bool:
        """Return whether the core has heard of all agents."""
        return len((await self.get("agents"))["agents"]) == len(self.agents)

    async def _has(self, id: str, name: str, *values: str) -> bool:
        return (await self.show(id))[name] in values

    async def _create(self, kind: str, attributes: dict[str, Any]) -> Any:
        answer = await self._api.post(f"/v2.0/{kind}s", json={kind: attributes})
        assert answer.status_code == 201, answer.text
        return answer.json()[kind]


@contextlib.asynccontextmanager
async def mixed_site(
    database_url: str,
    drivers: Sequence[str],
    vendors: Mapping[str, Mapping[str, str]],
    hosts: Mapping[str, HostPlan],
    reserved: Sequence[int] = (),
) -> AsyncIterator[Site]:
    """Run a datacentre.

    Args:
        database_url: Where the core keeps its state.
        drivers: All drivers, in the order of the settings.
        vendors: For each driver of switches, the racks that its hosts are in.
        hosts: The hosts with an agent.
        reserved: VLANs that no vendor wants on its switches.

    """
    folder = Path(tempfile.mkdtemp(prefix=owned("mix"), dir="/tmp"))
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        switches = {name: SecondVendor(name, folder, racks, reserved) for name, racks in vendors.items()}
        processes = [switches[name].process if name in switches else _program(name, folder) for name in drivers]
        for process in processes:
            stack.callback(process.stop)
        await asyncio.to_thread(start_together, processes)
        settings = _settings(database_url, folder, drivers)
        await migrate.upgrade(settings.database)
        application = Application(settings)
        stack.push_async_callback(application.stop)
        await application.start()
        await application.drivers_ready(PATIENCE)
        agents = {host: HostAgent(plan) for host, plan in hosts.items()}
        for host, agent in agents.items():
            link = AgentSettings(core=settings.nodes.listen, host=host, reconnect_max=0.2)
            stack.push_async_callback((await start_agent(agent, link)).stop)
        transport = httpx.ASGITransport(application.api)
        api = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://core"))
        site = Site(folder, application, api, switches, agents)
        await site.eventually(site.is_known, "the agents")
        yield site


def _settings(database_url: str, folder: Path, drivers: Sequence[str]) -> config.Settings:
    return config.Settings(
        database=config.Database(url=database_url),
        nodes=config.Nodes(listen=f"unix://{folder}/nodes.sock"),
        drivers=[config.Driver(name=name, endpoint=f"unix://{folder}/{name}.sock") for name in drivers],
        mechanism=LIMITS,
        # However busy the machine is, who comes first is waited for.
        dispatcher=config.Dispatcher(order_hold=60, backoff_first=0.1, backoff_max=0.5),
        segments=config.Segments(
            vlan=config.TypeDriverSettings(ranges=["leaf1:100:119", "leaf2:100:119"]),
            vxlan=config.TypeDriverSettings(ranges=["5000:5999"]),
        ),
    )


def _program(name: str, folder: Path) -> Process:
    socket = folder / f"{name}.sock"
    settings = folder / f"{name}.toml"
    settings.write_text(f'[driver]\nlisten = "unix://{socket}"\n')
    command = [str(BIN / PROGRAMS[name]), "driver", "--config", str(settings)]
    return Process(name, command, log=folder / f"{name}.log", ready=accepts(socket))
