"""What a killed run of tests has started does not outlive it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import killed_run
from support.postgres import PostgresServer
from support.processes import Process
from support.waiting import wait_until

pytestmark = pytest.mark.skipif(shutil.which("ip") is None, reason="needs ip")

Told = dict[str, Any]
PATHS = {"PYTHONPATH": os.pathsep.join(sys.path)}
WATCH = "from support.reaper import watch; watch()"


@pytest.fixture
def run(tmp_path: Path, postgres: PostgresServer) -> Iterator[Process]:
    """Start a run of tests; return once it has one of everything that could be left behind, PostgreSQL included."""
    told = tmp_path / "told"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", killed_run.__file__]
    environment = PATHS | {killed_run.TOLD: str(told)}
    log, ready = tmp_path / "log", lambda _: told.exists()
    with Process("run", command, log=log, ready=ready, timeout=180, environment=environment) as started:
        yield started


@pytest.fixture
def told(run: Process, tmp_path: Path) -> Told:
    """What the run has, all of which is there."""
    told: Told = json.loads((tmp_path / "told").read_text())
    assert len(left(told)) == sum(len(told[kind]) for kind in ("processes", "folders", "namespaces"))
    return told


def left(told: Told) -> list[object]:
    """Return what is there of it."""
    namespaces = subprocess.check_output(["ip", "netns", "list"], text=True).split()
    return [
        *(pid for pid in told["processes"] if runs(pid)),
        *(folder for folder in told["folders"] if Path(folder).exists()),
        *(namespace for namespace in told["namespaces"] if namespace in namespaces),
    ]


def runs(pid: int) -> bool:
    """Return whether a process runs; one that has ended and that nobody waits for does not."""
    try:
        return "\nState:\tZ" not in Path("/proc", str(pid), "status").read_text()
    except OSError:
        return False


def test_killed_run_leaves_nothing(run: Process, told: Told) -> None:
    """Processes and their children, servers, namespaces and folders of a run that is killed are removed at once."""
    run.kill()

    wait_until(lambda: not left(told), what=lambda: f"{left(told)} to be gone")


def test_next_run_removes_what_a_killed_one_left(run: Process, told: Told) -> None:
    """Where nobody was left to clean up, whoever starts something next does it first."""
    os.kill(told["reaper"], signal.SIGKILL)
    wait_until(lambda: not runs(told["reaper"]), what="the end of the reaper")
    run.kill()

    subprocess.run([sys.executable, "-c", WATCH], check=True, timeout=120, env=os.environ | PATHS)

    # Somebody else may have been at it already, and be there still.
    wait_until(lambda: not left(told), what=lambda: f"{left(told)} to be gone")
