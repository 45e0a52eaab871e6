"""Racks: a top-of-rack switch each, with the hosts on it, and a spine between them.

    host-1 ── Ethernet1 ─ leaf-1 ── spine ── leaf-2 ─ Ethernet1 ── host-2

The spine is the lab's underlay, which passes everything. Hosts go to racks in turn, each on the next
free port of its switch; ``inventory`` says so to the driver, as an operator would.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from e2e.lab.bare_metal import MetalPlace
from e2e.lab.host import PHYSICAL_NETWORK
from e2e.lab.names import Names
from e2e.lab.namespace import Namespace
from e2e.lab.top_of_rack import HOST_PORTS, ROUTED, TRUNK, TopOfRack
from e2e.lab.underlay import MTU, Underlay

INVENTORY = "inventory.yaml"
CONFIRM_TIMEOUT = 30  # Seconds.


class Racks:
    """The switches of a lab."""

    def __init__(self, names: Names, underlay: Underlay, environment: Mapping[str, str], *, one_hall: bool) -> None:
        """Describe two racks: of *one_hall*, where a VLAN is the same everywhere, or each with VLANs of its own."""
        self._names = names
        self._underlay = underlay
        self._one_hall = one_hall
        self._free: dict[str, list[str]] = {}
        self._hosts: dict[str, tuple[TopOfRack, str]] = {}
        self.leaves: list[TopOfRack] = []
        for number in (1, 2):
            leaf = TopOfRack(number, names, environment)
            self.leaves.append(leaf)
            self._free[leaf.name] = list(HOST_PORTS)

    def start(self) -> None:
        """Start the switches."""
        for leaf in self.leaves:
            leaf.peers = [other.vtep for other in self.leaves if other is not leaf]
            leaf.begin(self._underlay.connect)
        self._write_inventory()

    def connect(self, host: Namespace, number: int, *, card: str = "uplink") -> str:
        """Run a cable from host *number* to its switch; return the name of the interface on the host's side."""
        leaf = self.leaf_of(number)
        port = self._free[leaf.name].pop(0)
        uplink = self._names.interface(card)
        self._lay(host, uplink, leaf, port)
        self._hosts[f"host-{number}"] = leaf, port
        self._write_inventory()
        return uplink

    def leaf_of(self, number: int) -> TopOfRack:
        """Return the switch that host *number* is on."""
        return self.leaves[(number - 1) % len(self.leaves)]

    def port_of(self, number: int) -> str:
        """Return the interface that host *number* is on."""
        return self._hosts[f"host-{number}"][1]

    def metal_place(self, leaf: TopOfRack) -> MetalPlace:
        """Return a place for a machine without a hypervisor."""
        return MetalPlace(leaf, self._free[leaf.name].pop(), physical_network=self.physical_network(leaf))

    def physical_network(self, leaf: TopOfRack) -> str:
        """Return the physical network that a switch belongs to."""
        return PHYSICAL_NETWORK if self._one_hall else f"rack-{leaf.number}"

    def physical_network_of(self, number: int) -> str:
        """Return the physical network that host *number* is on."""
        return self.physical_network(self.leaf_of(number))

    def remove(self) -> None:
        """Stop and remove everything."""
        for leaf in self.leaves:
            leaf.end()

    @property
    def inventory(self) -> Path:
        """The file for the driver."""
        return self._names.run_directory / INVENTORY

    def _lay(self, end: Namespace, device: str, leaf: TopOfRack, port: str) -> None:
        ends = ["link", "add", device, "netns", end.name, "type", "veth", "peer", "name", port]
        leaf.namespace.ip(*ends, "netns", leaf.namespace.name)
        leaf.namespace.ip("link", "set", port, "mtu", MTU, "up")
        end.ip("link", "set", device, "mtu", MTU, "up")
        leaf.plug(port, port)

    def _write_inventory(self) -> None:
        groups = {
            self.physical_network(leaf): {"physical_network": self.physical_network(leaf)} for leaf in self.leaves
        }
        user, key = self.leaves[0].user, {leaf.name: str(leaf.key_file) for leaf in self.leaves}
        document = {
            "credentials": {leaf: {"username": user, "key_file": file} for leaf, file in key.items()},
            "groups": groups,
            "switches": {leaf.name: self._switch(leaf) for leaf in self.leaves},
            "attachments": [
                {"host": host, "switch": leaf.name, "interfaces": [port]} for host, (leaf, port) in self._hosts.items()
            ],
        }
        # JSON is YAML. Renamed, so that the driver never reads half of it.
        half = self.inventory.with_suffix(".new")
        half.write_text(json.dumps(document, indent=2))
        half.rename(self.inventory)

    def _switch(self, leaf: TopOfRack) -> dict[str, object]:
        return {
            "address": leaf.address,
            "port": leaf.port,
            "credential": leaf.name,
            "group": self.physical_network(leaf),
            "host_key": leaf.host_key,
            "chassis_id": leaf.chassis_id,
            "uplinks": [TRUNK, ROUTED],
            "confirm_timeout": CONFIRM_TIMEOUT,
            "vtep": leaf.vtep,
        }
