"""The guest's first root: a cpio archive with busybox, a few modules, and two scripts.

``/init`` loads the modules, mounts the machine's file system under a layer of memory, and hands
over to ``/.guest/run``, which makes the machine a place to work in, runs the command, and writes
its status to the second serial port. The kernel's document "initramfs buffer format" describes
the archive: headers of hexadecimal fields, names and contents padded to four bytes.
"""

import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from vm.kernel import Kernel

STATUS = "status="
_MAGIC = "070701"
_DIRECTORY, _PROGRAM, _FILE = 0o040755, 0o100755, 0o100644
_FOLDERS = ("bin", "proc", "dev", "modules", "below", "layer", "root")

_INIT = """\
#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t devtmpfs dev /dev
{insmod}
$b mount -t virtiofs -o ro root /below || {{ echo "vm: no root file system"; $b poweroff -f; }}
$b mount -t tmpfs layer /layer
$b mkdir /layer/upper /layer/work
$b mount -t overlay -o lowerdir=/below,upperdir=/layer/upper,workdir=/layer/work root /root
$b mkdir -p /root/.guest /root/lib/modules
$b cp /run.sh /root/.guest/run
$b cp /bin/busybox /root/.guest/busybox
$b mount -o bind /below{modules} /root/lib/modules
$b umount /dev /proc
exec $b switch_root /root /bin/sh /.guest/run
"""

_RUN = """\
#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TERM=dumb
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts
for folder in /dev/shm /run /tmp; do
    # What the tests are made of may lie there.
    case {directory}/:{python}/ in $folder/*|*:$folder/*) ;; *) mount -t tmpfs -o mode=1777 memory $folder ;; esac
done
hostname guest
ip link set lo up
# No default route: the machine around the guest is all that can be reached.
modprobe virtio_net
ip address add 10.0.2.15/24 dev eth0
ip link set eth0 up
{exports}
cd {directory}
{command}
echo "{status}$?" > /dev/ttyS1
/.guest/busybox poweroff -f
"""


def archive(kernel: Kernel, command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> bytes:
    """Return the archive that boots *kernel* and runs *command* in *directory* with *environment*."""
    modules = kernel.first_modules()
    entries = [(name, _DIRECTORY, b"") for name in _FOLDERS]
    entries.append(("bin/busybox", _PROGRAM, kernel.busybox.read_bytes()))
    entries += [(f"modules/{module.name}", _FILE, module.read_bytes()) for module in modules]
    entries.append(("init", _PROGRAM, _init(kernel, modules).encode()))
    entries.append(("run.sh", _PROGRAM, _run(command, directory, environment).encode()))
    return cpio(entries)


def cpio(entries: Sequence[tuple[str, int, bytes]]) -> bytes:
    """Return an archive of ``(path, mode, contents)``, folders before what is in them."""
    numbered = [*enumerate([*entries, ("TRAILER!!!", 0, b"")], start=1)]
    return b"".join(_entry(number, *entry) for number, entry in numbered)


def _entry(number: int, name: str, mode: int, contents: bytes) -> bytes:
    path = name.encode() + b"\0"
    # inode, mode, user, group, links, time, size, device twice two, length of the name, checksum
    fields = (number, mode, 0, 0, 1, 0, len(contents), 0, 0, 0, 0, len(path), 0)
    header = _MAGIC + "".join(f"{field:08x}" for field in fields)
    return _padded(header.encode() + path) + _padded(contents)


def _padded(part: bytes) -> bytes:
    return part + b"\0" * (-len(part) % 4)


def _init(kernel: Kernel, modules: Sequence[Path]) -> str:
    insmod = "\n".join(f"$b insmod /modules/{module.name}" for module in modules)
    return _INIT.format(insmod=insmod, modules=shlex.quote(str(kernel.all_modules)))


def _run(command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> str:
    exports = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in environment.items())
    return _RUN.format(
        exports=exports,
        directory=shlex.quote(str(directory)),
        python=shlex.quote(sys.prefix),
        command=shlex.join(command),
        status=STATUS,
    )
