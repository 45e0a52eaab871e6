"""A fixed story that an API user tells a core: create, change, be refused, bind, delete.

After each step everything owed is paid, so what a driver is told, and in which order, depends on
nothing but the story. Resources have names here, because their identifiers are new every time.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
from jackfield_sdk import AgentSettings, Facts, NodeAgent, PortState, PortView, start_agent
from jackfield_sdk.reporter import Reporter

from evolution.site import Site
from evolution.subjects import RESERVED_VLAN, Subject

HOST = "host-1"


class Story:
    """The story, while it is told to one core."""

    def __init__(self, subject: Subject, site: Site, api: httpx.AsyncClient) -> None:
        self._attributes = subject.attributes
        self._site = site
        self._api = api
        self._ids: dict[str, str] = {}
        self.answers: dict[str, int] = {}

    @property
    def names(self) -> dict[str, str]:
        """Return the story's name of each identifier."""
        return {id: name for name, id in self._ids.items()}

    async def tell(self) -> None:
        """Tell everything."""
        await self._create("network", "red", name="red")
        await self._create("network", "reserved", **_vlan(RESERVED_VLAN))
        await self._create("network", "blue", **_vlan(100))
        await self._create("subnet", "red-v4", network_id=self._ids["red"], ip_version=4, cidr="192.0.2.0/24")
        await self._create("port", "bound", **self._port("red"), **{"binding:host_id": HOST})
        await self._create("port", "loose", **self._port("red"))
        await self._update("network", "red", name="scarlet")
        await self._update("port", "loose", **{"binding:host_id": HOST})
        await self._update("port", "bound", name="renamed")
        await self._create("port", "short-lived", **self._port("blue"))
        await self._delete("port", "short-lived")
        await self._delete("network", "blue")

    def _port(self, network: str) -> dict[str, Any]:
        return {"network_id": self._ids[network], "mac_address": f"02:00:00:00:00:{len(self._ids):02x}"}

    async def _create(self, kind: str, name: str, /, **body: Any) -> None:
        answer = await self._api.post(f"/{kind}s", json={kind: {**body, **self._attributes.get(kind, {})}})
        if answer.status_code == 201:
            self._ids[name] = answer.json()[kind]["id"]
        await self._end_of_step(f"create {kind} {name}", answer)

    async def _update(self, kind: str, name: str, /, **body: Any) -> None:
        answer = await self._api.put(f"/{kind}s/{self._ids[name]}", json={kind: body})
        await self._end_of_step(f"update {kind} {name}", answer)

    async def _delete(self, kind: str, name: str) -> None:
        if name in self._ids:
            answer = await self._api.delete(f"/{kind}s/{self._ids[name]}")
            await self._end_of_step(f"delete {kind} {name}", answer)

    async def _end_of_step(self, step: str, answer: httpx.Response) -> None:
        self.answers[step] = answer.status_code
        deadline = time.monotonic() + 60
        while self._site.rows("SELECT * FROM delivery WHERE owed"):
            if time.monotonic() > deadline:
                raise TimeoutError(f"debts are left after {step!r}:\n{self._site.log()[-4000:]}")
            await asyncio.sleep(0.02)


async def tell(subject: Subject, site: Site) -> dict[str, Any]:
    """Tell the story to a running core; return the answers of the API and the end of the database."""
    async with _agent(subject, site), httpx.AsyncClient(base_url=f"{site.url}/v2.0", timeout=90) as api:
        story = Story(subject, site, api)
        await story.tell()
        return {"answers": story.answers, **site.end(story.names)}


def _vlan(number: int) -> dict[str, Any]:
    return {
        "provider:network_type": "vlan",
        "provider:physical_network": "leaf1",
        "provider:segmentation_id": number,
    }


class _Agent(NodeAgent):
    """An agent that finds everything wired, for a driver that binds only where it has one."""

    agent_type = "Open vSwitch agent"
    binary = "jackfield-ovs"

    def __init__(self, driver: str) -> None:
        self.driver = driver

    async def start(self, reporter: Reporter) -> None:
        self._reporter = reporter

    def facts(self) -> Facts:
        return Facts({"leaf1": "br-leaf1"}, ("vxlan",), "198.51.100.1", ("ovs",), {"integration_bridge": "br-int"})

    async def apply_port(self, view: PortView) -> None:
        self._reporter.port(view.id, PortState.UP)


@contextlib.asynccontextmanager
async def _agent(subject: Subject, site: Site) -> AsyncIterator[None]:
    if not subject.has_agent:
        yield
        return
    running = await start_agent(_Agent(subject.name), AgentSettings(core=site.nodes, host=HOST))
    try:
        async with asyncio.timeout(60):
            while not site.rows("SELECT * FROM agent"):
                await asyncio.sleep(0.02)
        yield
    finally:
        await running.stop()
