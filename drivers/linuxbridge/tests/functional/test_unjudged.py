"""No tap is in a bridge of ours that the filter does not judge."""

from __future__ import annotations

from typing import Any

import pytest
from jackfield_linuxbridge.layout import bridge_name
from linuxbridge_lab import AgentProcess, Guest, Host, eventually
from linuxbridge_views import a_network, a_port

pytestmark = pytest.mark.functional

NET = a_network(network_type="local", segmentation_id=None, mtu=1400)
BRIDGE = bridge_name(NET.id)


def a_wired_guest(lab: Any, *, alias: str = "") -> tuple[Host, Guest, AgentProcess]:
    """Return a host, a guest on it that is up, and the host's agent; the guest's tap may have an alias."""
    host = lab.host()
    guest = lab.guest(host, a_port(1, network=NET))
    guest.plug()
    if alias:
        host.ip("link", "set", guest.tap, "alias", alias)
    agent = lab.agent(host, audit_interval=600).started()
    agent.network(NET)
    agent.port(guest.port)
    agent.in_sync()
    agent.wait_for(guest.port.id, "up")
    assert host.link(guest.tap)["master"] == BRIDGE
    return host, guest, agent


def test_a_tap_that_is_renamed_leaves_its_bridge_until_it_has_its_name_again(lab: Any) -> None:
    """The filter knows a tap by its name: under another one its guest could say what it likes."""
    host, guest, agent = a_wired_guest(lab)

    host.ip("link", "set", guest.tap, "down")
    host.ip("link", "set", guest.tap, "name", "vnet0")

    agent.wait_for(guest.port.id, "down")
    eventually(lambda: "master" not in host.link("vnet0"), "the tap is in no bridge")
    host.ip("link", "set", "vnet0", "name", guest.tap)
    agent.wait_for(guest.port.id, "up")
    assert host.link(guest.tap)["master"] == BRIDGE


def test_a_tap_with_somebodys_alias_leaves_its_bridge_with_its_port(lab: Any) -> None:
    """It has no mark, but the name of a tap that no port of this host has: it is out, and keeps its alias."""
    host, guest, agent = a_wired_guest(lab, alias="instance-1")

    agent.remove_port(guest.port.id)

    eventually(lambda: "master" not in host.link(guest.tap), "the tap is in no bridge")
    assert host.link(guest.tap)["ifalias"] == "instance-1"
