"""What a killed run leaves behind is removed: its processes, its namespaces, its folders.

A process that is killed cleans up nothing. So whoever starts something for a test calls `watch`
first. From then on the variable `MARKER` says who answers for what is started, and all that is
started inherits it; namespaces and folders say it in their names (`owned`). `watch` also starts a
second process, the reaper, with a pipe that only the first one writes to. The pipe ends when the
first one does, in whatever way that happens, and then the reaper removes what is left. Where the
reaper was killed as well, the next `watch` removes what belongs to processes that are gone.

The kernel can end a child with its parent (PR_SET_PDEATHSIG). But it takes for the parent the
thread that started the child, and tests start processes from threads that end long before them;
and neither namespaces nor folders have a parent.

The reaper runs this file as a script, so the file imports nothing of ours.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

MARKER = "JFTEST_OWNER"
ROOT = Path("/tmp")  # Not TMPDIR: a Unix socket's name has room for 107 bytes.
_OWNED = re.compile(r"jf[a-z]+-(\d+)-.+")
_PATIENCE = 120.0  # Seconds until processes that do not end are left alone.
_reapers: list[subprocess.Popen[bytes]] = []
"""Keeps the pipe open as long as this process lives."""


def watch() -> None:
    """See to it that nothing is left of what this process starts from now on, once it has ended.

    Only the first call does something. It also removes what processes that are gone have left.
    """
    owner = str(os.getpid())
    if os.environ.get(MARKER) == owner:
        return
    sweep()
    # The reaper belongs to nobody: whoever ends this process and all that it has started leaves it alone.
    os.environ.pop(MARKER, None)
    reaper = subprocess.Popen(
        [sys.executable, "-I", __file__, owner],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    _reapers.append(reaper)
    os.environ[MARKER] = owner


def owned(kind: str) -> str:
    """Return how the name of a namespace or folder of this process begins: ``jf<kind>-<process id>-``.

    Namespaces of the network and folders in `ROOT` with such names are removed with their owner.
    """
    watch()
    return f"jf{kind}-{os.getpid()}-"


def process_id() -> int:
    """Return the id of the reaper of this process, which watches."""
    return _reapers[-1].pid


def sweep() -> None:
    """Remove what is left of processes that are gone.

    A process id that was given to somebody else meanwhile counts as alive: better to leave
    something behind than to take down what is in use.
    """
    names = [*_namespaces(), *(path.name for path in ROOT.glob("jf*"))]
    owners = {int(match[1]) for name in names if (match := _OWNED.fullmatch(name))}
    owners |= {owner for _, owner in _marked_processes()}
    for owner in owners:
        if not Path("/proc", str(owner)).exists():
            remove(owner)


def remove(owner: int) -> None:
    """Remove what is left of the process *owner*; nothing left is fine."""
    folders = [path for path in ROOT.glob(f"jf*-{owner}-*") if _OWNED.fullmatch(path.name)]
    _end_databases(folders)
    _end_processes(owner)
    for namespace in _namespaces():
        if (match := _OWNED.fullmatch(namespace)) and int(match[1]) == owner:
            # Two sweeps may meet here; the loser finds it gone.
            _output("ip", "netns", "delete", namespace)
    for folder in folders:
        _unmount(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _end_databases(folders: list[Path]) -> None:
    """End PostgreSQL servers: they run under another account, and overwrite their environment."""
    servers = [pid for folder in folders if (pid := _database_server(folder))]
    for pid in servers:
        with suppress(OSError):
            # An immediate shutdown takes the server's shared memory along, which SIGKILL would not.
            os.kill(pid, signal.SIGQUIT)
    _wait_until(lambda: not any(map(_runs, servers)))


def _database_server(folder: Path) -> int | None:
    try:
        pid = int((folder / "data" / "postmaster.pid").read_text().split()[0])
        # Process ids are reused: end only what runs on this very folder.
        return pid if str(folder).encode() in Path("/proc", str(pid), "cmdline").read_bytes() else None
    except (OSError, ValueError, IndexError):
        return None


def _end_processes(owner: int) -> None:
    def are_gone() -> bool:
        # Again and again: a process may have started another one before it was ended.
        left = [pid for pid, whose in _marked_processes() if whose == owner and pid != os.getpid()]
        for pid in left:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        return not left

    _wait_until(are_gone)


def _marked_processes() -> Iterator[tuple[int, int]]:
    """Return the ids of processes and of those who answer for them."""
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        # Processes end while we look, and those of other users are none of ours. Of one that has ended and
        # was not waited for, the environment is empty.
        with suppress(OSError, ValueError):
            for variable in (process / "environ").read_bytes().split(b"\0"):
                if variable.startswith(f"{MARKER}=".encode()):
                    yield int(process.name), int(variable.partition(b"=")[2])


def _runs(pid: int) -> bool:
    try:
        return Path("/proc", str(pid), "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (OSError, IndexError):
        return False


def _namespaces() -> list[str]:
    # Lines read "name" or "name (id: 3)".
    return [line.split()[0] for line in _output("ip", "netns", "list").splitlines() if line.strip()]


def _unmount(folder: Path) -> None:
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for point in points:
        if point.startswith(f"{folder}/"):
            _output("umount", "--lazy", point)


def _output(*command: str) -> str:
    """Return what a command prints; nothing where there is no such program."""
    try:
        return subprocess.run(command, check=False, capture_output=True, text=True).stdout
    except FileNotFoundError:
        return ""


def _wait_until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + _PATIENCE
    while not condition() and time.monotonic() < ends:
        time.sleep(0.02)


def main() -> None:
    """Wait for the end of the owner, whose process id is the argument, and remove what is left of it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    remove(int(sys.argv[1]))


if __name__ == "__main__":
    main()
