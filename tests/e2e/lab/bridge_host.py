"""A hypervisor without Open vSwitch: a namespace with one network card, and nothing else yet.

    machine ── tap… ─ brq… ─ (what the agent builds) ── uplink ── underlay

The card does all jobs, as on a real host with only one: it carries the tunnel IP and is the
device of a physical network, untagged and tagged.
"""

from pathlib import Path

from e2e.lab.commands import run
from e2e.lab.host import PHYSICAL_NETWORK, Host
from e2e.lab.names import Names, tap_name
from e2e.lab.namespace import Namespace
from e2e.lab.underlay import Cabling


class BridgeHost:
    """One host for a Linux bridge agent; `start` connects it, `remove` takes everything away."""

    kind = "linuxbridge"
    tunnel_types: tuple[str, ...] = ("vxlan", "gre")

    def __init__(self, number: int, names: Names) -> None:
        """Make the namespace of host *number* (1 to 250)."""
        self.number = number
        self.name = f"host-{number}"
        self.physical_network = PHYSICAL_NETWORK
        self.tunnel_ip = f"10.99.0.{number}"
        self.directory = names.run_directory / self.name
        self.directory.mkdir()
        self.namespace = Namespace(names.namespace(self.name))

    def start(self, underlay: Cabling) -> None:
        """Connect the host to *underlay*."""
        self.uplink = underlay.connect(self.namespace, self.number)
        self.namespace.ip("address", "add", f"{self.tunnel_ip}/24", "dev", self.uplink)
        # The outer checksums of tunnels are left to a card that is none, and a user-space switch at
        # the other end drops what they do not fit.
        self.namespace.run("ethtool", "-K", self.uplink, "tx", "off")

    def plug(self, port_id: str, mac_address: str) -> str:
        """Return the interface of a port; where the compute service plugs a tap, making it is all it does."""
        return tap_name(port_id)

    def unplug(self, port_id: str) -> None:
        """Leave the interface alone: it goes with its machine."""

    def contents(self) -> set[str]:
        """Return what the host consists of in words: every device."""
        lines = run(["ip", "-n", self.namespace.name, "-brief", "link", "show"]).splitlines()
        return {f"{self.name}: device {line.split()[0].partition('@')[0]}" for line in lines}

    def log_files(self) -> list[Path]:
        """Return the logs of everything that ran on this host."""
        return sorted(self.directory.glob("*.log"))

    def remove(self) -> None:
        """Delete the namespace."""
        self.namespace.remove()


class SecondCard(BridgeHost):
    """A host with Open vSwitch seen by a Linux bridge agent beside it, with a card of its own.

    The card leads to the same physical network. Tunnels are left to Open vSwitch, because of two
    agents only one can have the tunnel IP.
    """

    tunnel_types = ()

    def __init__(self, host: Host) -> None:
        """Describe the other side of *host*; `start` plugs the card in."""
        self.number = host.number
        self.name = host.name
        self.physical_network = host.physical_network
        self.tunnel_ip = host.tunnel_ip
        self.directory = host.directory
        self.namespace = host.namespace

    def start(self, underlay: Cabling) -> None:
        """Run a second cable to *underlay*."""
        self.uplink = underlay.connect(self.namespace, 100 + self.number, card="second")

    @property
    def uplink_is_free(self) -> bool:
        """Whether the card is a port of no bridge."""
        return "master" not in self.namespace.ip("link", "show", self.uplink)

    def remove(self) -> None:
        """Take the card out."""
        self.namespace.ip("link", "delete", self.uplink)
