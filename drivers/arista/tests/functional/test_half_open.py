"""A connection that dies unheard leaves a session of ours at the switch, with the lock that it held."""

from __future__ import annotations

import pytest
from arista_roads import Road
from arista_switches import hurry, make, trunk
from jackfield_arista.device.errors import CommitLost, LockHeld
from jackfield_arista.device.lost import LostSessions
from jackfield_arista.device.session import Session, Timeouts, connect
from jackfield_arista.device.trust import Trust
from jackfield_arista.inventory.credentials import Credentials
from support.netconf import FakeSwitch, NetconfSwitch

PORT = trunk("Ethernet1", 100)


@pytest.mark.parametrize("kind", ["fake_switch", "netconf_switch"])
def test_a_lock_of_a_session_that_died_unheard_is_taken_back(kind: str, request: pytest.FixtureRequest) -> None:
    """Nobody has to end it at the switch, and what it had on trial does not stay."""
    switch: FakeSwitch | NetconfSwitch = request.getfixturevalue(kind)
    lost = LostSessions()
    with Road(switch.port) as road:
        with open_session(switch, road, lost) as session:
            look = session._look

            def look_and_lose() -> object:
                # The switch is seen to be well, and everything after that is lost: nothing is confirmed.
                health = look()
                if 100 in session.read().vlans:
                    road.swallow()
                    hurry(session)
                return health

            session._look = look_and_lose  # type: ignore[method-assign, assignment]
            with pytest.raises(CommitLost):
                make(session, PORT)
        with open_session(switch, road, lost) as session:
            made = make(session, trunk("Ethernet2", 101))

    assert {100, 101} & made.vlans.keys() == {101}


@pytest.mark.parametrize("kind", ["fake_switch", "netconf_switch"])
def test_a_lock_of_somebody_else_is_left_alone(kind: str, request: pytest.FixtureRequest) -> None:
    """Also if a session of ours had his number before the switch started again."""
    switch: FakeSwitch | NetconfSwitch = request.getfixturevalue(kind)
    lost = LostSessions()
    with Road(switch.port) as road, switch.lock_elsewhere() as holder:
        with open_session(switch, road, lost) as session:
            with pytest.raises(LockHeld) as held:
                make(session, PORT)
            assert held.value.session_id == holder
        lost.add(holder)
        lost.add("100000")
        with open_session(switch, road, lost) as session, pytest.raises(LockHeld):
            # Numbers only rise: this one is lower than one that was lost, so they are of another life.
            make(session, PORT)


def open_session(switch: FakeSwitch | NetconfSwitch, road: Road, lost: LostSessions) -> Session:
    trust = Trust(host_key=switch.host_key)
    credentials = Credentials(switch.user, key_file=switch.key_file)
    times = Timeouts(connect=20, reply=20)
    return connect("127.0.0.1", road.port, credentials, trust, times, switch="leaf", lost=lost)
