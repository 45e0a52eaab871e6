"""Run the agent without a core: views come as JSON lines on stdin, reports go out on stdout.

The first line holds the settings. A report without a port says that the agent has started.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
from typing import Any

import structlog
from jackfield_linuxbridge.agent import LinuxBridgeAgent
from jackfield_linuxbridge.settings import LinuxBridgeSettings
from jackfield_sdk import AddressPair, ForwardingEntry, NetworkView, PortState, PortView, Reporter
from jackfield_sdk.errors import DriverError


class Printer(Reporter):
    def port(self, port_id: str, state: PortState, reason: str = "", version: str = "") -> None:
        report = {"port_id": port_id, "state": state.value, "reason": reason, "version": version}
        print(json.dumps(report | {"at": time.monotonic()}), flush=True)


def network(fields: dict[str, Any]) -> NetworkView:
    forwarding = tuple(
        ForwardingEntry(e["mac_address"], tuple(e["ip_addresses"]), e["endpoint"]) for e in fields.pop("forwarding")
    )
    return NetworkView(**(fields | {"endpoints": tuple(fields["endpoints"]), "forwarding": forwarding}))


def port(fields: dict[str, Any]) -> PortView:
    pairs = tuple(AddressPair(**pair) for pair in fields.pop("allowed_address_pairs"))
    return PortView(**(fields | {"ip_addresses": tuple(fields["ip_addresses"]), "allowed_address_pairs": pairs}))


async def act(agent: LinuxBridgeAgent, message: dict[str, Any]) -> None:
    match message:
        case {"network": fields}:
            await agent.apply_network(network(fields))
        case {"port": fields}:
            await agent.apply_port(port(fields))
        case {"remove_port": port_id}:
            await agent.remove_port(port_id)
        case {"remove_network": network_id}:
            await agent.remove_network(network_id)
        case {"in_sync": True}:
            await agent.in_sync()


async def main() -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    lines: asyncio.Queue[str] = asyncio.Queue()
    feed = threading.Thread(
        target=lambda: [loop.call_soon_threadsafe(lines.put_nowait, line) for line in sys.stdin], daemon=True
    )
    feed.start()
    agent = LinuxBridgeAgent(LinuxBridgeSettings(**json.loads(await lines.get())["settings"]))
    await agent.start(Printer())
    Printer().port("", PortState.UP)
    worker = asyncio.create_task(work(agent, lines))
    await stopping.wait()
    worker.cancel()
    await agent.stop()


async def work(agent: LinuxBridgeAgent, lines: asyncio.Queue[str]) -> None:
    while True:
        try:
            await act(agent, json.loads(await lines.get()))
        except DriverError as error:
            print(error.reason, file=sys.stderr, flush=True)


if __name__ == "__main__":
    asyncio.run(main())
    # The thread that reads stdin never ends by itself.
    sys.stdout.flush()
    os._exit(0)
