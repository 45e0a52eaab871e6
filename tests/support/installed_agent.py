"""The installed agent of a driver on a host, told by a core over its stream, and what it hears of the host's cables.

async with ScriptedCore(tmp_path) as core:
    with installed_agent("jackfield-ovs", host.name, core, settings):
        session = await core.session(PATIENT)
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jackfield_sdk.testing import ScriptedCore
from jackfield_sdk.testing.node_core import Session

from support.lldp import announcement
from support.wire import Wire

PATIENT = 60.0
"""Seconds: an agent starts slowly on a busy machine."""


@contextlib.contextmanager
def installed_agent(program: str, namespace: str, core: ScriptedCore, settings: Mapping[str, Any]) -> Iterator[None]:
    """Run ``PROGRAM agent`` in a namespace; it ends as a service manager ends it, with status 0."""
    prefix = program.upper().replace("-", "_")
    own = {f"{prefix}_{name.upper()}": _text(value) for name, value in settings.items()}
    link = {"JACKFIELD_AGENT_CORE": core.address, "JACKFIELD_AGENT_HOST": "h1", "JACKFIELD_AGENT_RECONNECT_MAX": "0.5"}
    argv = ["ip", "netns", "exec", namespace, str(Path(sys.executable).with_name(program)), "agent"]
    with subprocess.Popen(argv, env=os.environ | own | link, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()
    assert process.returncode == 0


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


async def neighbour_told(session: Session, switch: Wire) -> tuple[str, str, str, str]:
    """Have a switch announce itself again and again, and return the neighbour that the agent tells."""
    async with asyncio.timeout(PATIENT):
        while True:
            switch.send(announcement("00:1c:73:00:00:01", "Ethernet7", ttl=3600, name="leaf1"))
            with contextlib.suppress(TimeoutError):
                report = await session.heard(_names_a_switch, 0.5)
                (seen,) = [each for each in report.neighbours if each.chassis_id]
                return seen.interface, seen.chassis_id, seen.port_id, seen.system_name


def _names_a_switch(report: Any) -> bool:
    return any(each.chassis_id for each in report.neighbours)
