"""A small virtual machine for the tests that this machine's kernel cannot run.

    make test-vm  →  python -m vm  →  qemu  →  pytest, only what is skipped outside

Kernels that run tests in the cloud often lack VLAN devices, GRE taps or Open vSwitch's datapath.
Debian's kernel has them all, so it is booted with qemu, its processor emulated, since a nested
machine can seldom use the real one. The guest's root is this machine's own file system, read
only, under a layer of memory: the same Python, the same packages and the same checkout are at the
same paths, and what the guest writes is gone with it.

An emulated processor takes twenty times as long, so as much as possible stays outside: one boot
runs a few tests, and the core and the drivers, which need nothing of a kernel, run on this
machine. The guest's network card reaches this machine's loopback and nothing else; agents,
switches and machines are in the guest, in namespaces, as they are outside.

`kernel` finds what to boot, `initramfs` is the first program of the guest, `guest` runs a command
in it, and ``python -m vm`` chooses the tests.
"""
