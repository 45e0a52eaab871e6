"""Rows to be carried, and agents that dial in."""

import asyncio
import contextlib
import itertools
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from jackfield.node.v1 import node_pb2, node_pb2_grpc
from jackfield_core import config
from jackfield_core.db.base import now
from jackfield_core.db.engine import Database
from jackfield_core.db.network import Network
from jackfield_core.db.port import Binding, Port
from jackfield_core.db.segment import Segment
from jackfield_core.db.unit_of_work import UnitOfWork
from jackfield_core.nodes.service import NodeService
from jackfield_core.types import Action, BindingLevel, FixedIp, Kind, Status
from msgspec.structs import replace
from support.waiting import eventually

DEADLINE = 30.0
"""Seconds until a test gives up waiting."""


class NobodyIsOwed:
    """Creditors of a core without drivers."""

    def owed(self, _kind: Kind, _action: Action) -> Sequence[str]:
        return ()

    def declined(self, _kind: Kind, _action: Action) -> Sequence[str]:
        return ()

    def interested(self, _kind: Kind, _action: Action) -> Sequence[object]:
        return ()

    def attributed(self) -> Sequence[Kind]:
        return ()


@dataclass(eq=False)
class Fabric:
    """Writes networks and bound ports the way services do, and reads them back."""

    unit_of_work: UnitOfWork
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    async def network(
        self, network_type: str = "vxlan", *, physical_network: str | None = None, mtu: int = 1450
    ) -> str:
        """Add a network with one segment; return its id."""
        id, at, number = str(uuid.uuid4()), now(), next(self._numbers)
        async with self.unit_of_work() as tx:
            await tx.networks.add(
                Network(id, "project", f"net{number}", "", True, "ACTIVE", mtu, False, False, True, 1, at, at)
            )
            await tx.segments.add(
                Segment(
                    f"segment-{id[:8]}", id, network_type, physical_network, 100 + number, "", "", False, 0, 1, at, at
                )
            )
        return id

    async def port(self, network_id: str, host: str, driver: str = "ovs", **columns: Any) -> Port:
        """Add a port that is bound to *host*; return it."""
        return (await self.ports(network_id, host, driver, count=1, **columns))[0]

    async def ports(
        self,
        network_id: str,
        host: str,
        driver: str = "ovs",
        *,
        count: int,
        binding: dict[str, Any] | None = None,
        **columns: Any,
    ) -> list[Port]:
        """Add bound ports in one transaction; return them."""
        ports = [self._port(network_id, host, binding or {}, columns) for _ in range(count)]
        levels = [BindingLevel(0, driver, f"segment-{network_id[:8]}")]
        async with self.unit_of_work() as tx:
            await tx.ports.add(*ports)
            await tx.ports.add_levels(*((port, levels) for port in ports))
            tx.touch(network_id, host)
        return ports

    def _port(self, network_id: str, host: str, binding: dict[str, Any], columns: dict[str, Any]) -> Port:
        number, at = next(self._numbers), now()
        port = Port(
            id=str(uuid.uuid4()),
            network_id=network_id,
            project_id="project",
            name="",
            description="",
            admin_state_up=True,
            status=Status.DOWN,
            mac_address=f"fa:16:3e:00:{number >> 8:02x}:{number & 255:02x}",
            device_id="server",
            device_owner="compute:nova",
            port_security_enabled=True,
            fixed_ips=(FixedIp("subnet", f"10.0.{number >> 8}.{number & 255}"),),
            allowed_address_pairs=(),
            extra_dhcp_opts=(),
            revision_number=1,
            created_at=at,
            updated_at=at,
            binding=Binding(host=host, vif_type="ovs", vif_details={"bridge_name": "br-int"}),
        )
        return replace(port, binding=replace(port.binding, **binding), **columns)

    async def change(self, port: Port, **columns: Any) -> Port:
        """Change columns of a port."""
        port = replace(port, revision_number=port.revision_number + 1, **columns)
        async with self.unit_of_work() as tx:
            await tx.ports.update(port)
            tx.touch(port.network_id, port.binding.host)
        return port

    async def delete(self, *ports: Port) -> None:
        """Remove ports for good."""
        async with self.unit_of_work() as tx:
            await tx.ports.purge([port.id for port in ports])
            for port in ports:
                tx.touch(port.network_id, port.binding.host)

    async def resize(self, network_id: str, mtu: int) -> None:
        """Change the MTU of a network."""
        async with self.unit_of_work() as tx:
            network = (await tx.networks.list_with_deleted([network_id]))[network_id]
            await tx.networks.update(replace(network, mtu=mtu))
            tx.touch(network_id)

    async def get(self, port: Port) -> Port:
        """Read a port."""
        async with self.unit_of_work.reading() as tables:
            return (await tables.ports.list_with_deleted([port.id]))[port.id]

    async def agents(self, host: str) -> list[Any]:
        """Read the agents of a host."""
        async with self.unit_of_work.reading() as tables:
            return list(await tables.agents.list_on_host(host))

    async def wired(self, port: Port, wiring: str) -> Port:
        """Return the port once its wiring is as expected."""

        async def is_so() -> Port | None:
            found = await self.get(port)
            return found if found.binding.wiring == wiring else None

        return await eventually(is_so)


class ScriptedAgent:
    """An agent that does what the test says; it applies pushes to what it holds."""

    def __init__(self, call: Any, host: str, driver: str) -> None:
        self.call = call
        self.host = host
        self.driver = driver
        self.networks: dict[str, node_pb2.NetworkView] = {}
        self.ports: dict[str, node_pb2.PortView] = {}
        self.versions: dict[tuple[int, str], str] = {}
        self.pushes: list[node_pb2.SyncResponse] = []
        self._reading: asyncio.Task[Any] | None = None

    async def say(self, **message: Any) -> None:
        """Send one message."""
        await self.call.write(node_pb2.SyncRequest(**message))

    async def hello(self, *, tunnel_ip: str | None = None, known: Any = (), **fields: Any) -> None:
        """Introduce itself."""
        facts = node_pb2.Facts(
            physical_networks={"physnet1": "br-ex"},
            tunnel_types=["vxlan"],
            tunnel_ip=tunnel_ip,
            vif_types=["ovs"],
            configurations=json.dumps({"integration_bridge": "br-int"}).encode(),
        )
        values: dict[str, Any] = {
            "host": self.host, "agent_type": f"{self.driver} agent", "binary": "agent", "version": "1",
            "driver": self.driver, "facts": facts,
            "known": [node_pb2.Known(kind=kind, id=id, version=version) for (kind, id), version in dict(known).items()],
        }  # fmt: skip
        await self.say(hello=node_pb2.Hello(**{**values, **fields}))

    async def push(self) -> node_pb2.SyncResponse:
        """Return the next push without acknowledging it, and hold what it brings."""
        reading = self._reading or asyncio.create_task(self.call.read())
        self._reading = None
        push = await asyncio.wait_for(reading, DEADLINE)
        assert push is not grpc.aio.EOF, await self.call.code()
        self.pushes.append(push)
        for upsert in push.upserts:
            self._upsert(upsert)
        for removal in push.removals:
            self._remove(removal)
        return push

    async def acknowledge(self, push: node_pb2.SyncResponse, *errors: node_pb2.ViewError) -> None:
        await self.say(ack=node_pb2.Ack(nonce=push.nonce, errors=errors))

    async def take(self) -> node_pb2.SyncResponse:
        """Take the next push and acknowledge it."""
        push = await self.push()
        await self.acknowledge(push)
        return push

    async def sync(self) -> None:
        """Take pushes until one says that everything is there."""
        while not (await self.take()).in_sync:
            pass

    async def until(self, condition: Callable[[], Any]) -> None:
        """Take pushes until *condition* holds."""
        while not condition():
            await self.take()

    async def report(self, *ports: tuple[Port, int], reason: str = "") -> None:
        """Report states of ports."""
        states = [node_pb2.PortReport(port_id=port.id, state=state, reason=reason) for port, state in ports]
        await self.say(report=node_pb2.Report(ports=states))

    async def is_quiet(self, seconds: float = 0.3) -> bool:
        """Return whether no push arrives for a while."""
        # Cancelling a read would cancel the call, so the next push is what this one brings.
        self._reading = self._reading or asyncio.create_task(self.call.read())
        done, _ = await asyncio.wait([self._reading], timeout=seconds)
        return not done

    def _upsert(self, upsert: node_pb2.Upsert) -> None:
        if upsert.WhichOneof("view") == "network":
            self._hold(node_pb2.VIEW_KIND_NETWORK, upsert.network.id, upsert.version, self.networks, upsert.network)
        elif upsert.WhichOneof("view") == "network_delta":
            self._change(upsert.version, upsert.network_delta)
        else:
            assert upsert.port.network_id in self.networks, "a network comes before its ports"
            self._hold(node_pb2.VIEW_KIND_PORT, upsert.port.id, upsert.version, self.ports, upsert.port)

    def _change(self, version: str, delta: node_pb2.NetworkDelta) -> None:
        key = node_pb2.VIEW_KIND_NETWORK, delta.id
        assert self.versions[key] == delta.base_version, "a delta starts from what is held"
        view = node_pb2.NetworkView()
        view.CopyFrom(self.networks[delta.id])
        replaced = {*delta.gone_endpoints, *delta.endpoints}
        del view.endpoints[:], view.forwarding[:]
        view.endpoints.extend(one for one in self.networks[delta.id].endpoints if one not in replaced)
        view.forwarding.extend(one for one in self.networks[delta.id].forwarding if one.endpoint not in replaced)
        view.MergeFrom(node_pb2.NetworkView(endpoints=delta.endpoints, forwarding=delta.forwarding))
        self._hold(*key, version, self.networks, view)

    def _hold(self, kind: int, id: str, version: str, views: dict[str, Any], view: Any) -> None:
        assert self.versions.get((kind, id)) != version, "what is held is not sent again"
        self.versions[kind, id] = version
        views[id] = view

    def _remove(self, removal: node_pb2.Removal) -> None:
        del self.versions[removal.kind, removal.id]
        if removal.kind == node_pb2.VIEW_KIND_PORT:
            self.ports.pop(removal.id, None)
        else:
            assert removal.id not in {port.network_id for port in self.ports.values()}, "ports go before their network"
            self.networks.pop(removal.id, None)

    def restore(self, other: "ScriptedAgent") -> None:
        """Hold what *other* holds, as an agent does when its connection breaks."""
        self.networks, self.ports, self.versions = dict(other.networks), dict(other.ports), dict(other.versions)


@dataclass(eq=False)
class Site:
    """A running node service and what it needs."""

    service: NodeService
    fabric: Fabric
    changed_hosts: list[str]
    _stack: contextlib.AsyncExitStack

    async def eventually(self, condition: Callable[[], Awaitable[Any]]) -> Any:
        """Return the first true result of *condition*."""
        return await eventually(condition)

    async def agent(self, host: str, driver: str = "ovs", *, service: NodeService | None = None) -> ScriptedAgent:
        """Dial in; the agent has said nothing yet. *service* is another process of the core."""
        address = (service or self.service).address
        channel = await self._stack.enter_async_context(grpc.aio.insecure_channel(address))
        return ScriptedAgent(node_pb2_grpc.NodeServiceStub(channel).Sync(), host, driver)

    async def synced(
        self, host: str, driver: str = "ovs", *, service: NodeService | None = None, **hello: Any
    ) -> ScriptedAgent:
        """Return an agent that holds everything that its host has to carry."""
        agent = await self.agent(host, driver, service=service)
        await agent.hello(**hello)
        await agent.sync()
        return agent


@pytest.fixture
async def site(database: Database, tmp_path: Any) -> AsyncIterator[Site]:
    """A node service on a Unix socket, over an empty database."""
    services: list[NodeService] = []

    def wake(_drivers: object) -> None:
        for service in services:
            service.wake()

    unit_of_work = UnitOfWork(database, NobodyIsOwed(), lambda _: b"", wake)
    changed_hosts: list[str] = []
    settings = config.Nodes(listen=f"unix://{tmp_path}/n.sock", poll_interval=60)
    service = NodeService(settings, unit_of_work, ["ovs"], changed_hosts.append)
    services.append(service)
    await service.start()
    async with contextlib.AsyncExitStack() as stack:
        yield Site(service, Fabric(unit_of_work), changed_hosts, stack)
    await service.stop()
