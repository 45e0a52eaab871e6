"""A virtual machine's place in the network: a namespace with one interface, plugged into a host.

The interface gets what a guest would get from its port: MAC address, fixed IPs, MTU. Of a real
machine only the computer is missing.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Self

from e2e.lab.capture import Capture
from e2e.lab.commands import CommandFailed
from e2e.lab.host import Hypervisor
from e2e.lab.names import Names, tap_name
from e2e.lab.namespace import Namespace
from e2e.lab.ping import BackgroundPing
from support.waiting import wait_until

INTERFACE = "eth0"


@dataclass(frozen=True, slots=True)
class Vif:
    """What a machine's interface must look like."""

    port_id: str
    mac_address: str
    addresses: tuple[str, ...]
    """With prefix length, ``10.0.0.5/24``."""
    mtu: int

    @classmethod
    def of_port(cls, port: Mapping[str, Any], subnets: Iterable[Mapping[str, Any]], *, mtu: int) -> Self:
        """Read it from a port and its network's subnets as the API shows them; *mtu* is the network's."""
        prefix_lengths = {subnet["id"]: ip_network(subnet["cidr"]).prefixlen for subnet in subnets}
        addresses = [f"{ip['ip_address']}/{prefix_lengths[ip['subnet_id']]}" for ip in port["fixed_ips"]]
        return cls(port["id"], port["mac_address"], tuple(addresses), mtu)


class Machine:
    """One machine on a host; its interface exists and is plugged in from the start."""

    def __init__(self, name: str, host: Hypervisor, vif: Vif, names: Names) -> None:
        self.name = name
        self.host = host
        self.vif = vif
        self.namespace = Namespace(names.namespace(f"machine-{name}"))
        self._log_directory = names.run_directory
        self._pings = 0
        self._make_interface()
        host.plug(vif.port_id, vif.mac_address)

    @property
    def address(self) -> str:
        """The first IP address, without prefix length."""
        return self.vif.addresses[0].partition("/")[0]

    def address_of(self, ip_version: int) -> str:
        """Return the IP address of a version, 4 or 6."""
        return next(
            ip for ip in (vif.partition("/")[0] for vif in self.vif.addresses) if (":" in ip) == (ip_version == 6)
        )

    def ping(self, address: str, *, size: int = 56, timeout: float = 1.0) -> bool:
        """Send one unfragmented ping of *size* bytes of payload; tell whether a reply came within *timeout* seconds."""
        try:
            self.namespace.run("ping", "-n", "-c", "1", "-W", f"{timeout:g}", "-M", "do", "-s", str(size), address)
        except CommandFailed:
            return False
        return True

    def wait_for_ping(self, address: str, *, size: int = 56, timeout: float = 60.0) -> None:
        """Ping, unfragmented, with *size* bytes of payload until a reply comes.

        Raises:
            TimeoutError: None came within *timeout* seconds.

        """
        what = f"a ping of {size} bytes from {self.name} to {address}"
        # First the way may be missing, and then it may be slow.
        patience = itertools.chain(itertools.repeat(0.5, 10), itertools.repeat(5.0))
        wait_until(lambda: self.ping(address, size=size, timeout=next(patience)), what=what, timeout=timeout)

    def wait_for_silence(self, address: str, *, timeout: float = 60.0) -> None:
        """Ping until three in a row get no reply.

        Raises:
            TimeoutError: Replies still came after *timeout* seconds.
        """
        what = f"silence between {self.name} and {address}"
        wait_until(lambda: not any(self.ping(address, timeout=0.3) for _ in range(3)), what=what, timeout=timeout)

    def change_mac_address(self, mac_address: str) -> None:
        """Send from another MAC address from now on, as only a liar would."""
        self.namespace.ip("link", "set", INTERFACE, "address", mac_address)

    def pinging(self, address: str, *, interval: float = 0.01) -> BackgroundPing:
        """Ping *address* every *interval* seconds while the block runs; its `stop` reports lost packets.

        It waits for a first single ping, so that the account does not begin with ARP's.
        """
        self.wait_for_ping(address)
        self._pings += 1
        log = self._log_directory / f"{self.name}-ping-{self._pings}.log"
        return BackgroundPing(self.namespace, address, interval=interval, log=log)

    def capture(self, expression: str) -> Capture:
        """Look at the frames that this machine sends and receives."""
        log = self._log_directory / f"{self.name}-capture.log"
        return Capture(self.namespace, INTERFACE, expression, log=log, environment={})

    def remove(self) -> None:
        """Unplug the machine and delete it."""
        self.host.unplug(self.vif.port_id)
        self.namespace.remove()

    def _make_interface(self) -> None:
        device = tap_name(self.vif.port_id)
        host_end = ["link", "add", device, "netns", self.host.namespace.name, "type", "veth"]
        machine_end = ["peer", "name", INTERFACE, "address", self.vif.mac_address, "netns", self.namespace.name]
        self.namespace.ip(*host_end, *machine_end)
        self.host.namespace.ip("link", "set", device, "mtu", str(self.vif.mtu), "up")
        self.namespace.ip("link", "set", INTERFACE, "mtu", str(self.vif.mtu), "up")
        for address in self.vif.addresses:
            # Nobody answers duplicate address detection before the port is wired: the address would wait for it.
            detection = ["nodad"] if ":" in address else []
            self.namespace.ip("address", "add", address, "dev", INTERFACE, *detection)
        # A veth leaves checksums to a network card that never comes. The user-space switch
        # passes such frames on as they are, and TCP and UDP fail in silence.
        self.namespace.run("ethtool", "-K", INTERFACE, "tx", "off")
