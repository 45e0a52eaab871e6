"""The driver conforms, on a switch with a real NETCONF server; run as an operator runs it."""

from __future__ import annotations

import json
import subprocess
import sys

import by_hand
import pytest
from arista_site import Site
from support.netconf.switch import NetconfSwitch, missing_requirements

pytestmark = pytest.mark.skipif(bool(missing_requirements()), reason=", ".join(missing_requirements()))

# Ports with VLANs on trunks. The suite binds what it is told to bind, and VLANs on hypervisors are bound
# by the drivers of their agents: binding is judged on a tunnel network.
PARAMS = """
owned_kinds = ["port"]
physical_networks = ["leaf1"]
network_types = ["{network_type}"]
rejected = {{ vlan = 1999 }}
change_command = "{hand} change {{id}} {memory} {switch}"
remove_command = "{hand} remove {{id}} {memory} {switch}"
"""

CASES = {
    "vlan": ("A,B,C,E,F,G,H,I", "A13 B1 B4 C1 C4 C8 C12 C15 C20 G1 G4 G7 G8 G9"),
    "vxlan": ("D", "D1 D3 D5 D6 D9"),
}


@pytest.mark.slow
@pytest.mark.timeout(1000)
@pytest.mark.parametrize("network_type", CASES)
def test_the_driver_conforms(network_type: str, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """No rule is broken, also when the driver is killed between an edit and its commit."""
    only, judged = CASES[network_type]
    switch = site.netconfd(ports=["Ethernet1", "Ethernet2", "Ethernet3"], reserved_vlans="1999")
    site.attach("conformance-host", "leaf1", "Ethernet1", "Ethernet2")
    site.write()
    before = switch.running()

    ended, cases = run(site, switch, network_type, only, monkeypatch)

    assert ended.returncode == 0, ended.stdout[-8000:] + ended.stderr[-8000:]
    passed = {case["rule"] for case in cases if case["status"] == "passed"}
    assert set(judged.split()) - passed == set()
    assert switch.running() == before


def run(
    site: Site, switch: NetconfSwitch, network_type: str, only: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[subprocess.CompletedProcess[str], list[dict[str, str]]]:
    address, report = f"unix://{site.folder}/driver.sock", site.folder / "report.json"
    params = site.folder / "params.toml"
    told = ",".join(["leaf1", str(switch.port), switch.user, str(switch.key_file), f"'{switch.host_key}'"])
    memory = site.folder / "state" / "memory.db"
    hand = f"{sys.executable} {by_hand.__file__}"
    params.write_text(PARAMS.format(network_type=network_type, hand=hand, memory=memory, switch=told))
    for name, value in {
        "JACKFIELD_DRIVER_LISTEN": address,
        "JACKFIELD_DRIVER_HEARTBEAT_INTERVAL": "1",
        "JACKFIELD_ARISTA_INVENTORY": str(site.inventory_file),
        "JACKFIELD_ARISTA_STATE_DIRECTORY": str(site.folder / "state"),
        "JACKFIELD_ARISTA_RETRY_MIN": "0.1",
    }.items():
        monkeypatch.setenv(name, value)
    command = ["jackfield-conformance", "--endpoint", address, "--command", "jackfield-arista driver"]
    command += ["--params", str(params), "--json", str(report), "--examples", "3", "--only", only]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=site.folder, timeout=900)
    cases = json.loads(report.read_text())["cases"] if report.exists() else []
    return ended, cases
