"""What tests of the device layer share: VLANs of ours, and sessions with a switch of the lab."""

from __future__ import annotations

import uuid
from typing import Any

from jackfield_arista.configuration.difference import difference
from jackfield_arista.configuration.edit import Edit, Wanted, WantedPort
from jackfield_arista.configuration.model import Configuration, Mode
from jackfield_arista.configuration.ownership import mark, owner
from jackfield_arista.device.session import Safety, Session, Timeouts, connect
from jackfield_arista.device.trust import Trust
from jackfield_arista.inventory.credentials import Credentials
from support.netconf import FakeSwitch, NetconfSwitch

DEPLOYMENT = "blue"
IS_OURS = owner(DEPLOYMENT)
SAFETY = Safety(uplinks=("Ethernet3",), patience=0.3)
NETWORK = "7d0fb9f1-4b6d-4c66-b5b5-3e8a4e2f0d11"

# What an operator had configured before we came.
FOREIGN = (
    '<network-instances xmlns="http://openconfig.net/yang/network-instance"><network-instance><name>default</name>'
    "<vlans><vlan><vlan-id>7</vlan-id><config><vlan-id>7</vlan-id><name>storage</name></config></vlan></vlans>"
    '</network-instance></network-instances><interfaces xmlns="http://openconfig.net/yang/interfaces"><interface>'
    '<name>Ethernet1</name><ethernet xmlns="http://openconfig.net/yang/interfaces/ethernet">'
    '<switched-vlan xmlns="http://openconfig.net/yang/vlan"><config><interface-mode>TRUNK</interface-mode>'
    "<native-vlan>7</native-vlan><trunk-vlans>2000..2005</trunk-vlans><trunk-vlans>7</trunk-vlans>"
    "<trunk-vlans>30</trunk-vlans></config></switched-vlan></ethernet></interface></interfaces>"
)


def name_of(vlan: int) -> str:
    """Return the name of a VLAN of ours, another one for each id."""
    return mark(DEPLOYMENT, str(uuid.UUID(int=vlan)))


def trunk(port: str, *vlans: int, native_vlan: int | None = None) -> WantedPort:
    return WantedPort(port, Mode.TRUNK, native_vlan=native_vlan, trunk_vlans=frozenset(vlans))


def access(port: str, vlan: int) -> WantedPort:
    return WantedPort(port, Mode.ACCESS, access_vlan=vlan)


def wanted(*ports: WantedPort, vnis: dict[int, int] | None = None) -> Wanted:
    """Return that these ports are wanted and nothing else of ours, with the VLANs that they carry."""
    vlans = {vlan: name_of(vlan) for port in ports for vlan in port.vlans}
    every = {"Ethernet1": None, "Ethernet2": None, "Port-Channel1": None}
    return Wanted(vlans, {**every, **{port.name: port for port in ports}}, vnis or {}, scope=frozenset(range(1, 4095)))


def edit_for(seen: Configuration, *ports: WantedPort, vnis: dict[int, int] | None = None) -> Edit:
    return difference(seen, wanted(*ports, vnis=vnis), IS_OURS)


def open_session(switch: NetconfSwitch | FakeSwitch, **changes: Any) -> Session:
    """Open a session with a switch of the lab, in all but `changes` as it should be."""
    trust = changes.get("trust", Trust(host_key=switch.host_key))
    credentials = changes.get("credentials", Credentials(switch.user, key_file=switch.key_file))
    timeouts = changes.get("timeouts", Timeouts(connect=20, reply=20))
    return connect(switch.address, switch.port, credentials, trust, timeouts, switch="leaf")


def hurry(session: Session, seconds: float = 0.5) -> None:
    """Wait for each reply only so long from now on: to connect may take longer on a busy machine."""
    session._netconf._manager.timeout = seconds


def make(session: Session, *ports: WantedPort, safety: Safety = SAFETY, **wishes: Any) -> Configuration:
    """Have a switch hold these ports of ours and nothing else of ours."""
    return session.apply(edit_for(session.read(), *ports, **wishes), safety)
