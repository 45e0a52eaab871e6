"""A cloud of hosts of both kinds, with a machine on every host for each type of network.

Starting hosts and agents is what takes time, so one fleet serves many tests: networks and
machines are made when the first test asks for their type, and stay.
"""

from dataclasses import dataclass, field

from e2e.lab.cloud import Cloud
from e2e.lab.host import PHYSICAL_NETWORK, Hypervisor
from e2e.lab.machine import Machine
from support.kernel import lacking

PROVIDERS = {
    "flat": {"provider:physical_network": PHYSICAL_NETWORK},
    "vlan": {"provider:physical_network": PHYSICAL_NETWORK},
    "vxlan": {},
    "gre": {},
}
KERNEL_FEATURES = {("linuxbridge", "vlan"): "vlan", ("linuxbridge", "gre"): "gretap"}
"""What the kernel needs so that a kind of host can carry a type of network; nothing if it is not here."""


@dataclass(slots=True)
class Fleet:
    """Hosts of both kinds, and their machines by type of network."""

    cloud: Cloud
    _machines: dict[str, dict[str, Machine]] = field(default_factory=dict)

    def pair(self, network_type: str, kinds: tuple[str, str]) -> tuple[Machine, Machine]:
        """Return machines on two hosts of these kinds, on a network of *network_type*."""
        machines = self.machines(network_type)
        near, far = (self.hosts(kind) for kind in kinds)
        return machines[near[0].name], machines[far[-1].name]

    def hosts(self, kind: str) -> list[Hypervisor]:
        """Return the hosts of a kind."""
        return [host for host in self.cloud.lab.all_hosts if host.kind == kind]

    def machines(self, network_type: str) -> dict[str, Machine]:
        """Return the machine of every host that can carry *network_type*, by name of the host."""
        if network_type not in self._machines:
            self._machines[network_type] = self._boot(network_type)
        return self._machines[network_type]

    def mtu(self, network_type: str) -> int:
        """Return the size of the largest packet on the network of a type."""
        return next(iter(self._machines[network_type].values())).vif.mtu

    def _boot(self, network_type: str) -> dict[str, Machine]:
        number = list(PROVIDERS).index(network_type)
        provider = PROVIDERS[network_type] | {"provider:network_type": network_type}
        network = self.cloud.network(network_type, f"10.{number}.0.0/24", **provider)
        ipv6 = {"ip_version": 6, "cidr": f"2001:db8:{number}::/64"}
        self.cloud.api.create("subnet", network_id=network["id"], **ipv6)
        return self.cloud.boot_on(network, [host for host in self.cloud.lab.all_hosts if carries(host, network_type)])


def carries(host: Hypervisor, network_type: str) -> bool:
    """Return whether the kernel here lets a host carry *network_type*."""
    return KERNEL_FEATURES.get((host.kind, network_type)) not in lacking()
