"""An uplink whose network ends or changes: the host keeps its addresses whatever became of the bridge."""

from __future__ import annotations

from typing import Any

import pytest
from jackfield_linuxbridge.layout import bridge_name
from linuxbridge_lab import AgentProcess, Host
from support.hosts import eventually
from support.views import a_network

pytestmark = pytest.mark.functional

FLAT, OTHER = a_network("flat", "flat"), a_network("other", "flat")
BRIDGE, OTHER_BRIDGE = bridge_name(FLAT.id), bridge_name(OTHER.id)


def a_host_with_a_flat_network(lab: Any) -> tuple[Host, AgentProcess]:
    """Return a host whose addresses and default route are on the bridge of the flat network, and its agent."""
    host = lab.host(lab.underlay())
    host.ip("route", "add", "default", "via", "10.99.0.254", "dev", "u0")
    agent = lab.agent(host, audit_interval=600).started()
    agent.network(FLAT)
    agent.in_sync()
    becomes(host, BRIDGE)
    return host, agent


def becomes(host: Host, device: str) -> None:
    """Wait until the host has its addresses and its default route on a device."""

    def there() -> bool:
        return addresses(host, device) == ["10.99.0.1"] and f"dev {device}" in host.ip("route", "show", "default")

    eventually(there, lambda: f"addresses and routes are on {device}: {host.ip('addr')} {host.ip('route')}")


def addresses(host: Host, device: str) -> list[str]:
    shown = host.json("addr", "show", "dev", device, "scope", "global")
    # A device without such addresses shows an empty one.
    return [address["local"] for link in shown for address in link.get("addr_info", ()) if address]


def test_one_flat_network_follows_another(lab: Any) -> None:
    """When a network ends and another one of the same uplink comes, the host's addresses go on to its bridge."""
    host, agent = a_host_with_a_flat_network(lab)

    agent.remove_network(FLAT.id)
    agent.network(OTHER)

    becomes(host, OTHER_BRIDGE)
    eventually(lambda: not host.link(BRIDGE), "the bridge before is gone")
    assert host.link("u0")["master"] == OTHER_BRIDGE


def test_one_flat_network_followed_another_while_the_agent_was_away(lab: Any) -> None:
    """An agent that starts with the new network finds the addresses on the old one's bridge, and moves them."""
    host, agent = a_host_with_a_flat_network(lab)
    agent.kill()

    agent = lab.agent(host).started()
    agent.network(OTHER)
    becomes(host, OTHER_BRIDGE)
    agent.in_sync()

    eventually(lambda: not host.link(BRIDGE), "the bridge before is gone")
    assert addresses(host, OTHER_BRIDGE) == ["10.99.0.1"]


def test_an_uplink_that_was_taken_out_by_hand_gets_the_addresses_of_a_network_that_ended(lab: Any) -> None:
    """Without the agent somebody took the uplink out of its bridge: the addresses come back before the bridge goes."""
    host, agent = a_host_with_a_flat_network(lab)
    agent.stop()
    host.ip("link", "set", "u0", "nomaster")

    lab.agent(host).started().in_sync()

    becomes(host, "u0")
    eventually(lambda: not host.link(BRIDGE), "the bridge is gone")


def test_an_uplink_that_somebodys_bridge_took_gets_them_there(lab: Any) -> None:
    """Addresses work on the bridge that has the device, so it is this one that gets them."""
    host, agent = a_host_with_a_flat_network(lab)
    agent.stop()
    host.ip("link", "add", "br-mine", "type", "bridge")
    host.ip("link", "set", "br-mine", "up")
    host.ip("link", "set", "u0", "master", "br-mine")

    lab.agent(host).started().in_sync()

    becomes(host, "br-mine")
    eventually(lambda: not host.link(BRIDGE), "the bridge is gone")
    assert host.link("u0")["master"] == "br-mine"


def test_a_bridge_whose_uplink_is_gone_stays_with_the_addresses(lab: Any) -> None:
    """There is no device to give them back to: the bridge goes only when somebody has taken them away."""
    host, agent = a_host_with_a_flat_network(lab)
    host.ip("link", "del", "u0")

    agent.remove_network(FLAT.id)

    eventually(lambda: "the host has addresses on it" in host.log(), "the log says why the bridge stays")
    assert addresses(host, BRIDGE) == ["10.99.0.1"]


def test_an_address_that_comes_later_follows_by_the_event_of_it(lab: Any) -> None:
    """Long before any audit an address that somebody gave the uplink is on the bridge."""
    host, _ = a_host_with_a_flat_network(lab)

    host.ip("addr", "add", "10.98.0.1/24", "dev", "u0")
    eventually(lambda: addresses(host, BRIDGE) == ["10.99.0.1", "10.98.0.1"], "the address is on the bridge")
    host.ip("addr", "add", "fd98::1/64", "dev", "u0", "nodad")
    eventually(lambda: "fd98::1" in addresses(host, BRIDGE), "the IPv6 address is on the bridge")

    # It is on both for a moment: connections must not notice.
    eventually(lambda: addresses(host, "u0") == [], "the uplink has none")
