"""A port is wired when both its view and its interface are there, and soon."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.hosts import eventually
from support.views import a_network, a_port

pytestmark = pytest.mark.functional

NETWORK = a_network("net", "local")


def test_a_port_is_down_until_its_interface_appears_and_after_it_goes(lab: Any) -> None:
    """The state follows the interface, and the reason says what is missing."""
    host = lab.host()
    agent = lab.agent(host).started()
    port = a_port(1, network=NETWORK)
    guest = lab.guest(host, port)
    agent.network(NETWORK)
    agent.port(port)
    report = agent.wait_for(port.id, "down")
    assert report["reason"] == f"no interface with iface-id {port.id} on br-int"

    guest.plug()
    agent.wait_for(port.id, "up")
    guest.unplug()

    agent.wait_for(port.id, "down")


def test_the_interface_may_come_first(lab: Any) -> None:
    """An interface that was plugged before the core told of the port is wired when it does."""
    host = lab.host()
    agent = lab.agent(host).started()
    port = a_port(1, network=NETWORK)
    lab.guest(host, port).plug()

    agent.network(NETWORK)
    agent.port(port)

    agent.wait_for(port.id, "up")


def test_a_device_that_cannot_be_opened_is_an_error_in_the_words_of_the_switch(lab: Any) -> None:
    """What Open vSwitch says of a missing device reaches the port's reason."""
    host = lab.host()
    agent = lab.agent(host).started()
    port = a_port(1, network=NETWORK)
    agent.network(NETWORK)
    agent.port(port)

    ids = f"external_ids:iface-id={port.id}"
    host.vsctl("--no-wait", "add-port", "br-int", "missing0", "--", "set", "interface", "missing0", ids)

    report = agent.wait_for(port.id, "error")
    assert "missing0" in report["reason"]
    assert "No such device" in report["reason"]


def test_a_port_that_is_administratively_down_is_dead(lab: Any) -> None:
    """With admin_state_up off nothing passes and the port is down; on again, it passes again."""
    host = lab.host()
    agent = lab.agent(host).started()
    ports = [a_port(1, network=NETWORK), a_port(2, network=NETWORK)]
    guests = [lab.guest(host, port) for port in ports]
    agent.network(NETWORK)
    for port, guest in zip(ports, guests, strict=True):
        agent.port(port)
        guest.plug()
        agent.wait_for(port.id, "up")
    eventually(lambda: guests[0].pings("192.168.7.2"), "the guests talk")

    agent.port(replace(ports[0], admin_state_up=False, version="2"))

    assert agent.wait_for(ports[0].id, "down", version="2")["reason"] == "admin_state_up is False"
    assert host.vsctl("get", "port", guests[0].tap, "tag") == "4095"
    eventually(lambda: not guests[0].pings("192.168.7.2"), "nothing passes")
    agent.port(replace(ports[0], version="3"))
    agent.wait_for(ports[0].id, "up", version="3")
    eventually(lambda: guests[0].pings("192.168.7.2"), "it passes again")


def test_a_port_is_wired_because_its_interface_appears(lab: Any) -> None:
    """The switch's own word wakes the agent, which would look by itself in an hour; `bench.wiring` has the times."""
    host = lab.host()
    agent = lab.agent(host, audit_interval=3600).started()
    agent.network(NETWORK)
    agent.in_sync()
    for number in range(1, 21):
        port = a_port(number, network=NETWORK)
        agent.port(port)
        agent.wait_for(port.id, "down")
        device = f"t{number}"
        ids = f"external_ids:iface-id={port.id}"
        add = ["--no-wait", "add-port", "br-int", device, "--", "set", "interface", device, "type=internal", ids]
        host.vsctl(*add)
        agent.wait_for(port.id, "up")


def test_a_hundred_ports_are_wired_together(lab: Any) -> None:
    """A hundred interfaces that appear together take a few changes of the switch; `bench.wiring` has the times."""
    host = lab.host()
    agent = lab.agent(host, audit_interval=3600).started()
    agent.network(NETWORK)
    agent.in_sync()
    ports = [a_port(number, network=NETWORK) for number in range(1, 101)]
    for port in ports:
        agent.port(port)
    add: list[str] = ["--no-wait"]
    for number, port in enumerate(ports):
        ids = f"external_ids:iface-id={port.id}"
        device = f"t{number}"
        add += ["--", "add-port", "br-int", device, "--", "set", "interface", device, "type=internal", ids]
    before = agent.log().count("ovsdb.changed")

    host.vsctl(*add)

    for port in ports:
        agent.wait_for(port.id, "up")
    changes = agent.log().count("ovsdb.changed") - before
    print(f"a hundred ports after {changes} changes")
    assert 1 <= changes <= 20
