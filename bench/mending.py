"""How long machines do not reach each other when somebody breaks what is below them: the agent mends it unasked.

On a host with Open vSwitch, ovs-vswitchd is killed and started again; on one with Linux bridge, the network's
bridge is deleted by hand. A machine pings one on another host every 10 ms; the longest time without an answer,
the restart itself included, is what counts.
"""

import sys
from collections.abc import Callable, Sequence

from e2e.lab.cloud import Cloud
from e2e.lab.control_plane import LINUX_BRIDGE, OVS
from e2e.lab.host import Host
from e2e.lab.lab import missing_requirements
from e2e.lab.machine import Machine
from jackfield_linuxbridge.layout import bridge_name

from bench.overhead import Figure

_LIMIT = 3.0
"""Seconds."""


def measure(*, rounds: int) -> list[Figure]:
    """Return the figures of *rounds* on each kind of host."""
    if missing := missing_requirements():
        print(f"mending: skipped, because this machine lacks {', '.join(missing)}", file=sys.stderr)
        return []
    with Cloud(hosts=2, drivers=[OVS]) as cloud:
        restarts = _interruptions(cloud, lambda _network: _restart_switch(cloud.lab.hosts[0]), rounds)
    with Cloud(hosts=0, bridge_hosts=2, drivers=[LINUX_BRIDGE]) as cloud:
        namespace = cloud.lab.bridge_hosts[0].namespace
        deletions = _interruptions(cloud, lambda network: namespace.ip("link", "delete", bridge_name(network)), rounds)
    return [
        Figure("ovs: no traffic when ovs-vswitchd restarts", "s", _LIMIT, restarts),
        Figure("linuxbridge: no traffic when its bridge is deleted", "s", _LIMIT, deletions),
    ]


def _restart_switch(host: Host) -> None:
    host.switch.switch.kill()
    host.switch.switch.start()


def _interruptions(cloud: Cloud, disturb: Callable[[str], object], rounds: int) -> list[float]:
    """Return for each round the longest time in seconds without an answer."""
    network = cloud.network("blue", "10.0.0.0/24")
    one, two = (cloud.boot(host.name, network, host) for host in cloud.lab.all_hosts)
    return [_interruption(one, two, lambda: disturb(network["id"])) for _ in range(rounds)]


def _interruption(one: Machine, two: Machine, disturb: Callable[[], object]) -> float:
    with one.pinging(two.address) as ping:
        disturb()
        one.wait_for_ping(two.address, timeout=60)
        report = ping.stop()
    return _longest(report.lost) * report.interval


def _longest(numbers: Sequence[int]) -> int:
    """Return how many of *numbers* follow each other at most."""
    longest = run = 0
    before = None
    for number in numbers:
        run = run + 1 if before is not None and number == before + 1 else 1
        longest, before = max(longest, run), number
    return longest
