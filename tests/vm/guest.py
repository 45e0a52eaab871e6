"""Run one command in a guest: boot, run, power off, within a deadline, and leave no process.

A file server (virtiofsd) shows the guest this machine's files; qemu emulates the machine. Both
die with this process even when it is killed, because the kernel is asked to see to it.
"""

import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from support.reaper import owned
from support.waiting import wait_until

from vm.initramfs import STATUS, archive
from vm.kernel import EMULATOR, FILE_SERVER, Kernel

MEMORY = "1536M"
PROCESSORS = 2
LATE = 124  # as timeout(1) says it
NO_STATUS = 125


def run_in_guest(
    kernel: Kernel, command: Sequence[str], *, directory: Path, environment: Mapping[str, str], deadline: float
) -> int:
    """Run *command*, show what it prints as it prints it, and return its exit status.

    `LATE` means that it did not end within *deadline* seconds from now, and `NO_STATUS` that the
    guest ended without one, for example because it did not boot.
    """
    ends = time.monotonic() + deadline
    with tempfile.TemporaryDirectory(prefix=owned("vm")) as name, ExitStack() as stack:
        work = Path(name)
        (work / "initramfs").write_bytes(archive(kernel, command, directory, environment))
        files = stack.enter_context(_running(_file_server(work / "root.sock"), quiet=True))
        wait_until((work / "root.sock").exists, what=f"virtiofsd, status {files.poll()}")
        machine = stack.enter_context(_running(_machine(kernel, work)))
        try:
            machine.wait(max(0.0, ends - time.monotonic()))
        except subprocess.TimeoutExpired:
            return LATE
        return _status(work / "status")


def _status(file: Path) -> int:
    _, found, number = file.read_text().partition(STATUS)
    return int(number) if found else NO_STATUS


@contextmanager
def _running(command: Sequence[str], *, quiet: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    output = subprocess.DEVNULL if quiet else None
    mortal = ["setpriv", "--pdeathsig", "KILL", *command]
    process = subprocess.Popen(mortal, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _file_server(socket: Path) -> list[str]:
    # Nothing changes the files while the guest reads them: it may keep what it has read.
    options = ["-o", "source=/", "-o", "cache=always", "-o", "sandbox=chroot", "--thread-pool-size=0"]
    return [str(FILE_SERVER), f"--socket-path={socket}", *options]


def _machine(kernel: Kernel, work: Path) -> list[str]:
    # Namespaces come and go, and each time the kernel would wait for all processors in turn.
    arguments = (
        "console=ttyS0 panic=-1 quiet loglevel=1 mitigations=off nokaslr no_timer_check rcupdate.rcu_expedited=1"
    )
    return [
        *(EMULATOR, "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "qemu64"),
        *("-smp", str(PROCESSORS), "-m", MEMORY, "-nodefaults", "-no-user-config", "-no-reboot"),
        *("-display", "none", "-serial", "stdio", "-serial", f"file:{work / 'status'}"),
        *("-kernel", str(kernel.image), "-initrd", str(work / "initramfs"), "-append", arguments),
        # The guest's 10.0.2.2 is this machine's 127.0.0.1.
        *("-netdev", "user,id=card,ipv6=off", "-device", "virtio-net-pci,netdev=card"),
        # The file server reads and writes the guest's memory, so both have to map it.
        *("-object", f"memory-backend-memfd,id=memory,size={MEMORY},share=on", "-numa", "node,memdev=memory"),
        *("-chardev", f"socket,id=root,path={work / 'root.sock'}"),
        *("-device", "vhost-user-fs-pci,queue-size=1024,chardev=root,tag=root"),
    ]
