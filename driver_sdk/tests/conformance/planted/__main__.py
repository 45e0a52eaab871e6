"""`python -m planted NAME ADDRESS [NAME ADDRESS …]`: serve drivers with defects, "none" for the sound one."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from jackfield_sdk import RunningServer, ServerSettings, start_server
from jackfield_sdk._logging import configure_logging
from jackfield_sdk._signals import on_stop_signals
from jackfield_sdk._transport import socket_path
from jackfield_sdk.examples.loopback import Fabric, LoopbackOptions

from planted import Defect, defect_of

_OPTIONS = LoopbackOptions(attributes=True, state_version=2, wired=False)


async def start(defect: Defect, address: str) -> RunningServer:
    """Serve one driver, its defect in place."""
    settings = ServerSettings(listen=address, max_batch=50, heartbeat_interval=1.0)
    options = replace(_OPTIONS, state_file=Path(f"{socket_path(address)}.db")) if defect.device else _OPTIONS
    with defect.services.in_place():
        return await start_server(defect.driver(Fabric("planted"), options), settings)


async def main(pairs: list[tuple[str, str]]) -> None:
    """Serve until SIGTERM."""
    told = asyncio.Event()
    on_stop_signals(told.set)
    servers = [await start(defect_of(name), address) for name, address in pairs]
    print("ready", flush=True)
    await told.wait()
    await asyncio.gather(*[server.stop() for server in servers])


configure_logging("error", json=True)
asyncio.run(main(list(zip(sys.argv[1::2], sys.argv[2::2], strict=True))))
