"""A network that is VXLAN between racks and a VLAN in each: bound level by level, by the drivers that ship.

A vendor of switches binds level 0 and asks for a VLAN on the rack of the host;
Open vSwitch or Linux bridge plugs the host into that. Hosts in no rack end the
tunnel themselves, on the same network.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.mixed_site import HostPlan, Site, mixed_site

HOSTS = {
    "ovs-1": HostPlan("ovs", "198.51.100.1", "leaf1"),
    "ovs-2": HostPlan("ovs", "198.51.100.2", "leaf1"),
    "bridge-1": HostPlan("linuxbridge", "198.51.100.3", "leaf2"),
    "direct-1": HostPlan("ovs", "198.51.100.4"),
    "direct-2": HostPlan("linuxbridge", "198.51.100.5"),
}
RACKS = {"ovs-1": "leaf1", "ovs-2": "leaf1", "bridge-1": "leaf2", "empty-1": "leaf2", "ovs-9": "leaf9"}


@pytest.fixture
async def site(database_url: str) -> AsyncIterator[Site]:
    """Run two racks of one vendor, and hosts in and out of them."""
    drivers = ["fabric", "ovs", "linuxbridge"]
    async with mixed_site(database_url, drivers, {"fabric": RACKS}, HOSTS) as site:
        yield site


@pytest.fixture
async def small_site(tmp_path: Path) -> AsyncIterator[Site]:
    """Run the same for what does not depend on the database."""
    url = f"sqlite:///{tmp_path}/core.sqlite"
    async with mixed_site(url, ["fabric", "ovs", "linuxbridge"], {"fabric": RACKS}, HOSTS) as site:
        yield site


def drivers_of(port: Any) -> dict[str, str]:
    """Return the driver of each level of a port's binding, as compute services are told."""
    found: dict[str, str] = port["binding:vif_details"]["bound_drivers"]
    return found


def expect_vlan(view: Any, leaf: str, vlan: int) -> None:
    """Expect that a host carries the segment of the last level, and no tunnel."""
    assert view is not None
    assert (view.network_type, view.physical_network, view.segmentation_id) == ("vlan", leaf, vlan)
    assert (view.endpoints, view.forwarding) == ((), ()), "what a switch floods needs no tunnels"


async def test_a_network_is_a_vlan_in_each_rack(site: Site) -> None:
    """From the binding to the host and the switch, and back to nothing when the last port of a rack has gone."""
    network = await site.network()
    vni = network["provider:segmentation_id"]
    first, second = await site.port(network, "ovs-1"), await site.port(network, "ovs-2")
    third = await site.port(network, "bridge-1")
    vlans = await site.leaves(network)

    assert drivers_of(first) == drivers_of(second) == {"0": "fabric", "1": "ovs"}
    assert drivers_of(third) == {"0": "fabric", "1": "linuxbridge"}
    assert (first["binding:vif_type"], third["binding:vif_type"]) == ("ovs", "tap")
    assert set(vlans) == {"leaf1", "leaf2"}
    assert await site.levels(first["id"]) == [
        ("fabric", "vxlan", None, vni),
        ("ovs", "vlan", "leaf1", vlans["leaf1"]),
    ]
    for port in (first, second, third):
        await site.active(port["id"])
    fabric = site.vendors["fabric"]
    assert fabric.vlans() == {
        first["id"]: ("leaf1", vlans["leaf1"]),
        second["id"]: ("leaf1", vlans["leaf1"]),
        third["id"]: ("leaf2", vlans["leaf2"]),
    }
    for host, leaf in (("ovs-1", "leaf1"), ("ovs-2", "leaf1"), ("bridge-1", "leaf2")):
        expect_vlan(site.view(host, network), leaf, vlans[leaf])

    await site.delete(first)

    async def is_taken_off() -> bool:
        return first["id"] not in fabric.vlans()

    await site.eventually(is_taken_off, "the switch to let go of the port")
    assert await site.leaves(network) == vlans, "another port of the rack counts on it"

    await site.delete(second, third)

    async def is_empty() -> bool:
        return not await site.leaves(network)

    await site.eventually(is_empty, "the segments to leave")
    assert fabric.vlans() == {}

    async def is_told() -> bool:
        return site.did(network["id"])[-1] == ("fabric", "update network with nothing")

    await site.eventually(is_told, "the vendor to be told that the VLANs are gone")


async def test_hosts_in_racks_and_hosts_without_share_a_network(small_site: Site) -> None:
    """Who ends the tunnel himself hears of the others who do, and not of those behind a switch."""
    site = small_site
    network = await site.network()
    racked = await site.port(network, "ovs-1")
    direct, peer = await site.port(network, "direct-1"), await site.port(network, "direct-2")

    assert drivers_of(direct) == {"0": "ovs"}
    assert drivers_of(peer) == {"0": "linuxbridge"}
    assert {one["driver"]: one["reason"] for one in direct["binding:failures"]} == {
        "fabric": "host direct-1 is on no switch of fabric"
    }

    async def is_carried() -> bool:
        view, behind = site.view("direct-1", network), site.view("ovs-1", network)
        return bool(view and behind and view.endpoints == ("198.51.100.5",))

    await site.eventually(is_carried, "the hosts to carry the network")
    view, behind = site.view("direct-1", network), site.view("ovs-1", network)
    assert view is not None
    assert behind is not None
    assert (view.network_type, view.segmentation_id) == ("vxlan", network["provider:segmentation_id"])
    assert [entry.mac_address for entry in view.forwarding] == [peer["mac_address"]]
    assert (behind.network_type, behind.endpoints) == ("vlan", ())
    for port in (racked, direct, peer):
        await site.active(port["id"])


async def test_a_port_moves_between_racks_and_out_of_them(small_site: Site) -> None:
    """At every place it is bound as that place is, and the place that it has left forgets it."""
    site = small_site
    network = await site.network()
    port = await site.port(network, "ovs-1")
    await site.active(port["id"])

    await site.update(port["id"], **{"binding:host_id": "bridge-1"})
    assert drivers_of(await site.bound(port["id"])) == {"0": "fabric", "1": "linuxbridge"}
    await site.active(port["id"])

    async def has_left_the_first_rack() -> bool:
        return set(await site.leaves(network)) == {"leaf2"} and not site.agents["ovs-1"].ports

    await site.eventually(has_left_the_first_rack, "leaf1 to be left")
    assert site.vendors["fabric"].vlans() == {port["id"]: ("leaf2", (await site.leaves(network))["leaf2"])}

    await site.update(port["id"], **{"binding:host_id": "direct-1"})
    assert drivers_of(await site.bound(port["id"])) == {"0": "ovs"}
    await site.active(port["id"])

    async def has_left_all_racks() -> bool:
        return not await site.leaves(network) and not site.vendors["fabric"].vlans()

    await site.eventually(has_left_all_racks, "all racks to be left")


async def test_a_rack_that_cannot_take_the_port_says_so_at_its_level(small_site: Site) -> None:
    """No agent and no range: each is a reason of its own, with the level and the segment that it was about."""
    site = small_site
    network = await site.network()

    async def failures(network: Any, host: str) -> dict[tuple[str, int], Any]:
        body = {"port": {"network_id": network["id"], "binding:host_id": host}}
        port = (await site.request("POST", "ports", json=body)).json()["port"]
        assert port["binding:vif_type"] == "binding_failed"
        found = {(one["driver"], one["level"]): one for one in port["binding:failures"]}
        await site.delete(port)
        return found

    said = await failures(network, "empty-1")
    assert said["ovs", 1]["reason"] == "host empty-1: the ovs agent is not known"
    assert said["linuxbridge", 1]["reason"] == "host empty-1: the linuxbridge agent is not known"
    (leaf,) = (await site.get(f"segments?network_id={network['id']}&jackfield:dynamic=true"))["segments"]
    assert said["ovs", 1]["segment_id"] == said["linuxbridge", 1]["segment_id"] == leaf["id"]

    wanted = 'no segment for the next level: there is no range of vlan on physical_network "leaf9" to allocate from'
    assert (await failures(network, "ovs-9"))["fabric", 0]["reason"] == wanted


async def test_a_number_that_a_switch_does_not_want_is_not_given(tmp_path: Path) -> None:
    """The vendor judges the segment before anybody is told of it; each network gets another number."""
    racks, hosts = {"ovs-1": "leaf1"}, {"ovs-1": HOSTS["ovs-1"]}
    url = f"sqlite:///{tmp_path}/core.sqlite"
    async with mixed_site(url, ["fabric", "ovs"], {"fabric": racks}, hosts, reserved=[100]) as site:
        networks = [await site.network() for _ in range(6)]

        ports = [await site.port(network, "ovs-1") for network in networks]

        vlans = [(await site.leaves(network))["leaf1"] for network in networks]
        assert 100 not in vlans
        for port in ports:
            await site.active(port["id"])
        on_switch = {port["id"]: ("leaf1", vlan) for port, vlan in zip(ports, vlans, strict=True)}
        assert site.vendors["fabric"].vlans() == on_switch
        told = {did for network in networks for _, did in site.did(network["id"])}
        assert "update network with 100" not in told
