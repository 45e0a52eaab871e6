"""What one switch should hold of all that is wanted of it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from jackfield_arista.configuration import ownership
from jackfield_arista.configuration.model import Configuration, Mode, SwitchPort
from jackfield_arista.fleet.plan import Situation, plan_for
from jackfield_arista.memory.tables import Row
from jackfield_arista.wanted.wants import Membership
from jackfield_sdk import Kind, RetryLater

DEPLOYMENT = "blue"
RED, GREEN = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))


def a_row(number: int, network: str, port: str, vlan: int, mode: Mode = Mode.TRUNK, **more: Any) -> Row:
    told: dict[str, Any] = {"revision": 1, "leaving": False, "made": False} | more
    return Row(number, Kind.PORT, f"port-{number}", network, Membership("leaf1", port, mode, vlan), **told)


def a_trunk(name: str, *vlans: int) -> SwitchPort:
    return SwitchPort(name, Mode.TRUNK, trunk_vlans=frozenset(vlans))


def a_situation(
    *rows: Row, vlans: Mapping[int, str] | None = None, ports: tuple[SwitchPort, ...] = (), **more: Any
) -> Situation:
    names = {port.name: port for port in (SwitchPort("Ethernet1"), SwitchPort("Ethernet2"), *ports)}
    marked = {vlan: ownership.mark(DEPLOYMENT, network) for vlan, network in (vlans or {}).items()}
    told: dict[str, Any] = {"known": {RED, GREEN}} | more
    return Situation("leaf1", DEPLOYMENT, rows, Configuration(marked, names), **told)


def test_a_vlan_belongs_to_the_network_that_came_first() -> None:
    """The other one waits, and its ports are told whose it is."""
    plan = plan_for(a_situation(a_row(1, RED, "Ethernet1", 7), a_row(2, GREEN, "Ethernet2", 7)))

    error = plan.failures[Kind.PORT, "port-2"]
    assert isinstance(error, RetryLater)
    assert RED in error.reason
    assert plan.wanted.vlans == {7: ownership.mark(DEPLOYMENT, RED)}
    assert plan.edit.ports.keys() == {"Ethernet1"}


def test_an_access_vlan_beside_trunk_vlans_is_the_native_one() -> None:
    """A machine and a hypervisor on one interface share it: the one without tags, the other with."""
    rows = a_row(1, RED, "Ethernet1", 7, Mode.ACCESS), a_row(2, GREEN, "Ethernet1", 8)
    wanted = plan_for(a_situation(*rows)).wanted.ports["Ethernet1"]

    assert wanted is not None
    assert (wanted.mode, wanted.native_vlan, wanted.trunk_vlans) == (Mode.TRUNK, 7, {8})


def test_a_vlan_that_gets_another_network_loses_every_port_of_the_old_one() -> None:
    """Frames of the new network must not come out where the old one was."""
    rows = a_row(1, RED, "Ethernet2", 7, leaving=True), a_row(2, GREEN, "Ethernet1", 7)
    inherited = {("Ethernet2", 7): RED}
    plan = plan_for(a_situation(*rows, vlans={7: RED}, ports=(a_trunk("Ethernet2", 7),), inherited=inherited))

    after = plan.edit.applied_to(a_situation().configuration)
    assert after.vlans[7] == ownership.mark(DEPLOYMENT, GREEN)
    assert not after.port("Ethernet2").carries(7)
    assert after.port("Ethernet1").carries(7)


def test_what_is_left_out_stays_as_it_is() -> None:
    """Neither what is wanted is made, nor what leaves is removed."""
    rows = a_row(1, RED, "Ethernet1", 7), a_row(2, GREEN, "Ethernet2", 8, leaving=True)
    ports = (a_trunk("Ethernet2", 8),)
    plan = plan_for(a_situation(*rows, vlans={8: GREEN}, ports=ports, left_out={1, 2}))

    assert plan.edit.is_empty
    assert (plan.made, plan.gone) == ((), ())


def test_what_was_there_before_the_memory_stays_until_its_network_goes() -> None:
    """A port that nobody has told of yet may need it."""
    inherited = {("", 7): RED, ("Ethernet2", 7): RED}
    leaving = a_row(1, RED, "Ethernet1", 7, leaving=True)
    ports = (a_trunk("Ethernet1", 7), a_trunk("Ethernet2", 7))
    plan = plan_for(a_situation(leaving, vlans={7: RED}, ports=ports, inherited=inherited))
    assert plan.edit.ports.keys() == {"Ethernet1"}
    assert not plan.edit.vlans

    network = Row(2, Kind.NETWORK, RED, RED, Membership("leaf1", "", Mode.TRUNK, 0), 2, leaving=True, made=False)
    plan = plan_for(a_situation(leaving, network, vlans={7: RED}, ports=ports, inherited=inherited))
    assert plan.edit.ports.keys() == {"Ethernet1", "Ethernet2"}
    assert plan.edit.vlans[7].after is None


def test_a_port_is_remembered_as_it_was_and_given_back() -> None:
    """What it was is taken down before anything of ours comes on it, and put back when nothing of ours is left."""
    before = SwitchPort("Ethernet1", Mode.ACCESS, access_vlan=30)
    plan = plan_for(a_situation(a_row(1, RED, "Ethernet1", 7, Mode.ACCESS), ports=(before,)))
    assert plan.takes == (before,)

    leaving = a_row(1, RED, "Ethernet1", 7, Mode.ACCESS, leaving=True)
    now = SwitchPort("Ethernet1", Mode.ACCESS, access_vlan=7)
    plan = plan_for(a_situation(leaving, vlans={7: RED}, ports=(now,), taken={"Ethernet1": before}))
    assert plan.edit.ports["Ethernet1"].after == before
    assert plan.freed == ("Ethernet1",)


def test_a_vlan_of_a_network_that_nobody_told_of_is_left_alone() -> None:
    """It may be another core's word that has not come yet, or an orphan: both are for the core to say."""
    plan = plan_for(a_situation(vlans={9: RED}, ports=(a_trunk("Ethernet2", 9),), known=()))

    assert plan.edit.is_empty
