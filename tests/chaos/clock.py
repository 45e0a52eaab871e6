"""A wall clock that jumps, for one process: ``python -m chaos.clock FILE MODULE:FUNCTION ARGUMENTS…``.

The file holds how many seconds the clock of the process is wrong; whoever writes it makes the clock
jump at once. Only modules of ours read the wrong time. To shift it for the whole process (with a
preloaded library) would shift it for gRPC too, which asks the kernel to wait until a moment of the
kernel's own clock: its time-outs would break in a way that no real jump breaks them. The monotonic
clock never jumps, as in life.
"""

import importlib
import mmap
import struct
import sys
import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from types import ModuleType
from typing import Any

OURS = ("jackfield_core", "jackfield_sdk", "chaos")
_SECONDS = struct.Struct("d")


def write_offset(path: Path, seconds: float) -> None:
    """Make the clocks that follow *path* wrong by so many seconds."""
    if not path.exists():
        path.write_bytes(_SECONDS.pack(0.0))
    with path.open("r+b") as file:
        file.write(_SECONDS.pack(seconds))


class Offset:
    """How wrong the clock is, in seconds."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._memory = mmap.mmap(file.fileno(), _SECONDS.size, access=mmap.ACCESS_READ)

    @property
    def seconds(self) -> float:
        """Seconds to add to the right time."""
        return float(_SECONDS.unpack(self._memory[: _SECONDS.size])[0])


def main() -> None:
    """Run a program whose wall clock is wrong."""
    _, path, entry, *arguments = sys.argv
    module, _, function = entry.partition(":")
    # All modules have to be there before their clock is changed.
    program = importlib.import_module(module)
    shift(Offset(Path(path)))
    sys.argv = [module, *arguments]
    getattr(program, function)()


def shift(offset: Offset) -> None:
    """Give every module of ours that reads the time a wrong one."""
    shifted_time, shifted_datetime = _shifted_time(offset), _shifted_datetime(offset)
    for name, module in list(sys.modules.items()):
        if not name.startswith(OURS) or name == __name__:
            continue
        if getattr(module, "time", None) is time:
            module.time = shifted_time  # type: ignore[attr-defined]
        if getattr(module, "datetime", None) is datetime:
            module.datetime = shifted_datetime  # type: ignore[attr-defined]


def _shifted_time(offset: Offset) -> ModuleType:
    module = ModuleType("time")
    module.__dict__.update(time.__dict__)
    module.__dict__["time"] = lambda: time.time() + offset.seconds
    module.__dict__["time_ns"] = lambda: time.time_ns() + int(offset.seconds * 1e9)
    return module


def _shifted_datetime(offset: Offset) -> type[datetime]:
    class Meta(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, datetime)

    class Shifted(datetime, metaclass=Meta):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Any:
            return datetime.now(tz) + timedelta(seconds=offset.seconds)

    return Shifted


if __name__ == "__main__":
    main()
