"""The drivers that are recorded: how each is started, and what it needs."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from support.processes import Process, accepts

BIN = Path(sys.executable).parent
NODEJS = Path(__file__).resolve().parents[2] / "driver_sdk/examples/nodejs/src/main.js"

# The story asks for this VLAN, and drivers that judge refuse it.
RESERVED_VLAN = 7


@dataclass(frozen=True, slots=True)
class Subject:
    """One driver: its command for an address, the variables it wants, and whether an agent has to help it."""

    name: str
    command: Callable[[str], list[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    has_agent: bool = False
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Vendor attributes that a user sets at creation, by kind."""

    def process(self, socket: Path, log: Path) -> Process:
        """Describe the driver's process on *socket*."""
        listen = f"unix://{socket}"
        environment = {name: value.format(listen=listen) for name, value in self.environment.items()}
        return Process(self.name, self.command(listen), log=log, ready=accepts(socket), environment=environment)


def _loopback(listen: str) -> list[str]:
    states = ["--state-version", "2", "--attributes"]
    return [f"{BIN}/jackfield-loopback", "--listen", listen, "--reserved-vlan", str(RESERVED_VLAN), *states]


def _nodejs(listen: str) -> list[str]:
    return ["node", str(NODEJS), "--listen", listen, "--reserved-vlan", str(RESERVED_VLAN)]


def _ovs(_listen: str) -> list[str]:
    return [f"{BIN}/jackfield-ovs", "driver"]


SUBJECTS = {
    subject.name: subject
    for subject in (
        Subject("loopback", _loopback, attributes={"network": {"loopback:colour": "red"}}),
        Subject("nodejs", _nodejs, attributes={"port": {"nodejs:queue": 3}}),
        Subject("ovs", _ovs, {"JACKFIELD_DRIVER_LISTEN": "{listen}"}, has_agent=True),
    )
}


def in_release(subject: Subject, path: str) -> Subject:
    """Return *subject* as it is in a release that lies on this Python path."""
    program = Path(subject.command("")[0]).name
    module = {"jackfield-loopback": "jackfield_sdk.examples.loopback"}[program]
    return replace(
        subject,
        command=lambda listen: [sys.executable, "-m", module, *subject.command(listen)[1:]],
        environment={**subject.environment, "PYTHONPATH": path},
    )
