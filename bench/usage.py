"""CPU time and memory of a process and its children, from the operating system."""

import os
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds since the start, and resident bytes now."""

    cpu: float
    resident: int


def of(pid: int) -> Usage:
    """Return what *pid* and its descendants have used."""
    cpu, resident = 0.0, 0
    for process in _tree(pid):
        try:
            fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
            pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        except OSError:
            continue
        cpu += sum(int(field) for field in fields[11:15]) / _TICK
        resident += pages * os.sysconf("SC_PAGE_SIZE")
    return Usage(cpu, resident)


def _tree(pid: int) -> list[int]:
    processes = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(child) for child in task.read_text().split()]
        except OSError:
            continue
        for child in children:
            processes.extend(_tree(child))
    return processes
