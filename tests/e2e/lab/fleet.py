"""A cloud of hosts of both kinds, with a machine on every host for each type of network.

Starting hosts and agents is what takes time, so one fleet serves many tests: networks and
machines are made when the first test asks for their type, and stay.
"""

from dataclasses import dataclass, field

from e2e.lab.api import Resource
from e2e.lab.cloud import Cloud
from e2e.lab.host import PHYSICAL_NETWORK, Hypervisor
from e2e.lab.machine import Machine
from support.kernel import lacking

PROVIDERS: dict[str, dict[str, str]] = {
    "flat": {"provider:physical_network": PHYSICAL_NETWORK},
    "vlan": {"provider:physical_network": PHYSICAL_NETWORK},
    "vxlan": {},
    "gre": {},
}
PROBE = "probe"
"""A second network of type VXLAN, for witnesses whose ports may be switched off."""
KERNEL_FEATURES = {("linuxbridge", "vlan"): "vlan", ("linuxbridge", "gre"): "gretap"}
"""What the kernel needs so that a kind of host can carry a type of network; nothing if it is not here."""


@dataclass(slots=True)
class Fleet:
    """Hosts of both kinds, and their machines by type of network."""

    cloud: Cloud
    _networks: dict[str, Resource] = field(default_factory=dict)
    _machines: dict[str, dict[str, Machine]] = field(default_factory=dict)

    def pair(self, network_type: str, kinds: tuple[str, str]) -> tuple[Machine, Machine]:
        """Return machines on two hosts of these kinds, on the network of *network_type*, or on `PROBE`."""
        machines = self.machines(network_type)
        near, far = (self.hosts(kind) for kind in kinds)
        return machines[near[0].name], machines[far[-1].name]

    def hosts(self, kind: str) -> list[Hypervisor]:
        """Return the hosts of a kind."""
        return [host for host in self.cloud.lab.all_hosts if host.kind == kind]

    def machines(self, network_type: str) -> dict[str, Machine]:
        """Return the machine of every host that can carry *network_type*, by name of the host."""
        if network_type not in self._machines:
            places = [host for host in self.cloud.lab.all_hosts if carries(host, network_type)]
            self._machines[network_type] = self.cloud.boot_on(self.network(network_type), places)
        return self._machines[network_type]

    def boot(self, name: str, network_type: str, host: Hypervisor) -> Machine:
        """Start one more machine on the network of *network_type*."""
        return self.cloud.boot(f"{network_type}-{name}", self.network(network_type), host, device_owner="compute:nova")

    def network(self, network_type: str) -> Resource:
        """Return the network of a type, with a subnet of each IP version."""
        if network_type not in self._networks:
            self._networks[network_type] = self._create_network(network_type)
        return self._networks[network_type]

    def _create_network(self, network_type: str) -> Resource:
        number = [*PROVIDERS, PROBE].index(network_type)
        of_type = {} if network_type == PROBE else {"provider:network_type": network_type}
        network = self.cloud.network(network_type, f"10.{number}.0.0/24", **of_type, **PROVIDERS.get(network_type, {}))
        ipv6 = {"ip_version": 6, "cidr": f"2001:db8:{number}::/64"}
        self.cloud.api.create("subnet", network_id=network["id"], **ipv6)
        return network


def carries(host: Hypervisor, network_type: str) -> bool:
    """Return whether the kernel here lets a host carry *network_type*."""
    return KERNEL_FEATURES.get((host.kind, network_type)) not in lacking()
