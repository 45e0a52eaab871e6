"""The network between the hosts: one switch that passes every frame, tagged or not.

A plain kernel bridge in a namespace of its own. It filters no VLAN, so it is a trunk to every
host, and tunnel packets cross it as ordinary IP.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from e2e.lab.names import Names
from e2e.lab.namespace import Namespace

BRIDGE = "sw0"
# Room for an overlay of 1500 bytes: a test that lowers MTUs does so on its networks.
MTU = "1600"


class Cabling(Protocol):
    """What hosts are plugged into."""

    def connect(self, host: Namespace, number: int, *, card: str = "uplink") -> str:
        """Run a cable to host *number* and return the name of the interface on the host's side."""


class Underlay:
    """The switch that all hosts of a lab are connected to."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self.namespace = Namespace(names.namespace("underlay"))
        self.namespace.ip("link", "add", BRIDGE, "type", "bridge", "stp_state", "0", "forward_delay", "0")
        self.namespace.ip("link", "set", BRIDGE, "mtu", MTU, "up")

    def connect(self, host: Namespace, number: int, *, card: str = "uplink") -> str:
        """Run a cable to *host* and return the name of the interface on the host's side."""
        uplink, port = self._names.interface(card), self.cable(number)
        ends = ["link", "add", uplink, "netns", host.name, "type", "veth", "peer", "name", port]
        self.namespace.ip(*ends, "netns", self.namespace.name)
        self.namespace.ip("link", "set", port, "mtu", MTU, "master", BRIDGE, "up")
        host.ip("link", "set", uplink, "mtu", MTU, "up")
        return uplink

    def cable(self, number: int) -> str:
        """Return the name of the switch's interface for host *number*."""
        return self._names.interface(f"host{number}")

    def cut(self, number: int) -> None:
        """Pull the cable of a host."""
        self.namespace.ip("link", "set", self.cable(number), "down")

    def mend(self, number: int) -> None:
        """Plug the cable of a host in again."""
        self.namespace.ip("link", "set", self.cable(number), "up")

    @contextmanager
    def trunk(self, numbers: Iterable[int], *, vlans: Sequence[int]) -> Iterator[None]:
        """Drop every tagged frame but those of *vlans* on the cables of hosts *numbers* while the block runs."""
        allowed = [("dev", self.cable(number), "vid", str(vlan)) for number in numbers for vlan in vlans]
        self.namespace.ip("link", "set", BRIDGE, "type", "bridge", "vlan_filtering", "1")
        for entry in allowed:
            self.namespace.run("bridge", "vlan", "add", *entry)
        try:
            yield
        finally:
            for entry in allowed:
                self.namespace.run("bridge", "vlan", "del", *entry)
            self.namespace.ip("link", "set", BRIDGE, "type", "bridge", "vlan_filtering", "0")

    def remove(self) -> None:
        """Delete the switch and the cables."""
        self.namespace.remove()
