"""What a guest says reaches its neighbour or does not: the table by which all agents are measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from jackfield_sdk import AddressPair
from ovs_lab import AgentProcess, Host
from support import spoofing
from support.spoofing import Case
from support.views import a_network, a_port
from support.wire import Wire, arrivals

pytestmark = pytest.mark.functional

NETWORK = a_network("net", "local")
SECURED: dict[str, Any] = {
    "mac_address": spoofing.MAC,
    "ip_addresses": (spoofing.OWN, spoofing.OWN_V6),
    "allowed_address_pairs": tuple(AddressPair(mac, block) for mac, block in spoofing.PAIRS),
}
WITNESS = spoofing.OWN_ADDRESSES[0]
PORTS = {
    "secured": (SECURED, spoofing.SECURED),
    "trusted": (SECURED | {"port_security_enabled": False}, spoofing.TRUSTED),
    "of the network": (SECURED | {"device_owner": "network:dhcp"}, spoofing.TRUSTED),
    "without addresses": (SECURED | {"ip_addresses": (), "allowed_address_pairs": ()}, spoofing.UNADDRESSED),
}


@dataclass(frozen=True, slots=True)
class Room:
    """Two guests on one host, as wires; the first one is the suspect."""

    host: Host
    agent: AgentProcess
    suspect: Wire
    peer: Wire

    def arrivals(self, cases: Sequence[Case]) -> dict[str, bool]:
        """Return which of the suspect's frames reach the peer."""
        return arrivals(self.suspect, self.peer, cases, WITNESS)


@pytest.fixture
def room(lab: Any) -> Iterator[Room]:
    """Two wired guests."""
    host = lab.host()
    agent = lab.agent(host).started()
    agent.network(NETWORK)
    ports = [a_port(1, network=NETWORK, **SECURED), a_port(2, network=NETWORK)]
    suspect, peer = (lab.guest(host, port) for port in ports)
    for guest in (suspect, peer):
        agent.port(guest.port)
        guest.plug()
        agent.wait_for(guest.port.id, "up")
    agent.in_sync()
    with Wire(suspect.name, "eth0") as speaker, Wire(peer.name, "eth0") as listener:
        yield Room(host, agent, speaker, listener)


def test_each_frame_arrives_or_does_not(room: Room) -> None:
    """Of all frames of the table, exactly those arrive that a port of each kind may send."""
    for version, (kind, (fields, cases)) in enumerate(PORTS.items(), start=2):
        port = a_port(1, network=NETWORK, **fields, version=str(version))
        room.agent.port(port)
        room.agent.wait_for(port.id, "up", version=str(version))

        assert room.arrivals(cases) == {case.name: case.passes for case in cases}, kind


def test_fragments_are_looked_into_after_a_restart_of_the_switch(room: Room) -> None:
    """ovs-vswitchd forgets that it should; the agent reminds it before it brings the flows back."""
    cases = [case for case in spoofing.SECURED if "fragment" in case.name]

    room.host.restart_switchd()

    assert room.arrivals(cases) == {case.name: case.passes for case in cases}


def test_a_switch_that_reads_two_tags_lets_none_pass(room: Room) -> None:
    """With a vlan-limit of 2, a tag behind a priority tag is found as well."""
    room.host.vsctl("set", "Open_vSwitch", ".", "other_config:vlan-limit=2")
    port = a_port(1, network=NETWORK, **SECURED, port_security_enabled=False, version="2")
    room.agent.port(port)
    room.agent.wait_for(port.id, "up", version="2")

    cases = [*spoofing.NOT_OF_THIS_NETWORK, *(case for case in spoofing.OWN_ADDRESSES if case.name == "priority_tag")]
    assert room.arrivals(cases) == {case.name: case.passes for case in cases}
