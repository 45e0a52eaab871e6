"""What runs in the guest, and what runs around it."""

import compileall
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from e2e.lab.control_plane import LINUX_BRIDGE, OVS, ControlPlane
from e2e.lab.outside import API, NODES
from support.kernel import LACKED_OUTSIDE, lacking
from support.ports import free_port
from support.reaper import owned

from vm.guest import run_in_guest
from vm.kernel import CHECKOUT, Kernel

AROUND_THE_GUEST = "10.0.2.2"
SOURCES = ("proto/python", "driver_sdk/src", "drivers/*/src", "tests/e2e/lab", "tests/support")
FOLDERS = ("tests/e2e", "drivers/linuxbridge/tests", "drivers/ovs/tests")


def run_tests(kernel: Kernel, *, deadline: float) -> int:
    """Run what was skipped outside, with a core and drivers around the guest; return pytest's status."""
    compile_sources()
    with tempfile.TemporaryDirectory(prefix=owned("vm")) as directory:
        nodes = f"127.0.0.1:{free_port()}"
        with ControlPlane(Path(directory), [OVS, LINUX_BRIDGE], nodes=nodes, agent_down_time=120) as control_plane:
            settings = {
                LACKED_OUTSIDE: " ".join(sorted(lacking())),
                API: _seen_from_inside(control_plane.url),
                NODES: _seen_from_inside(nodes),
                "JACKFIELD_LAB_DATAPATH": "system",
                # The other plugins serve other tests, and take seconds to import.
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
                # Emulation costs a factor of twenty, and other work on this machine comes on top.
                "JACKFIELD_TEST_PATIENCE": "20",
            }
            pytest = ["python", "-m", "pytest", "-v", "-p", "pytest_timeout", f"--timeout={deadline:g}"]
            return run_command(kernel, [*pytest, *test_files()], deadline=deadline, settings=settings)


def run_command(
    kernel: Kernel, command: Sequence[str], *, deadline: float, settings: Mapping[str, str] | None = None
) -> int:
    """Run *command* with what runs here: the same Python, packages and checkout; return its status."""
    programs = Path(sys.executable).parent
    environment = {
        "PATH": f"{programs}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": os.environ.get("PYTHONPATH", str(CHECKOUT / "tests")),
    } | dict(settings or {})
    return run_in_guest(kernel, command, directory=CHECKOUT, environment=environment, deadline=deadline)


def compile_sources() -> None:
    """Have the bytecode of our own modules: an emulated processor would compile for a minute, and at every boot."""
    for folder in SOURCES:
        for path in CHECKOUT.glob(folder):
            compileall.compile_dir(path, quiet=2)


def test_files() -> list[str]:
    """Return the files with tests that ask something of the kernel; reading them is quicker than collecting all."""
    files = [path for folder in FOLDERS for path in sorted((CHECKOUT / folder).rglob("test_*.py"))]
    return [str(path.relative_to(CHECKOUT)) for path in files if "mark.kernel(" in path.read_text()]


def _seen_from_inside(address: str) -> str:
    return address.replace("127.0.0.1", AROUND_THE_GUEST)
