"""The kernel to boot: Debian's package unpacked into a folder, never installed on this machine."""

import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
UNPACKED = CHECKOUT / ".tools/vm"
EMULATOR = "qemu-system-x86_64"
FILE_SERVER = Path("/usr/lib/qemu/virtiofsd")
# What reads the root: the bus, the file system of the host, and the layer over it.
FIRST_MODULES = ("virtio_pci", "virtiofs", "overlay")


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kernel with its modules, and a static busybox, below *root*."""

    root: Path
    release: str
    """As ``uname -r`` will print it."""

    @property
    def image(self) -> Path:
        """The compressed kernel."""
        return self.root / "boot" / f"vmlinuz-{self.release}"

    @property
    def all_modules(self) -> Path:
        """What ``/lib/modules`` has to show to load the rest from."""
        return self.root / "lib/modules"

    @property
    def busybox(self) -> Path:
        """A shell and its commands in one program that needs no library."""
        return self.root / "bin/busybox"

    def first_modules(self) -> list[Path]:
        """Return the files to load before the root can be mounted, in the order of loading."""
        order: dict[Path, None] = {}
        for module in FIRST_MODULES:
            show = ["modprobe", "-d", str(self.root), "-S", self.release, "--show-depends", module]
            lines = subprocess.run(show, check=True, capture_output=True, text=True).stdout.splitlines()
            order |= {Path(line.split()[1]): None for line in lines if line.startswith("insmod ")}
        return list(order)


def unpacked_kernel() -> Kernel | None:
    """Return the kernel that ``tools/vm`` unpacked, or None."""
    releases = sorted(path.name.removeprefix("vmlinuz-") for path in UNPACKED.glob("boot/vmlinuz-*"))
    return Kernel(UNPACKED, releases[-1]) if releases else None


def missing_requirements() -> list[str]:
    """Return what this machine lacks for a guest, in words; an empty list means that one can boot."""
    if platform.machine() != "x86_64":
        return [f"an x86_64 machine, not {platform.machine()}"]
    lacks = []
    if shutil.which(EMULATOR) is None or not FILE_SERVER.exists():
        lacks.append(f"{EMULATOR} and {FILE_SERVER} (Debian package qemu-system-x86)")
    if unpacked_kernel() is None:
        lacks.append(f"a kernel in {UNPACKED.relative_to(CHECKOUT)} (tools/vm unpacks it)")
    return lacks
