"""Nothing is lost when a process goes and comes back."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from ovs_lab import AgentProcess
from ovs_pairs import Side, a_pair
from support.hosts import eventually
from support.views import a_network, a_port

pytestmark = pytest.mark.functional


def restarted(lab: Any, side: Side, **settings: Any) -> AgentProcess:
    """Kill a side's agent as a crash does and start another one, which knows nothing yet."""
    side.agent.kill()
    side.agent = lab.agent(side.host, **settings).started()
    return side.agent


@pytest.mark.parametrize("network_type", ["vxlan", "vlan"])
def test_a_restart_of_the_agent_loses_no_ping(lab: Any, network_type: str) -> None:
    """While the agent is killed, started and told everything again, a ping every 10 ms gets through."""
    one, two = a_pair(lab, network_type)
    with one.guest.pinging("192.168.7.2") as pings:
        for side in (one, two):
            agent = restarted(lab, side)
            side.tell()
            agent.in_sync()
            agent.wait_for(side.port.id, "up")

        assert pings.lost() == 0


def test_a_restart_writes_no_flow(lab: Any) -> None:
    """A new agent finds the flows as they should be and leaves every one of them alone."""
    one, _ = a_pair(lab)
    time.sleep(1.1)  # durations are shown in seconds and have to differ
    before = time.monotonic()

    agent = restarted(lab, one)
    one.tell()
    agent.in_sync()
    agent.wait_for(one.port.id, "up")

    elapsed = time.monotonic() - before
    for bridge in ("br-int", "br-tun", "br-phy"):
        dump = one.host.ofctl("dump-flows", bridge)
        ages = [float(age) for age in re.findall(r"duration=([\d.]+)s", dump)]
        assert ages
        assert min(ages) > elapsed, bridge


def test_the_core_being_silent_deletes_nothing(lab: Any) -> None:
    """An agent that starts and hears nothing leaves its predecessor's work as it is."""
    one, _ = a_pair(lab)
    before = {bridge: one.host.flows(bridge) for bridge in ("br-int", "br-tun", "br-phy")}

    restarted(lab, one)

    assert {bridge: one.host.flows(bridge) for bridge in before} == before
    eventually(lambda: one.guest.pings("192.168.7.2"), "the guests still talk")


def test_local_vlans_survive_a_restart(lab: Any) -> None:
    """A new agent gives each network the local VLAN that it has on the switch already."""
    one, _ = a_pair(lab)
    tag = one.host.vsctl("get", "port", one.guest.tap, "tag")

    agent = restarted(lab, one)
    one.tell()
    agent.wait_for(one.port.id, "up")

    assert one.host.vsctl("get", "port", one.guest.tap, "tag") == tag


def test_a_restart_of_ovs_vswitchd_is_repaired_because_its_session_broke(lab: Any) -> None:
    """ovs-vswitchd loses all flows when it restarts; they are back before any audit. `bench.mending` has the time."""
    one, two = a_pair(lab, audit_interval=3600)
    wanted = {bridge: one.host.flows(bridge) for bridge in ("br-int", "br-tun", "br-phy")}

    one.host.restart_switchd()

    eventually(
        lambda: all(len(one.host.flows(bridge)) == len(wanted[bridge]) for bridge in wanted),
        "the flows are back",
    )
    eventually(lambda: one.guest.pings(two.port.ip_addresses[0]), "the guests talk again")
    assert one.agent.reports[one.port.id]["state"] == "up"


def test_flows_that_somebody_deleted_come_back(lab: Any) -> None:
    """The audit puts back what was deleted by hand."""
    one, _ = a_pair(lab, audit_interval=0.5)
    wanted = one.host.flows("br-int")

    one.host.ofctl("del-flows", "br-int")

    eventually(lambda: one.host.flows("br-int") == wanted, "the audit repairs")


def test_a_restart_of_the_ovsdb_server_is_survived(lab: Any) -> None:
    """When the OVSDB server comes back the agent goes on, and traffic never stopped."""
    one, _ = a_pair(lab)
    with one.guest.pinging("192.168.7.2") as pings:
        one.host.restart_server()
        assert pings.lost() == 0

    port = a_port(3, network=one.network)
    guest = lab.guest(one.host, port)
    one.agent.port(port)
    guest.plug()
    one.agent.wait_for(port.id, "up")


def test_what_is_plugged_while_ovs_vswitchd_is_away_is_wired_when_it_is_back(lab: Any) -> None:
    """A port that cannot be wired says why, and needs nobody's help when the switch returns."""
    host = lab.host()
    agent = lab.agent(host, timeout=1).started()
    network = a_network("net", "local")
    port = a_port(1, network=network)
    agent.network(network)
    agent.port(port)
    agent.wait_for(port.id, "down")
    host.stop_switchd()

    lab.guest(host, port).plug()

    report = agent.wait_for(port.id, "error")
    assert "does not answer" in report["reason"] or "cannot reach" in report["reason"]
    host.start_switchd()
    agent.wait_for(port.id, "up")


@pytest.mark.parametrize("bridge", ["br-int", "br-tun"])
def test_a_changed_fail_mode_is_changed_back_with_the_flows(lab: Any, bridge: str) -> None:
    """Open vSwitch drops a bridge's flows when its fail mode changes; they do not wait for the audit."""
    one, _ = a_pair(lab)

    one.host.vsctl("set", "bridge", bridge, "fail_mode=standalone")

    eventually(lambda: one.host.vsctl("get", "bridge", bridge, "fail_mode").strip() == "secure", "the mode is back")
    eventually(lambda: one.guest.pings("192.168.7.2"), "the guest reaches the other one")
