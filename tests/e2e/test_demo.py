"""The demo tells the truth: it succeeds whole, succeeds in part, and fails when a claim is false."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from e2e.lab.control_plane import PROGRAMS
from support.netconf import missing_requirements

ROOT = Path(__file__).parents[2]
# Two dozen runs of a client that takes seconds to start on a busy machine.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def run_demo(environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the demo as `make demo` does, with *environment* on top."""
    return subprocess.run(
        [sys.executable, "-m", "demo"],
        check=False,
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=880,
        env=os.environ | {"PYTHONPATH": "tests"} | dict(environment),
    )


@pytest.mark.usefixtures("requirements")
def test_demo_tells_the_whole_story() -> None:
    """With root, Open vSwitch and a server for NETCONF the demo leaves nothing out and ends with status 0."""
    if lacks := missing_requirements():
        pytest.skip(f"needs {' and '.join(lacks)}")
    demo = run_demo({})

    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "blue-3 on host-1 reaches blue-2 on host-2" in demo.stdout
    assert "leaf-2 carries VLAN 142 on Ethernet1" in demo.stdout
    assert "frames between the hosts carry VLAN 142" in demo.stdout
    assert "leaf-2 is configured as it was, to the byte" in demo.stdout
    assert "left out" not in demo.stdout.lower()


def test_demo_without_open_vswitch_says_what_it_left_out() -> None:
    """Where no lab can run the demo tells the rest of the story and names what is missing."""
    demo = run_demo({"PATH": str(PROGRAMS)})

    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert "3 ports of blue are ACTIVE" in demo.stdout
    assert "Left out: a ping from blue-1 to blue-2." in demo.stdout
    assert "openvswitch-switch" in demo.stdout


def test_demo_fails_when_a_claim_is_false() -> None:
    """A core that gives networks of another type than the demo claims ends it with status 1 and the logs."""
    demo = run_demo({"PATH": str(PROGRAMS), "JACKFIELD_SEGMENTS__PROJECT_NETWORK_TYPES": '["local"]'})

    assert demo.returncode == 1
    assert "The demo failed: nobody asked for a type: it is VXLAN: not so." in demo.stderr
    assert "driver-fabric.log:" in demo.stderr
