"""``python -m bench.plugging``: inside a host's namespace, how long a port takes from its interface to UP.

An agent runs in this process without a core: it is told a network and its ports first, as on
a host whose machines are about to start. Then interfaces appear, one at a time and
many at once, and the agent's reports are timed. The answer is one line of JSON, in seconds.
"""

import asyncio
import contextlib
import json
import logging
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from jackfield_linuxbridge.agent import LinuxBridgeAgent
from jackfield_linuxbridge.layout import tap_name
from jackfield_linuxbridge.settings import LinuxBridgeSettings
from jackfield_ovs.agent import OvsAgent
from jackfield_ovs.settings import OvsSettings
from jackfield_sdk import NetworkView, NodeAgent, PortState, PortView, Reporter

_PATIENCE = 120.0
_ENDPOINT = "10.99.0.250"


class Stopwatch(Reporter):
    """Remembers when each port came up."""

    def __init__(self) -> None:
        super().__init__()
        self.up: dict[str, float] = {}
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()

    def port(self, port_id: str, state: PortState, reason: str = "", version: str = "") -> None:
        """Note the time of the first report that a port is up."""
        if state is PortState.UP:
            self.up.setdefault(port_id, time.perf_counter())
            self._loop.call_soon_threadsafe(self._news.set)

    async def wait_for(self, ports: Sequence[PortView]) -> float:
        """Return when the last of the ports came up."""
        async with asyncio.timeout(_PATIENCE):
            while not all(port.id in self.up for port in ports):
                await self._news.wait()
                self._news.clear()
        return max(self.up[port.id] for port in ports)


async def measure(kind: str, settings: dict[str, Any], rounds: int, burst: int) -> dict[str, Any]:
    """Return the seconds of each single port, and those of a burst."""
    agent: NodeAgent = OvsAgent(OvsSettings(**settings)) if kind == "ovs" else _bridge_agent(settings)
    plug = _plugged_into_ovs(settings["ovsdb"]) if kind == "ovs" else _made
    stopwatch = Stopwatch()
    await agent.start(stopwatch)
    ports = [_port(number) for number in range(rounds + burst)]
    await agent.apply_network(_NETWORK)
    for port in ports:
        await agent.apply_port(port)
    await agent.in_sync()
    single = [await _timed(plug, stopwatch, [port]) for port in ports[:rounds]]
    at_once = await _timed(plug, stopwatch, ports[rounds:])
    await agent.stop()
    return {"single": single, "burst": at_once}


def _bridge_agent(settings: dict[str, Any]) -> LinuxBridgeAgent:
    return LinuxBridgeAgent(LinuxBridgeSettings(**settings))


async def _timed(plug: Callable[[Sequence[PortView]], None], stopwatch: Stopwatch, ports: Sequence[PortView]) -> float:
    # The pass that the last round caused has ended.
    await asyncio.sleep(0.2)
    started = time.perf_counter()
    await asyncio.to_thread(plug, ports)
    return await stopwatch.wait_for(ports) - started


def _made(ports: Sequence[PortView]) -> None:
    """Make the interfaces, which is all that a compute service does for a Linux bridge."""
    lines = [f"link add {tap_name(port.id)} type veth peer name p{port.id[:11]}" for port in ports]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)


def _plugged_into_ovs(ovsdb: str) -> Callable[[Sequence[PortView]], None]:
    """Return what puts interfaces that are there into the integration bridge, as os-vif does."""

    def plug(ports: Sequence[PortView]) -> None:
        _made(ports)
        command = ["ovs-vsctl", f"--db={ovsdb}", "--no-wait"]
        for port in ports:
            device = tap_name(port.id)
            command += ["--", "add-port", "br-int", device]
            command += ["--", "set", "Interface", device, f"external_ids:iface-id={port.id}"]
        subprocess.run(command, check=True)

    return plug


_NETWORK = NetworkView(
    str(uuid.UUID(int=1)), "1", "segment", "vxlan", segmentation_id=5001, mtu=1400, endpoints=(_ENDPOINT,)
)


def _port(number: int) -> PortView:
    # The beginning of the id names the device.
    id = f"{number:08x}-0000-4000-8000-{number:012x}"
    mac_address = f"fa:16:3e:00:{number // 256:02x}:{number % 256:02x}"
    address = f"10.1.{number // 256}.{number % 256}"
    return PortView(id, "1", _NETWORK.id, mac_address, (address,))


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with contextlib.redirect_stdout(sys.stderr):
        answer = asyncio.run(measure(sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
    sys.stdout.write(json.dumps(answer) + "\n")
