"""Hosts of both kinds in one cloud: ports move between them, and what breaks heals by itself."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from e2e.lab.agent import bridge_agent
from e2e.lab.bridge_host import BridgeHost, SecondCard
from e2e.lab.cloud import Cloud
from e2e.lab.continuity import (
    kill_agents,
    kill_core,
    kill_drivers,
    no_ping_lost,
    prove_service,
    restart_agents,
    restart_core,
    restart_drivers,
)
from e2e.lab.fleet import Fleet
from e2e.lab.host import Host, Hypervisor
from e2e.lab.machine import Machine
from support.waiting import wait_until

# Seconds. Three are promised, and measured by `bench` where nothing else runs.
OUTAGE_LIMIT = 20.0
Disturbance = Callable[[Cloud], None]
POLITE: tuple[Disturbance, ...] = (restart_agents, restart_drivers, restart_core)
BY_FORCE: tuple[Disturbance, ...] = (kill_agents, kill_drivers, kill_core)


@pytest.mark.parametrize("disturbances", [POLITE, BY_FORCE], ids=["stopped", "killed"])
def test_no_ping_is_lost_between_hosts_of_different_kinds(fleet: Fleet, disturbances: tuple[Disturbance, ...]) -> None:
    """While agents, drivers and core are restarted in turn, every ping of every 10 ms is answered."""
    pairs = [fleet.pair("vxlan", ("ovs", "linuxbridge")), fleet.pair("flat", ("linuxbridge", "ovs"))]
    witnesses = [*fleet.pair("probe", ("ovs", "linuxbridge"))]

    with no_ping_lost(pairs):
        for disturb in disturbances:
            disturb(fleet.cloud)
            fleet.cloud.wait_for_agents()
        prove_service(fleet.cloud, witnesses)


def move_by_update(cloud: Cloud, machine: Machine, host: Hypervisor) -> Machine:
    """Say where the machine is, and start it there."""
    machine.remove()
    cloud.api.update("port", machine.vif.port_id, **{"binding:host_id": host.name})
    return cloud.plug(f"{machine.name}-moved", cloud.api.show("port", machine.vif.port_id), host)


def move_by_bindings(cloud: Cloud, machine: Machine, host: Hypervisor) -> Machine:
    """Migrate as a compute service does: bind and plug at the destination, then activate, then forget the source."""
    port_id = machine.vif.port_id
    cloud.api.bind(port_id, host.name)
    moved = cloud.plug(f"{machine.name}-moved", cloud.api.show("port", port_id), host)
    machine.remove()
    cloud.api.activate(port_id, host.name)
    cloud.api.unbind(port_id, machine.host.name)
    return moved


@pytest.mark.parametrize("move", [move_by_update, move_by_bindings], ids=["updated", "migrated"])
@pytest.mark.parametrize("network_type", ["vxlan", "flat"])
def test_peers_follow_a_port_that_moves_between_kinds(
    fleet: Fleet, network_type: str, move: Callable[[Cloud, Machine, Hypervisor], Machine]
) -> None:
    """A port goes from Open vSwitch to Linux bridge and back; hosts of both kinds reach it each time."""
    peers = fleet.pair(network_type, ("ovs", "linuxbridge"))
    places = [fleet.hosts("ovs")[-1], fleet.hosts("linuxbridge")[0], fleet.hosts("ovs")[-1]]
    machine = fleet.boot(f"rover-{move.__name__}", network_type, places[0])
    for peer in peers:
        peer.wait_for_ping(machine.address)

    for place in places[1:]:
        machine = move(fleet.cloud, machine, place)
        for peer in peers:
            peer.wait_for_ping(machine.address)
        fleet.cloud.api.wait_for("port", machine.vif.port_id, status="ACTIVE")


def delete_bridge(fleet: Fleet) -> None:
    """Delete the bridge of a network on a host with Linux bridge."""
    name = f"brq{fleet.network('vxlan')['id'][:11]}"
    fleet.cloud.lab.bridge_hosts[0].namespace.ip("link", "delete", name)


def delete_tunnel_bridge(fleet: Fleet) -> None:
    """Delete the bridge with the tunnels on a host with Open vSwitch."""
    fleet.cloud.lab.hosts[0].switch.vsctl("del-br", "br-tun")


def delete_integration_bridge(fleet: Fleet) -> None:
    """Delete the bridge with the machines on a host with Open vSwitch."""
    fleet.cloud.lab.hosts[0].switch.vsctl("del-br", "br-int")


def restart_switch(fleet: Fleet) -> None:
    """Restart ovs-vswitchd, which forgets every rule."""
    switch = fleet.cloud.lab.hosts[0].switch.switch
    switch.stop()
    switch.start()


@pytest.mark.parametrize("damage", [delete_bridge, delete_tunnel_bridge, delete_integration_bridge, restart_switch])
def test_what_is_broken_by_hand_is_mended(fleet: Fleet, damage: Callable[[Fleet], None]) -> None:
    """Traffic is back in seconds, and hosts are as they were, with what belongs to others."""
    near, far = fleet.cloud.lab.hosts[0], fleet.cloud.lab.bridge_hosts[0]
    one, two = (fleet.machines("vxlan")[host.name] for host in (near, far))
    foreigners(near, far)
    one.wait_for_ping(two.address)
    before = everything(fleet)

    with one.pinging(two.address) as ping:
        damage(fleet)
        one.wait_for_ping(two.address)
        report = ping.stop()

    assert len(report.lost) * report.interval < OUTAGE_LIMIT, str(report)
    wait_until(lambda: everything(fleet) == before, what=lambda: f"{before}\n{everything(fleet)}")


def test_other_networks_do_not_notice_a_deleted_bridge(fleet: Fleet) -> None:
    """The bridge of one network is deleted by hand; another network of the host loses no ping, and no device."""
    host = fleet.cloud.lab.bridge_hosts[0]
    one, two = (fleet.machines("probe")[place.name] for place in (fleet.cloud.lab.hosts[0], host))
    witness, deleted = fleet.machines("vxlan")[host.name], f"brq{fleet.network('vxlan')['id'][:11]}"
    before = devices(host)

    with no_ping_lost([(one, two)]):
        delete_bridge(fleet)
        witness.wait_for_ping(fleet.machines("vxlan")["host-1"].address)

    after = devices(host)
    assert before.pop(deleted) != after.pop(deleted)
    assert before == after


@contextmanager
def bridge_agent_beside(fleet: Fleet, host: Host) -> Iterator[SecondCard]:
    """Have a Linux bridge agent on a host with Open vSwitch while the block runs."""
    second = SecondCard(host)
    second.start(fleet.cloud.lab.underlay)
    try:
        with bridge_agent(second, fleet.cloud.nodes_socket, fleet.cloud.lab.environment):
            wait_until(lambda: "linuxbridge" in alive_on(fleet, host), what="the second agent")
            yield second
    finally:
        second.remove()


def alive_on(fleet: Fleet, host: Host) -> set[str]:
    """Return the drivers whose agents are alive on a host."""
    agents = fleet.cloud.api.list("agent", host=host.name)
    return {agent["binary"].removeprefix("jackfield-") for agent in agents if agent["alive"]}


def test_two_agents_share_a_host(fleet: Fleet) -> None:
    """Open vSwitch and Linux bridge wire a port each on one network of one host, and the two reach each other."""
    cloud, host = fleet.cloud, fleet.cloud.lab.hosts[-1]
    peer = fleet.machines("flat")[fleet.cloud.lab.bridge_hosts[0].name]
    with bridge_agent_beside(fleet, host) as second:
        # The core asks the drivers in their order, so the second gets what the first cannot have.
        cloud.agents[host.name].stop()
        wait_until(lambda: alive_on(fleet, host) == {"linuxbridge"}, what="the end of the first agent")
        bridged = fleet.boot("bridged", "flat", second)
        cloud.agents[host.name].start()
        wait_until(lambda: len(alive_on(fleet, host)) == 2, what="both agents")
        switched = fleet.boot("switched", "flat", host)

        ports = [cloud.api.show("port", machine.vif.port_id) for machine in (bridged, switched)]
        assert [port["binding:vif_type"] for port in ports] == ["tap", "ovs"]
        assert [failure["driver"] for failure in ports[0]["binding:failures"]] == ["ovs"]
        bridged.wait_for_ping(switched.address)
        for machine in (bridged, switched):
            peer.wait_for_ping(machine.address)
            machine.remove()
            cloud.api.delete("port", machine.vif.port_id)
        wait_until(lambda: second.uplink_is_free, what="the network to be gone from the second agent")


def everything(fleet: Fleet) -> list[str]:
    """Return what all hosts hold, without the numbers that ports and networks happen to have inside one."""
    found = [line for host in fleet.cloud.lab.all_hosts for line in host.contents()]
    found = [re.sub(r"(in_port=|output:|dl_vlan=)\d+", r"\1N", line) for line in found]
    return sorted(re.sub(r"set_field:\d+->vlan_vid", "set_field:N->vlan_vid", line) for line in found)


def foreigners(near: Host, far: BridgeHost) -> None:
    """Have switches of somebody else on both hosts."""
    near.switch.add_bridge("br-foreign")
    if "foreign" not in devices(far):
        far.namespace.ip("link", "add", "foreign", "type", "bridge")


def devices(host: BridgeHost) -> dict[str, int]:
    """Return the devices of a host by name, with the number that the kernel gave them."""
    links = json.loads(host.namespace.ip("-json", "link", "show"))
    return {link["ifname"]: link["ifindex"] for link in links}
