"""The installed agent, told by a core over its stream."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from jackfield_sdk import PortState, ViewKind
from jackfield_sdk.testing import ScriptedCore
from ovs_lab import Host, default_settings
from support.hosts import eventually
from support.installed_agent import PATIENT, installed_agent, neighbour_told
from support.views import a_network, a_port
from support.wire import Wire

pytestmark = pytest.mark.functional


def the_agent(host: Host, core: ScriptedCore) -> AbstractContextManager[None]:
    """Run `jackfield-ovs agent` on a host."""
    return installed_agent("jackfield-ovs", host.name, core, default_settings(host))


async def test_a_port_becomes_up_and_stays_while_the_core_is_away(lab: Any, tmp_path: Path) -> None:
    """The core pushes, the agent wires; a core that goes and comes back costs no ping."""
    host = lab.host()
    network = a_network("net", "local")
    ports = [a_port(1, network=network), a_port(2, network=network)]
    guests = [lab.guest(host, port) for port in ports]
    async with ScriptedCore(tmp_path) as core:
        with the_agent(host, core):
            session = await core.session(PATIENT)
            facts = session.hello.facts
            assert (session.hello.driver, session.hello.agent_type) == ("ovs", "Open vSwitch agent")
            assert facts.physical_networks == {"leaf": "br-phy"}
            assert json.loads(facts.configurations)["integration_bridge"] == "br-int"
            assert await session.push(network, *ports, in_sync=True) == []
            for guest in guests:
                guest.plug()
                await session.state_of(guest.port.id, PortState.UP, PATIENT)
            eventually(lambda: guests[0].pings("192.168.7.2"), "the guests talk")
            with guests[0].pinging("192.168.7.2") as pings:
                await core.stop()
                await core.start()
                session = await core.session(PATIENT)

                assert session.known[ViewKind.PORT, ports[0].id] == ports[0].version
                assert await session.push(in_sync=True) == []
                await session.state_of(ports[0].id, PortState.UP, PATIENT)
                assert pings.lost() == 0


async def test_removed_views_leave_the_switch(lab: Any, tmp_path: Path) -> None:
    """A removed port is dead and a removed network gives its local VLAN back."""
    host = lab.host()
    network = a_network("net", "local")
    port = a_port(1, network=network)
    guest = lab.guest(host, port)
    guest_tag = ("get", "port", guest.tap, "tag")
    async with ScriptedCore(tmp_path) as core:
        with the_agent(host, core):
            session = await core.session(PATIENT)
            await session.push(network, port, in_sync=True)
            guest.plug()
            await session.state_of(port.id, PortState.UP, PATIENT)

            await session.push(removals=((ViewKind.PORT, port.id), (ViewKind.NETWORK, network.id)))

            eventually(lambda: host.vsctl(*guest_tag) == "4095", "the port is dead")
            assert network.id not in host.vsctl("get", "bridge", "br-int", "external_ids")


async def test_a_network_that_the_host_cannot_carry_is_refused_alone(lab: Any, tmp_path: Path) -> None:
    """The acknowledgement names the network and the reason; others of the push are wired."""
    host = lab.host()
    bad = a_network("bad", "flat", physical_network="spine")
    good = a_network("good", "local")
    port = a_port(1, network=good)
    async with ScriptedCore(tmp_path) as core:
        with the_agent(host, core):
            session = await core.session(PATIENT)

            failures = await session.push(bad, good, port, in_sync=True)

            assert [failure.id for failure in failures] == [bad.id]
            assert 'physical_network "spine" has no bridge' in failures[0].reason
            lab.guest(host, port).plug()
            await session.state_of(port.id, PortState.UP, PATIENT)


async def test_the_switch_port_of_an_uplink_is_told(lab: Any, tmp_path: Path) -> None:
    """What a switch says on a cable of a physical network's bridge is told, also if it is plugged in later."""
    host = lab.host()
    async with ScriptedCore(tmp_path) as core:
        with the_agent(host, core):
            session = await core.session(PATIENT)
            host.ip("link", "add", "x1", "up", "type", "veth", "peer", "name", "y1")
            host.ip("link", "set", "y1", "up")
            host.vsctl("add-port", "br-phy", "x1")

            with Wire(host.name, "y1") as switch:
                told = await neighbour_told(session, switch)

            assert told == ("x1", "00:1c:73:00:00:01", "Ethernet7", "leaf1")
