"""Every host knows the switch port that it is on, and so does whoever asks the core."""

from __future__ import annotations

import zlib
from typing import Any

from e2e.lab.fleet import Fleet
from e2e.lab.host import Hypervisor
from support.lldp import announcement
from support.waiting import wait_until
from support.wire import Wire

CHASSIS = "00:1c:73:00:00:01"


def test_agents_of_every_kind_hear_the_switch(fleet: Fleet) -> None:
    """A frame on each host's cable, whatever has the uplink, is a neighbour at ``/v2.0/agents``."""
    for host in fleet.cloud.lab.all_hosts:
        announce(fleet, host)

        (neighbour,) = heard(fleet, host)
        assert neighbour.pop("interface")
        assert neighbour == {"chassis_id": CHASSIS, "port_id": port_of(host), "system_name": "leaf1"}


def announce(fleet: Fleet, host: Hypervisor) -> None:
    """Have the switch name a host's port on its cable, again and again as switches do, until it is heard."""
    underlay = fleet.cloud.lab.underlay
    with Wire(underlay.namespace.name, underlay.cable(host.number)) as switch:

        def is_heard() -> bool:
            switch.send(announcement(CHASSIS, port_of(host), ttl=3600, name="leaf1"))
            return bool(heard(fleet, host))

        wait_until(is_heard, what=lambda: f"a neighbour of {host.name}: {neighbours(fleet, host)}", interval=0.5)


def port_of(host: Hypervisor) -> str:
    return f"Ethernet{zlib.crc32(host.name.encode()) % 48 + 1}"


def heard(fleet: Fleet, host: Hypervisor) -> list[dict[str, str]]:
    """Return the neighbours of a host that its agent hears."""
    return [one for one in neighbours(fleet, host) if one["chassis_id"]]


def neighbours(fleet: Fleet, host: Hypervisor) -> list[dict[str, Any]]:
    """Return what the core shows of a host, by the agent that has its uplink: others have come and gone there."""
    agents = fleet.cloud.api.list("agent", host=host.name)
    (agent,) = [agent for agent in agents if agent["binary"] == f"jackfield-{host.kind}"]
    told: list[dict[str, Any]] = agent["configurations"]["lldp_neighbours"]
    return told
