"""A load generator that speaks nothing but the Neutron v2.0 API.

Every phase is a list of requests, run one after the other or by a number of
workers. Each answer is checked: a failed check is an error of the phase, and a
bench with errors does not count.
"""

import asyncio
import itertools
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from bench import usage

Request = Callable[[], Awaitable[Any]]


@dataclass(slots=True)
class Phase:
    """What one phase took; times in milliseconds, *cpu* per object of the core process."""

    name: str
    objects: int
    workers: int
    times: list[float] = field(default_factory=list)
    seconds: float = 0.0
    cpu: float = 0.0
    errors: list[str] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """Return the figures of the phase."""
        times = sorted(self.times) or [0.0]
        return {
            "phase": self.name,
            "workers": self.workers,
            "objects": self.objects,
            "p50_ms": round(statistics.median(times), 2),
            "p95_ms": round(times[int(len(times) * 0.95) - 1], 2),
            "per_s": round(self.objects / self.seconds, 1) if self.seconds else 0.0,
            "core_cpu_ms": round(self.cpu / max(self.objects, 1) * 1000, 3),
            "errors": len(self.errors),
        }


class Client:
    """One HTTP session against one server, and the process that serves it."""

    def __init__(self, url: str, pid: int, host: str, on_phase: Callable[[Phase], None]) -> None:
        self._root = url.rstrip("/")
        self._url = self._root + "/v2.0"
        self._pid = pid
        self._host = host
        self._on_phase = on_phase
        self._numbers = itertools.count()

    async def __aenter__(self) -> "Client":
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def phase(self, name: str, requests: Sequence[Request], *, workers: int = 1, weight: int = 1) -> list[Any]:
        """Run *requests* with *workers* at a time; *weight* is the number of objects in each."""
        phase = Phase(name, len(requests) * weight, workers)
        answers: list[Any] = []
        todo = iter(requests)

        async def work() -> None:
            for request in todo:
                started = time.perf_counter()
                try:
                    answers.append(await request())
                except (aiohttp.ClientError, RuntimeError, TimeoutError) as error:
                    phase.errors.append(str(error)[:200])
                phase.times.append((time.perf_counter() - started) * 1000)

        before, started = usage.of(self._pid), time.perf_counter()
        await asyncio.gather(*(work() for _ in range(workers)))
        phase.seconds = time.perf_counter() - started
        phase.cpu = usage.of(self._pid).cpu - before.cpu
        self._on_phase(phase)
        return answers

    async def call(self, method: str, path: str, body: Any = None, *, expect: int = 200) -> Any:
        """Send one request and return the decoded answer."""
        async with self._session.request(method, self._url + path, json=body) as response:
            raw = await response.read()
            if response.status != expect:
                raise RuntimeError(f"{method} {path}: {response.status} {raw[:200]!r}")
            return await response.json() if raw else None

    def read(self, path: str) -> Request:
        """Return a request for something that is not of the API, such as ``/metrics``."""

        async def request() -> bytes:
            async with self._session.get(self._root + path) as response:
                response.raise_for_status()
                return await response.read()

        return request

    def create_network(self) -> Request:
        async def request() -> Any:
            body = {"network": {"name": f"bench-{next(self._numbers)}"}}
            return (await self.call("POST", "/networks", body, expect=201))["network"]

        return request

    def create_subnet(self, network_id: str) -> Request:
        async def request() -> Any:
            body = {"subnet": {"network_id": network_id, "ip_version": 4, "cidr": "10.0.0.0/16"}}
            return (await self.call("POST", "/subnets", body, expect=201))["subnet"]

        return request

    def create_port(self, network_id: str) -> Request:
        return self.create_port_on(network_id, self._host)

    def create_port_on(self, network_id: str, host: str) -> Request:
        async def request() -> Any:
            body = {"port": {**self._port(network_id), "binding:host_id": host}}
            port = (await self.call("POST", "/ports", body, expect=201))["port"]
            if port["binding:vif_type"] in ("unbound", "binding_failed") or len(port["fixed_ips"]) != 1:
                raise RuntimeError(f"port {port['id']} is {port['binding:vif_type']}")
            return port

        return request

    def create_unbound_port(self, network_id: str) -> Request:
        async def request() -> Any:
            body = {"port": self._port(network_id, bound=False)}
            return (await self.call("POST", "/ports", body, expect=201))["port"]

        return request

    def create_ports(self, network_id: str, count: int, *, bound: bool) -> Request:
        async def request() -> Any:
            body = {"ports": [self._port(network_id, bound=bound) for _ in range(count)]}
            ports = (await self.call("POST", "/ports", body, expect=201))["ports"]
            if len({port["fixed_ips"][0]["ip_address"] for port in ports}) != count:
                raise RuntimeError("a bulk request gave an address twice")
            return ports

        return request

    def show_port(self, port_id: str) -> Request:
        return lambda: self.call("GET", f"/ports/{port_id}")

    def update_port(self, port_id: str) -> Request:
        return lambda: self.call("PUT", f"/ports/{port_id}", {"port": {"name": f"renamed-{next(self._numbers)}"}})

    def delete_port(self, port_id: str) -> Request:
        return lambda: self.call("DELETE", f"/ports/{port_id}", expect=204)

    def delete_network(self, network_id: str) -> Request:
        return lambda: self.call("DELETE", f"/networks/{network_id}", expect=204)

    def list_ports(self, expected: int) -> Request:
        async def request() -> None:
            found = len((await self.call("GET", "/ports"))["ports"])
            if found != expected:
                raise RuntimeError(f"listed {found} ports, expected {expected}")

        return request

    def _port(self, network_id: str, *, bound: bool = True) -> dict[str, Any]:
        number = next(self._numbers)
        return {
            "network_id": network_id,
            "name": f"bench-{number}",
            "device_id": f"device-{number}",
            "device_owner": "compute:nova",
            "binding:host_id": self._host if bound else "",
        }
