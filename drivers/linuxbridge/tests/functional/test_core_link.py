"""The installed commands, and the agent told by a core over its stream."""

from __future__ import annotations

import json
import signal
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from jackfield_linuxbridge.layout import bridge_name
from jackfield_sdk import PortState, ViewKind
from jackfield_sdk.testing import ScriptedCore
from linuxbridge_lab import COMMAND, Host, default_settings
from support.hosts import eventually
from support.installed_agent import PATIENT, installed_agent, neighbour_told
from support.views import a_network, a_port
from support.wire import Wire

NETWORK = a_network("net", "local")


def the_agent(host: Host, core: ScriptedCore) -> AbstractContextManager[None]:
    """Run `jackfield-linuxbridge agent` on a host."""
    return installed_agent("jackfield-linuxbridge", host.name, core, default_settings(host))


def test_the_driver_serves_and_ends_on_sigterm(tmp_path: Path) -> None:
    """The driver listens where the file says, and a service manager ends it cleanly."""
    socket = tmp_path / "lb.sock"
    config = tmp_path / "linuxbridge.toml"
    config.write_text(f'[driver]\nlisten = "unix://{socket}"\n')
    process = subprocess.Popen([COMMAND, "driver", "--config", str(config)], stderr=subprocess.DEVNULL)

    eventually(socket.exists, "the driver listens")
    process.send_signal(signal.SIGTERM)

    assert process.wait(30) == 0


@pytest.mark.functional
async def test_a_port_becomes_up_and_stays_while_the_core_is_away(lab: Any, tmp_path: Path) -> None:
    """The core pushes, the agent wires; a core that goes and comes back costs no ping."""
    host = lab.host(lab.underlay())
    ports = [a_port(1, network=NETWORK), a_port(2, network=NETWORK)]
    guests = [lab.guest(host, port) for port in ports]
    async with ScriptedCore(tmp_path) as core:
        with the_agent(host, core):
            session = await core.session(PATIENT)
            facts = session.hello.facts
            assert (session.hello.driver, session.hello.agent_type) == ("linuxbridge", "Linux bridge agent")
            assert facts.physical_networks == {"leaf": "u0"}
            assert list(facts.tunnel_types) == ["vxlan"]
            assert json.loads(facts.configurations)["interface_mappings"] == {"leaf": "u0"}
            assert await session.push(NETWORK, *ports, in_sync=True) == []
            for guest in guests:
                guest.plug()
                await session.state_of(guest.port.id, PortState.UP, PATIENT)
            pings = lab.pinging(guests[0], "192.168.7.2")

            await core.stop()
            await core.start()
            session = await core.session(PATIENT)

            assert session.known[ViewKind.PORT, ports[0].id] == ports[0].version
            assert await session.push(in_sync=True) == []
            await session.state_of(ports[0].id, PortState.UP, PATIENT)
            assert pings.lost() == 0


@pytest.mark.functional
async def test_removed_views_leave_the_host(lab: Any, tmp_path: Path) -> None:
    """A removed port is cut off, and a removed network has no bridge."""
    host = lab.host()
    port = a_port(1, network=NETWORK)
    guest = lab.guest(host, port)
    async with ScriptedCore(tmp_path) as core:
        with the_agent(host, core):
            session = await core.session(PATIENT)
            await session.push(NETWORK, port, in_sync=True)
            guest.plug()
            await session.state_of(port.id, PortState.UP, PATIENT)

            await session.push(removals=((ViewKind.PORT, port.id), (ViewKind.NETWORK, NETWORK.id)))

            eventually(lambda: not host.link(bridge_name(NETWORK.id)), "the bridge is gone")
            assert "master" not in host.link(guest.tap)


@pytest.mark.functional
async def test_a_network_that_the_host_cannot_carry_is_refused_alone(lab: Any, tmp_path: Path) -> None:
    """The acknowledgement names the network and the reason; others of the push are wired."""
    host = lab.host()
    bad = a_network("bad", "flat", physical_network="spine")
    port = a_port(1, network=NETWORK)
    async with ScriptedCore(tmp_path) as core:
        with the_agent(host, core):
            session = await core.session(PATIENT)

            failures = await session.push(bad, NETWORK, port, in_sync=True)

            assert [failure.id for failure in failures] == [bad.id]
            assert 'physical_network "spine" has no device' in failures[0].reason
            lab.guest(host, port).plug()
            await session.state_of(port.id, PortState.UP, PATIENT)


@pytest.mark.functional
async def test_the_switch_port_of_an_uplink_is_told(lab: Any, tmp_path: Path) -> None:
    """What a switch says on the cable of a physical network's device is told, also once a bridge has the device."""
    underlay = lab.underlay()
    host = lab.host(underlay)
    network = a_network("flat", "flat")
    async with ScriptedCore(tmp_path) as core:
        with the_agent(host, core):
            session = await core.session(PATIENT)
            assert await session.push(network, a_port(1, network=network), in_sync=True) == []
            eventually(lambda: "master" in host.link("u0"), "the bridge has the uplink")

            with Wire(underlay.name, "p1") as switch:
                told = await neighbour_told(session, switch)

            assert told == ("u0", "00:1c:73:00:00:01", "Ethernet7", "leaf1")


@pytest.mark.functional
@pytest.mark.parametrize("listens", [True, False])
async def test_listening_may_be_switched_off(
    lab: Any, tmp_path: Path, listens: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent that listens names its uplink before it wires the first port; one that does not, never."""
    monkeypatch.setenv("JACKFIELD_LINUXBRIDGE_LLDP", json.dumps(listens))
    host = lab.host(lab.underlay())
    port = a_port(1, network=NETWORK)
    async with ScriptedCore(tmp_path) as core:
        with the_agent(host, core):
            session = await core.session(PATIENT)
            await session.push(NETWORK, port, in_sync=True)
            lab.guest(host, port).plug()
            await session.state_of(port.id, PortState.UP, PATIENT)

            named = [each.interface for report in session.reports for each in report.neighbours]

    assert named == (["u0"] if listens else [])
