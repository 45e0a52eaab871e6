"""The most memory that a process had resident, since it was last asked."""

from pathlib import Path

_PEAK_IS_NOW = "5"
"""What resets the peak of resident memory, see proc(5) on ``clear_refs``."""


def resident(pid: int) -> int:
    """Return the bytes that *pid* has resident now."""
    return _kilobytes(pid, "VmRSS") * 1024


def peak(pid: int) -> int:
    """Return the most bytes that *pid* had resident since :func:`forget_peak`."""
    return _kilobytes(pid, "VmHWM") * 1024


def forget_peak(pid: int) -> None:
    """Let the peak of *pid* be what it has resident now."""
    Path(f"/proc/{pid}/clear_refs").write_text(_PEAK_IS_NOW)


def _kilobytes(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise ValueError(f"process {pid} has no {name}")
