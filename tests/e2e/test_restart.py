"""What runs keeps running: no part of the control plane may cost a machine a packet."""

from collections.abc import Callable

import pytest
from e2e.lab.cloud import Cloud
from e2e.lab.continuity import kill_agents, kill_core, no_ping_lost, prove_service, restart_agents, restart_core
from e2e.lab.machine import Machine
from support.waiting import wait_until

VLAN = {"provider:network_type": "vlan", "provider:physical_network": "physnet1"}
Disturbance = Callable[[Cloud], None]


def machines_on_both_kinds(cloud: Cloud) -> list[tuple[Machine, Machine]]:
    """Boot a pair of machines on a VXLAN network and a pair on a VLAN network."""
    near, far = cloud.lab.hosts
    networks = [cloud.network("blue", "10.0.0.0/24"), cloud.network("red", "10.0.1.0/24", **VLAN)]
    return [
        (cloud.boot(f"{network['name']}-near", network, near), cloud.boot(f"{network['name']}-far", network, far))
        for network in networks
    ]


def bystanders(cloud: Cloud) -> list[Machine]:
    """Boot a machine on every host that nobody pings, for `prove_service`."""
    network = cloud.network("probe", "10.0.9.0/24")
    one, two = [cloud.boot(f"probe-{host.number}", network, host) for host in cloud.lab.hosts]
    one.wait_for_ping(two.address)
    return [one, two]


def restart_agents_without_core(cloud: Cloud) -> None:
    """Restart the agents while the core is down, then bring it back."""
    cloud.control_plane.core.kill()
    for agent in cloud.agents.values():
        agent.stop()
        agent.start()
    cloud.control_plane.core.start()


@pytest.mark.parametrize("disturb", [restart_agents, kill_agents, restart_core, kill_core, restart_agents_without_core])
def test_no_ping_is_lost(cloud: Cloud, disturb: Disturbance) -> None:
    """Machines on VXLAN and VLAN lose none of the pings sent every 10 ms."""
    pairs = machines_on_both_kinds(cloud)
    witnesses = bystanders(cloud)

    with no_ping_lost(pairs):
        disturb(cloud)
        prove_service(cloud, witnesses)


def test_machine_made_after_a_restart_reaches_those_made_before(cloud: Cloud) -> None:
    """Restarted agents adopt what is there: a new machine joins the networks of the old ones."""
    pairs = machines_on_both_kinds(cloud)
    restart_core(cloud)
    restart_agents(cloud)

    for one, _ in pairs:
        network = cloud.api.show("network", cloud.api.show("port", one.vif.port_id)["network_id"])
        newcomer = cloud.boot(f"{network['name']}-new", network, cloud.lab.hosts[1])
        newcomer.wait_for_ping(one.address)


def test_port_deleted_while_the_agent_is_away_is_cut_off(cloud: Cloud) -> None:
    """An agent that comes back removes what was deleted meanwhile, and only that."""
    (one, two), (three, four) = machines_on_both_kinds(cloud)
    one.wait_for_ping(two.address)
    cloud.agents["host-1"].stop()
    cloud.api.delete("port", one.vif.port_id)

    with no_ping_lost([(three, four)]):
        cloud.agents["host-1"].start()
        one.wait_for_silence(two.address)


def test_agent_that_is_gone_is_reported(cloud: Cloud) -> None:
    """An agent that was stopped is shown as not alive, and as alive once it is back."""
    cloud.agents["host-1"].stop()
    wait_until(lambda: cloud.hosts_alive() == {"host-2"}, what="the agent to be reported as gone")

    cloud.agents["host-1"].start()

    cloud.wait_for_agents()
