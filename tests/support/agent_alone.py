"""Run an agent without a core: views come as JSON lines on stdin, reports go out on stdout.

`python -m support.agent_alone MODULE:AGENT MODULE:SETTINGS`. The first line holds the settings. A report without a
port says that the agent has started.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
import sys
import threading
from typing import Any

import structlog
from jackfield_sdk import AddressPair, ForwardingEntry, NetworkView, NodeAgent, PortState, PortView, Reporter
from jackfield_sdk.errors import DriverError


class Printer(Reporter):
    """Tells what an agent reports on stdout."""

    def port(self, port_id: str, state: PortState, reason: str = "", version: str = "") -> None:
        """Print the state of a port."""
        report = {"port_id": port_id, "state": state.value, "reason": reason, "version": version}
        print(json.dumps(report), flush=True)


def network(fields: dict[str, Any]) -> NetworkView:
    """Read the view of a network."""
    forwarding = tuple(
        ForwardingEntry(e["mac_address"], tuple(e["ip_addresses"]), e["endpoint"]) for e in fields.pop("forwarding")
    )
    return NetworkView(**(fields | {"endpoints": tuple(fields["endpoints"]), "forwarding": forwarding}))


def port(fields: dict[str, Any]) -> PortView:
    """Read the view of a port."""
    pairs = tuple(AddressPair(**pair) for pair in fields.pop("allowed_address_pairs"))
    return PortView(**(fields | {"ip_addresses": tuple(fields["ip_addresses"]), "allowed_address_pairs": pairs}))


async def act(agent: NodeAgent, message: dict[str, Any]) -> None:
    """Do what one line says."""
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


async def main(agent_class: Any, settings_class: Any) -> None:
    """Run an agent until SIGTERM."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    lines: asyncio.Queue[str] = asyncio.Queue()
    feed = threading.Thread(
        target=lambda: [loop.call_soon_threadsafe(lines.put_nowait, line) for line in sys.stdin], daemon=True
    )
    feed.start()
    agent = agent_class(settings_class(**json.loads(await lines.get())["settings"]))
    await agent.start(Printer())
    Printer().port("", PortState.UP)
    worker = asyncio.create_task(work(agent, lines))
    await stopping.wait()
    worker.cancel()
    await agent.stop()


async def work(agent: NodeAgent, lines: asyncio.Queue[str]) -> None:
    """Do what the lines say, one after the other."""
    while True:
        try:
            await act(agent, json.loads(await lines.get()))
        except DriverError as error:
            print(error.reason, file=sys.stderr, flush=True)


def named(path: str) -> Any:
    """Return what MODULE:NAME names."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


if __name__ == "__main__":
    asyncio.run(main(named(sys.argv[1]), named(sys.argv[2])))
    # The thread that reads stdin never ends by itself.
    sys.stdout.flush()
    os._exit(0)
