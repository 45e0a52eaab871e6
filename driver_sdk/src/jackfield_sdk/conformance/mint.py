"""Resources as the core mints them: new ids, free segment numbers, complete messages.

Ids are new in every run, so runs do not meet, and what is on the device already is left alone.
"""

from __future__ import annotations

import ipaddress
import json
import uuid
from itertools import count

from jackfield.driver.v1 import binding_pb2, change_pb2, network_pb2, port_pb2, segment_pb2, subnet_pb2

from jackfield_sdk.conformance.facts import Facts
from jackfield_sdk.conformance.params import KNOWN_TYPES, HostParams, Params
from jackfield_sdk.conformance.verdict import NotJudged

Spec = network_pb2.Network | subnet_pb2.Subnet | port_pb2.Port


class Mint:
    """Makes networks, subnets, ports and hosts for one driver."""

    def __init__(self, facts: Facts, params: Params, sentinel: str) -> None:
        """Stay within `params`, and put `sentinel` where a secret may stand."""
        self._facts = facts
        self._params = params
        self._sentinel = sentinel
        self._project = str(uuid.uuid4())
        self._numbers: set[tuple[str, int]] = set()
        self._serial = count(1)

    @property
    def network_type(self) -> str:
        """The type of segment that the driver is tried with."""
        declared = self._params.network_types or self._facts.message.bind.network_types or KNOWN_TYPES
        return next((known for known in KNOWN_TYPES if known in declared), declared[0])

    def id(self) -> str:
        """Mint an id that nobody has, and take no number for it."""
        return str(uuid.uuid4())

    def network(self) -> network_pb2.Network:
        """Mint a network with one segment."""
        id = self.id()
        return network_pb2.Network(
            id=id,
            name=f"conformance-{next(self._serial)}",
            project_id=self._project,
            admin_state_up=True,
            mtu=1450,
            port_security_enabled=True,
            segments=[self.segment(id, self.network_type)],
        )

    def segment(self, network_id: str, network_type: str, *, dynamic: bool = False) -> segment_pb2.Segment:
        """Mint a segment with a number that is free."""
        segment = segment_pb2.Segment(
            id=str(uuid.uuid4()), network_id=network_id, network_type=network_type, dynamic=dynamic
        )
        if network_type in ("vlan", "flat"):
            segment.physical_network = self._params.physical_networks[0]
        if network_type not in ("flat", "local"):
            segment.segmentation_id = self._reserve(network_type)
        return segment

    def release(self, network: network_pb2.Network) -> None:
        """Give the numbers of a network back, once the driver has acknowledged its end."""
        for segment in network.segments:
            self._numbers.discard((segment.network_type, segment.segmentation_id))

    def free_networks(self) -> int:
        """Tell for how many networks there are numbers."""
        if self.network_type in ("flat", "local"):
            return 1
        low, high = self._range(self.network_type)
        return high - low + 1 - sum(network_type == self.network_type for network_type, _ in self._numbers)

    def subnet(self, network: network_pb2.Network, *, ip_version: int = 4) -> subnet_pb2.Subnet:
        """Mint a subnet with room for thousands of ports."""
        serial = next(self._serial)
        cidr = f"10.{serial % 250}.0.0/16" if ip_version == 4 else f"fd00:{serial % 65_536:x}::/64"
        block = ipaddress.ip_network(cidr)
        return subnet_pb2.Subnet(
            id=str(uuid.uuid4()),
            network_id=network.id,
            name=f"conformance-{next(self._serial)}",
            project_id=self._project,
            cidr=str(block),
            ip_version=ip_version,
            gateway_ip=str(block[1]),
            allocation_pools=[subnet_pb2.AllocationPool(start=str(block[2]), end=str(block[-2]))],
            enable_dhcp=True,
        )

    def port(self, network: network_pb2.Network, subnet: subnet_pb2.Subnet) -> port_pb2.Port:
        """Mint a port with an address, not bound yet."""
        serial = next(self._serial)
        address = ipaddress.ip_network(subnet.cidr)[2 + serial % 65_000]
        return port_pb2.Port(
            id=str(uuid.uuid4()),
            network_id=network.id,
            name=f"conformance-{serial}",
            project_id=self._project,
            admin_state_up=True,
            mac_address=f"fa:16:3e:{serial >> 16 & 255:02x}:{serial >> 8 & 255:02x}:{serial & 255:02x}",
            fixed_ips=[port_pb2.FixedIp(subnet_id=subnet.id, ip_address=str(address))],
            device_id=str(uuid.uuid4()),
            device_owner="compute:nova",
            port_security_enabled=True,
            binding=binding_pb2.Binding(
                host=self._params.hosts[0].name,
                vnic_type=self.vnic_type,
                profile=json.dumps({"conformance_secret": self._sentinel}).encode(),
                vif_type="unbound",
                vif_details=b"{}",
            ),
        )

    @property
    def vnic_type(self) -> str:
        """A VNIC type that the driver binds."""
        declared = self._facts.message.bind.vnic_types
        return declared[0] if declared and "normal" not in declared else "normal"

    def host(self, params: HostParams | None = None) -> binding_pb2.Host:
        """Describe a host, with an agent of the driver if it has one."""
        told = params or self._params.hosts[0]
        physical_networks = self._params.physical_networks if told.physical_networks is None else told.physical_networks
        host = binding_pb2.Host(name=told.name, physical_networks=physical_networks, tunnel_ip=told.tunnel_ip)
        if told.agent:
            agent = binding_pb2.Agent(
                agent_type="Conformance agent",
                driver=self._facts.driver,
                alive=True,
                physical_networks=physical_networks,
                tunnel_types=told.tunnel_types,
                tunnel_ip=told.tunnel_ip,
                configurations=json.dumps(told.configurations).encode(),
            )
            host.agents.append(agent)
        return host

    def _reserve(self, network_type: str) -> int:
        low, high = self._range(network_type)
        for number in range(low, high + 1):
            if (network_type, number) not in self._numbers:
                self._numbers.add((network_type, number))
                return number
        raise NotJudged(f"no {network_type} number is left in {low} to {high}; widen it in --params")

    def _range(self, network_type: str) -> tuple[int, int]:
        return self._params.vlan_range if network_type == "vlan" else self._params.vni_range


def wrapped(spec: Spec) -> change_pb2.Resource:
    """Put a resource into the envelope of a change."""
    if isinstance(spec, network_pb2.Network):
        return change_pb2.Resource(network=spec)
    if isinstance(spec, subnet_pb2.Subnet):
        return change_pb2.Resource(subnet=spec)
    return change_pb2.Resource(port=spec)
