"""Remove a lab by its name alone, whatever state an interruption has left it in.

A lab is found in three places: its namespaces, its run directory, and its processes, which all
carry the run directory in the variable `MARKER` of their environment. Nothing else is touched.
"""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from e2e.lab.commands import CommandFailed, run
from e2e.lab.namespace import existing
from support.reaper import ROOT
from support.waiting import wait_until

MARKER = "JFLAB_RUN_DIRECTORY"


def remove_lab(lab: str) -> None:
    """Remove what is left of the lab called *lab*; nothing left is fine."""
    _end_processes(lab)
    for namespace in _namespaces_of(lab):
        # Two sweeps may meet here; the loser finds it gone.
        with suppress(CommandFailed):
            run(["ip", "netns", "delete", namespace])
    shutil.rmtree(ROOT / lab, ignore_errors=True)


def leftovers(lab: str) -> list[str]:
    """Return what exists of *lab*, in words; an empty list means that it is gone."""
    found = [f"namespace {name}" for name in _namespaces_of(lab)]
    found += [f"process {pid}" for pid in _processes_of(lab)]
    return found + [str(path) for path in [ROOT / lab] if path.exists()]


def _namespaces_of(lab: str) -> list[str]:
    return sorted(name for name in existing() if name.startswith(f"{lab}-"))


def _end_processes(lab: str) -> None:
    for pid in _processes_of(lab):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not _processes_of(lab), what=f"the end of the processes of {lab}")


def _processes_of(lab: str) -> set[int]:
    pids = {pid for pid, directory in _marked_processes() if directory == str(ROOT / lab)}
    for namespace in _namespaces_of(lab):
        with suppress(CommandFailed):
            pids |= {int(pid) for pid in run(["ip", "netns", "pids", namespace]).split()}
    return {pid for pid in pids - {os.getpid()} if not _is_zombie(pid)}


def _marked_processes() -> Iterator[tuple[int, str]]:
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        # Processes end while we look, and those of other users are none of ours.
        with suppress(OSError):
            for variable in (process / "environ").read_bytes().split(b"\0"):
                if variable.startswith(f"{MARKER}=".encode()):
                    yield int(process.name), variable.partition(b"=")[2].decode()


def _is_zombie(pid: int) -> bool:
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (OSError, IndexError):
        return True
