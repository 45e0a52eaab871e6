"""A place for a machine without a hypervisor: its card is plugged into a switch, and nothing else is there.

    with the lab's parts: cloud.plug("metal", port, MetalPlace(leaf, "Ethernet8"))

What Ironic would write into the port about it is `MetalPlace.profile`.
"""

from pathlib import Path

from e2e.lab.names import tap_name
from e2e.lab.top_of_rack import TopOfRack
from e2e.lab.underlay import Cabling


class MetalPlace:
    """An interface of a switch with a cable to one machine, in the words of a hypervisor."""

    kind = "baremetal"

    def __init__(self, leaf: TopOfRack, port: str, *, physical_network: str) -> None:
        """Take *port* of *leaf*, which nobody else is plugged into."""
        self.leaf = leaf
        self.port = port
        self.number = leaf.number
        self.name = f"metal-{leaf.name}-{port}".lower()
        self.physical_network = physical_network
        self.tunnel_ip = ""
        self.directory = leaf.directory
        self.namespace = leaf.namespace

    @property
    def profile(self) -> dict[str, object]:
        """``binding:profile`` of the port, with the link as the machine's inspection by LLDP gives it."""
        link = {"switch_id": self.leaf.chassis_id, "port_id": self.port, "switch_info": self.leaf.name}
        return {"local_link_information": [link]}

    def start(self, underlay: Cabling) -> None:
        """Do nothing: the switch is the lab's."""

    def plug(self, port_id: str, mac_address: str) -> str:
        """Plug the machine's card in."""
        device = tap_name(port_id)
        self.leaf.plug(self.port, device)
        return device

    def unplug(self, port_id: str) -> None:
        """Pull the cable."""
        self.leaf.unplug(tap_name(port_id))

    def contents(self) -> set[str]:
        """Return nothing: what the switch holds is its own."""
        return set()

    def log_files(self) -> list[Path]:
        """Return the logs of the switch."""
        return self.leaf.log_files()

    def remove(self) -> None:
        """Do nothing, as at the start."""
