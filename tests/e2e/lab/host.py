"""A hypervisor: a namespace with an Open vSwitch of its own and one cable to the underlay.

    machine ── tap… ─ br-int ─ (what the agent builds) ─ br-phy ── uplink ── underlay
                                                           └ tunnel IP on its internal port

``br-phy`` does two jobs, as on a real host with one network card. It is the bridge of a physical
network, so VLAN-tagged frames of provider networks leave through it. And it carries the tunnel
IP: the user-space datapath sends encapsulated packets only through a bridge of its own kind,
with the address on the bridge's internal port; on a plain interface they would vanish.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from e2e.lab.names import Names, tap_name
from e2e.lab.namespace import Namespace
from e2e.lab.open_vswitch import OpenVSwitch
from e2e.lab.underlay import Cabling

INTEGRATION_BRIDGE = "br-int"
PHYSICAL_BRIDGE = "br-phy"
PHYSICAL_NETWORK = "physnet1"


class Hypervisor(Protocol):
    """What the lab needs of a host, whatever switch it has."""

    @property
    def kind(self) -> str:
        """The mechanism driver whose agent runs here."""

    number: int
    name: str
    physical_network: str
    tunnel_ip: str
    directory: Path
    namespace: Namespace

    def start(self, underlay: Cabling) -> None: ...

    def plug(self, port_id: str, mac_address: str) -> str: ...

    def unplug(self, port_id: str) -> None: ...

    def contents(self) -> set[str]: ...

    def log_files(self) -> list[Path]: ...

    def remove(self) -> None: ...


class Host:
    """One host with Open vSwitch; `start` brings the switch up, `remove` takes everything away."""

    kind = "ovs"

    def __init__(self, number: int, names: Names, environment: Mapping[str, str]) -> None:
        """Make the namespace of host *number* (1 to 250)."""
        self.number = number
        self.name = f"host-{number}"
        self.physical_network = PHYSICAL_NETWORK
        self.tunnel_ip = f"10.99.0.{number}"
        self.directory = names.run_directory / self.name
        self.directory.mkdir()
        self.namespace = Namespace(names.namespace(self.name))
        self.switch = OpenVSwitch(self.namespace, self.directory, environment)

    def start(self, underlay: Cabling) -> None:
        """Start the switch and connect the host to *underlay*."""
        self.switch.start(self.name)
        uplink = underlay.connect(self.namespace, self.number)
        # The kernel sees what the user-space switch takes from the cable, and would answer for the
        # tunnel IP as well, with the address of the cable's end: who asks may believe the wrong one.
        self.namespace.ip("link", "set", uplink, "arp", "off")
        # Without an address of its own a bridge takes that of its first port, and changes it when the port goes.
        self.switch.add_bridge(PHYSICAL_BRIDGE, **{"other_config:hwaddr": f"02:00:00:99:00:{self.number:02x}"})
        self.switch.vsctl("add-port", PHYSICAL_BRIDGE, uplink)
        self.namespace.ip("address", "add", f"{self.tunnel_ip}/24", "dev", PHYSICAL_BRIDGE)
        self.namespace.ip("link", "set", PHYSICAL_BRIDGE, "up")

    def plug(self, port_id: str, mac_address: str) -> str:
        """Put the interface of a port into the integration bridge; return the interface's name.

        Does what a compute service's plug-in (os-vif) does, no more: it makes the bridge if the
        agent has not come yet, and tells by external_ids which port this is.
        """
        device = tap_name(port_id)
        identity = {"iface-id": port_id, "iface-status": "active", "attached-mac": mac_address}
        external_ids = [f'external_ids:{key}="{value}"' for key, value in identity.items()]
        self.switch.add_bridge(INTEGRATION_BRIDGE)
        add = ["--may-exist", "add-port", INTEGRATION_BRIDGE, device]
        self.switch.vsctl(*add, "--", "set", "Interface", device, *external_ids)
        return device

    def unplug(self, port_id: str) -> None:
        """Take the interface of a port out of the integration bridge."""
        self.switch.vsctl("--if-exists", "del-port", INTEGRATION_BRIDGE, tap_name(port_id))

    def contents(self) -> set[str]:
        """Return what the switch consists of in words; see `OpenVSwitch.contents`."""
        return self.switch.contents()

    def log_files(self) -> list[Path]:
        """Return the logs of everything that ran on this host."""
        return sorted(self.directory.glob("*.log"))

    def remove(self) -> None:
        """Stop the switch and delete the namespace."""
        self.switch.stop()
        self.namespace.remove()
