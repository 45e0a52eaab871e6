"""Every driver of the project conforms, run as an operator runs it and judged as a vendor is.

The one for Arista EOS needs switches, and is judged where those are: `drivers/arista/tests/driving`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from jackfield_sdk.examples.loopback import hands
from support import nodejs
from support.reaper import owned

_OVS_PARAMS = """
agent_required = true
physical_networks = ["datacentre"]

[[hosts]]
name = "compute-1"
configurations = { integration_bridge = "br-int", datapath_type = "system" }
"""

_LINUXBRIDGE_PARAMS = """
agent_required = true
physical_networks = ["datacentre"]

[[hosts]]
name = "compute-1"
configurations = { vif_type = "tap" }
"""


@dataclass(frozen=True)
class Driver:
    """A command that serves a driver at {address}, and what must have been judged of it."""

    name: str
    command: str
    judged: frozenset[str]
    params: str = ""


IDENTITY = frozenset({"A1", "A4", "A9", "A10", "A11", "A12", "E3", "E8", "H1", "I1", "I5", "I6"})
ALL = frozenset({"B1", "C1", "C4", "C8", "C12", "C15", "C20", "D3", "G1", "G2", "G4", "G7"})

_HANDS = f"{sys.executable} {hands.__file__}"

DRIVERS = [
    Driver("loopback", "jackfield-loopback --listen {address}", IDENTITY | ALL),
    Driver(
        "loopback with attributes, states and a file",
        "jackfield-loopback --listen {address} --attributes --state-version 2 --no-wired --state-file fabric.db "
        "--backend leaf1 --backend leaf2",
        IDENTITY | ALL | {"E1", "E5", "F1", "F2", "G8", "G9", "H4"},
        f'change_command = "{_HANDS} change fabric.db {{kind}} {{id}}"\n'
        f'remove_command = "{_HANDS} remove fabric.db {{kind}} {{id}}"\n',
    ),
    Driver(
        "ovs",
        "env JACKFIELD_DRIVER_LISTEN={address} jackfield-ovs driver",
        IDENTITY | {"D1", "D3", "D5", "D10"},
        _OVS_PARAMS,
    ),
    Driver(
        "nodejs",
        f"node {nodejs.EXAMPLE}/src/main.js --listen {{address}} --state-file nodejs.json --heartbeat-interval 1 "
        "--reserved-vlan 7 --network-type vlan --network-type vxlan",
        IDENTITY | ALL | {"B4", "D2", "E1", "E5", "F1", "F2", "H4"},
        (nodejs.EXAMPLE / "conformance.toml").read_text(),
    ),
    Driver(
        "linuxbridge",
        "env JACKFIELD_DRIVER_LISTEN={address} jackfield-linuxbridge driver",
        IDENTITY | {"D1", "D3", "D5", "D10"},
        _LINUXBRIDGE_PARAMS,
    ),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose paths are short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix=owned("conf")) as name:
        yield Path(name)


@pytest.mark.slow
@pytest.mark.timeout(500)
@pytest.mark.parametrize("driver", DRIVERS, ids=lambda driver: driver.name)
def test_the_driver_conforms(driver: Driver, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No rule is broken, and those that the driver is there for were judged."""
    if driver.name == "nodejs":
        nodejs.require()
    # Heartbeats that come sooner save every run the wait for one.
    monkeypatch.setenv("JACKFIELD_DRIVER_HEARTBEAT_INTERVAL", "1")
    address = f"unix://{folder}/driver.sock"
    params, report = folder / "params.toml", folder / "report.json"
    params.write_text(driver.params)
    command = ["jackfield-conformance", "--endpoint", address, "--command", driver.command.format(address=address)]
    command += ["--params", str(params), "--json", str(report), "--examples", "5"]

    ended = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=480)

    assert ended.returncode == 0, ended.stdout + ended.stderr
    cases = json.loads(report.read_text())["cases"]
    passed = {case["rule"] for case in cases if case["status"] == "passed"}
    assert driver.judged - passed == set()
    assert all(case["reason"] for case in cases if case["status"] == "skipped")
