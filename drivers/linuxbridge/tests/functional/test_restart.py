"""Nothing is lost when a process goes and comes back."""

from __future__ import annotations

from typing import Any

import pytest
from linuxbridge_lab import AgentProcess
from linuxbridge_pairs import Side, a_pair
from support.hosts import eventually

pytestmark = pytest.mark.functional


def restarted(lab: Any, side: Side, **settings: Any) -> AgentProcess:
    """Kill a side's agent as a crash does and start another one, which knows nothing yet."""
    side.agent.kill()
    side.agent = lab.agent(side.host, **settings).started()
    return side.agent


def test_a_restart_of_the_agent_loses_no_ping_and_makes_nothing_anew(lab: Any) -> None:
    """While both agents are killed, started and told everything again, a ping every 10 ms gets through."""
    one, two = a_pair(lab)
    before = {side.host.name: _devices(side) for side in (one, two)}
    pings = lab.pinging(one.guest, "192.168.7.2")

    for side in (one, two):
        agent = restarted(lab, side)
        side.tell()
        agent.in_sync()
        agent.wait_for(side.port.id, "up")

    assert pings.lost() == 0
    for side in (one, two):
        assert _devices(side) == before[side.host.name]


def test_the_core_being_silent_deletes_nothing(lab: Any) -> None:
    """An agent that was told nothing yet leaves everything, even when the host's devices change."""
    one, _ = a_pair(lab)
    before = _devices(one)
    pings = lab.pinging(one.guest, "192.168.7.2")

    restarted(lab, one)
    one.host.ip("link", "add", "br-new", "type", "bridge")

    assert pings.lost() == 0
    assert _devices(one).items() >= before.items()


def test_what_is_stale_goes_after_the_first_complete_sync(lab: Any) -> None:
    """A network that ended while the agent was away leaves no device, and its guest's tap is nobody's port."""
    one, _ = a_pair(lab)
    ours = {name for name, link in one.host.links().items() if link.get("ifalias", "").startswith("jackfield/")}
    assert len(ours) == 3

    agent = restarted(lab, one)
    agent.in_sync()

    eventually(lambda: not (ours - {one.guest.tap}) & one.host.links().keys(), "bridge and tunnel are gone")
    eventually(lambda: not one.host.link(one.guest.tap).get("ifalias"), "the tap is nobody's port")
    assert "master" not in one.host.link(one.guest.tap)


def _devices(side: Side) -> dict[str, tuple[object, ...]]:
    """Return the host's devices with what shows that they are the same ones."""
    return {name: (link["ifindex"], link.get("master"), link["mtu"]) for name, link in side.host.links().items()}
