"""An uplink joins the bridge of a flat network, and the host keeps its addresses."""

from __future__ import annotations

import itertools
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from jackfield_linuxbridge.layout import bridge_name
from jackfield_linuxbridge.uplink import Uplinks
from jackfield_sdk import RetryLater
from linuxbridge_lab import Host
from pyroute2 import IPRoute, netns
from pyroute2.netlink.exceptions import NetlinkError
from support.hosts import Namespace, eventually
from support.views import a_network, a_port

pytestmark = pytest.mark.functional

FLAT = a_network("flat", "flat")
BRIDGE = bridge_name(FLAT.id)


def a_host(lab: Any) -> tuple[Host, Namespace]:
    """Return a host whose uplink has addresses and routes, and its neighbour on the wire."""
    underlay = lab.underlay()
    host = lab.host(underlay)
    # With strict reverse path filtering a host is deaf in the middle of the move.
    for name in ("all", "default", "u0"):
        host.exec("sh", "-c", f"echo 0 >/proc/sys/net/ipv4/conf/{name}/rp_filter")
    underlay.ip("addr", "add", "10.99.0.254/24", "dev", "sw0")
    underlay.ip("addr", "add", "fd99::254/64", "dev", "sw0", "nodad")
    host.ip("addr", "add", "10.99.0.101/24", "dev", "u0")
    host.ip("addr", "add", "fd99::1/64", "dev", "u0", "nodad")
    host.ip("route", "add", "default", "via", "10.99.0.254", "dev", "u0", "metric", "7")
    host.ip("route", "add", "198.51.100.0/24", "dev", "u0", "mtu", "1300")
    host.ip("-6", "route", "add", "default", "via", "fd99::254", "dev", "u0")
    return host, underlay


def networking(host: Host) -> dict[str, list[str]]:
    """Return the host's addresses by device, and its routes."""
    addresses = [
        f"{device['ifname']} {address['local']}/{address['prefixlen']}"
        for device in host.json("addr", "show")
        for address in device["addr_info"]
        if address["scope"] != "link" and device["ifname"] != "lo"
    ]
    routes = [*host.ip("route", "show").splitlines(), *host.ip("-6", "route", "show").splitlines()]
    kept = (re.sub(r" (linkdown|pref medium)", "", route).strip() for route in routes if not route.startswith("fe80"))
    return {"addresses": sorted(addresses), "routes": sorted(kept)}


def moved(before: dict[str, list[str]], source: str, target: str) -> dict[str, list[str]]:
    """Return a host's networking with one device in place of another."""
    return {what: sorted(re.sub(rf"\b{source}\b", target, line) for line in lines) for what, lines in before.items()}


def test_addresses_and_routes_follow_the_uplink_and_come_back(lab: Any) -> None:
    """While the host has the flat network its addresses and routes are on the bridge; without it they are back, and a
    neighbour's pings are answered all the time.
    """
    host, neighbour = a_host(lab)
    before = networking(host)
    agent = lab.agent(host).started()
    pings = lab.pinging(neighbour, "10.99.0.1")

    agent.network(FLAT)
    agent.in_sync()
    eventually(lambda: networking(host) == moved(before, "u0", BRIDGE), "everything is on the bridge")
    assert host.link("u0")["master"] == BRIDGE
    agent.remove_network(FLAT.id)
    eventually(lambda: not host.link(BRIDGE), "the bridge is gone")

    assert networking(host) == before
    assert "master" not in host.link("u0")
    assert pings.lost() == 0


def test_a_bridge_that_is_deleted_comes_back_with_the_hosts_addresses(lab: Any) -> None:
    """Deleting the bridge by hand costs the host its addresses only until the event is handled."""
    host, _ = a_host(lab)
    before = networking(host)
    agent = lab.agent(host).started()
    agent.network(FLAT)
    agent.in_sync()
    eventually(lambda: networking(host) == moved(before, "u0", BRIDGE), "everything is on the bridge")

    host.ip("link", "del", BRIDGE)

    eventually(lambda: networking(host) == moved(before, "u0", BRIDGE), "everything is on the bridge again")


def test_an_uplink_of_somebody_elses_bridge_is_left_there(lab: Any) -> None:
    """The port says which bridge has the uplink, and nothing of the host has changed."""
    host, _ = a_host(lab)
    host.ip("link", "add", "br-mine", "type", "bridge")
    host.ip("link", "set", "u0", "master", "br-mine")
    before = networking(host)
    port = a_port(1, network=FLAT)
    agent = lab.agent(host).started()

    agent.network(FLAT)
    agent.port(port)
    agent.in_sync()

    report = agent.wait_for(port.id, "error")
    assert report["reason"] == 'device u0 of physical_network "leaf" is a port of br-mine already'
    assert networking(host) == before
    assert not host.link(BRIDGE)


def test_an_uplink_with_a_route_that_cannot_be_moved_is_left_as_it_is(lab: Any) -> None:
    """A route over two next hops names the uplink in a way that cannot be moved alone; the port says so."""
    host, _ = a_host(lab)
    hops = ["nexthop", "via", "10.99.0.254", "dev", "u0", "nexthop", "via", "10.99.0.253", "dev", "u0"]
    host.ip("route", "add", "203.0.113.0/24", *hops)
    before = networking(host)
    guest = lab.guest(host, a_port(1, network=FLAT))
    guest.plug()
    agent = lab.agent(host).started()

    agent.network(FLAT)
    agent.port(guest.port)
    agent.in_sync()

    report = agent.wait_for(guest.port.id, "error")
    assert "RTA_MULTIPATH" in report["reason"]
    assert networking(host) == before
    assert "master" not in host.link("u0")


class Failing:
    """The kernel, which refuses the request with some number among those that write."""

    def __init__(self, netlink: IPRoute, refused: int) -> None:
        self._netlink = netlink
        self._left = refused

    def __getattr__(self, name: str) -> Any:
        verb = getattr(self._netlink, name)
        if name not in ("addr", "route", "link"):
            return verb

        def counted(command: str, **arguments: Any) -> Any:
            if command not in ("get", "dump"):
                self._left -= 1
                if self._left == 0:
                    raise NetlinkError(16)
            return verb(command, **arguments)

        return counted


def test_whichever_request_fails_the_host_is_as_before(lab: Any) -> None:
    """Taking an uplink and giving it back have all their steps undone, whichever of them the kernel refuses."""
    host, _ = a_host(lab)
    host.ip("link", "add", BRIDGE, "type", "bridge")
    host.ip("link", "set", BRIDGE, "up")
    mac_address = host.link("u0")["address"]
    host.ip("link", "set", BRIDGE, "address", mac_address)

    def fail_at_every_request() -> None:
        with IPRoute() as netlink:
            for verb in ("take", "give_back"):
                before, master = networking(host), host.link("u0").get("master")
                for number in itertools.count(1):
                    try:
                        getattr(Uplinks(Failing(netlink, number)), verb)("u0", BRIDGE)
                    except RetryLater:
                        assert networking(host) == before, f"{verb}, request {number}"
                        assert host.link("u0").get("master") == master
                    else:
                        break
                # Three addresses and three routes, each on two devices, and the port of the bridge.
                assert number > 9

    # A thread enters the namespace; pyroute2 would fork this process, threads of others and all.
    with ThreadPoolExecutor(1, initializer=netns.setns, initargs=(host.name,)) as inside:
        inside.submit(fail_at_every_request).result()


def test_an_uplink_gives_its_bridge_its_mtu(lab: Any) -> None:
    """The host's addresses have the MTU that they had, although guests' taps have a smaller one."""
    host = lab.host(lab.underlay())
    host.ip("link", "set", "u0", "mtu", "9000")
    guest = lab.guest(host, a_port(1, network=FLAT))
    guest.plug()
    agent = lab.agent(host).started()

    agent.network(FLAT)
    agent.port(guest.port)
    agent.wait_for(guest.port.id, "up")

    assert [host.link(name)["mtu"] for name in ("u0", BRIDGE, guest.tap)] == [9000, 9000, 1500]
