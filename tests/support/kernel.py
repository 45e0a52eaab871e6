"""What the kernel of this machine can do, and which tests need more.

A test that needs a feature says so: ``@pytest.mark.kernel("vlan")``. Where the kernel lacks it,
the test is skipped and tells where it runs instead: in a guest with Debian's kernel (`vm`), which
runs just the tests that were skipped outside. Features are tried out, in a namespace of their own
that is gone at once, because names of modules and versions say little about a kernel.
"""

import functools
import os
import secrets
import subprocess

import pytest

from support.reaper import owned

# Each makes a device on a card called "card" that only a kernel with the feature makes.
FEATURES = {
    "vlan": "link add link card name probe type vlan id 5",
    "gretap": "link add probe type gretap local 192.0.2.1 remote 192.0.2.2 key 5",
    "vlan_filtering": "link add probe type bridge vlan_filtering 1",
    "openvswitch": "",
}
LACKED_OUTSIDE = "JACKFIELD_LACKED_OUTSIDE"
"""Variable of a guest: the features, divided by spaces, that the tests it was booted for need."""


@functools.cache
def lacking() -> frozenset[str]:
    """Return the features that this kernel does not have, or that this user may not use."""
    return frozenset(feature for feature, device in FEATURES.items() if not _has(feature, device))


def lacked_outside() -> frozenset[str]:
    """Return what the kernel around this guest lacks; nothing when this is no guest."""
    return frozenset(os.environ.get(LACKED_OUTSIDE, "").split())


def skip_or_choose(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip the tests that this kernel cannot run; in a guest, leave out those that run outside."""
    if outside := lacked_outside():
        chosen = [item for item in items if needs(item) & outside]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen
    for item in items:
        if missing := needs(item) & (lacking() if needs(item) else frozenset()):
            reason = f"this kernel has no {', '.join(sorted(missing))}; `make test-vm` runs it"
            item.add_marker(pytest.mark.skip(reason=reason))


def needs(item: pytest.Item) -> frozenset[str]:
    """Return the features that a test needs."""
    return frozenset(feature for mark in item.iter_markers("kernel") for feature in mark.args)


def _has(feature: str, device: str) -> bool:
    namespace = f"{owned('probe')}{secrets.token_hex(2)}"
    if not _succeeds("ip", "netns", "add", namespace):
        return False
    try:
        if feature == "openvswitch":
            return _succeeds("ip", "netns", "exec", namespace, "ovs-dpctl", "add-dp", "probe")
        _succeeds("ip", "-n", namespace, "link", "add", "card", "type", "veth", "peer", "name", "other")
        return _succeeds("ip", "-n", namespace, *device.split())
    finally:
        _succeeds("ip", "netns", "delete", namespace)


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        return False
