"""A switch so slow that a commit on trial is over before anybody has confirmed it: what is said of it is true."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from arista_switches import SAFETY, make, open_session, trunk
from jackfield_arista.device.errors import TrialOver
from jackfield_arista.device.health import Health
from jackfield_arista.device.session import Session
from support.netconf import FakeSwitch, NetconfSwitch
from support.waiting import wait_until

PORT = trunk("Ethernet1", 100)


@pytest.mark.parametrize("kind", ["fake_switch", "netconf_switch"])
def test_a_trial_that_ends_before_it_is_confirmed_is_not_taken_for_true(
    kind: str, request: pytest.FixtureRequest
) -> None:
    """The switch would say yes to that, and hold nothing of it; with more time it is made."""
    switch: FakeSwitch | NetconfSwitch = request.getfixturevalue(kind)
    with open_session(switch) as session, open_session(switch) as other:
        before = other.running_xml()

        def is_over() -> bool:
            return 100 not in other.read().vlans

        # The server looks at its clock when nobody asks it anything.
        on_second_look(session, lambda: wait_until(is_over, what="the trial to end", interval=1.0))
        with pytest.raises(TrialOver, match=r"confirm_timeout"):
            make(session, PORT, safety=replace(SAFETY, confirm_timeout=2))
        assert other.running_xml() == before

    with open_session(switch) as session:
        assert 100 in make(session, PORT).vlans


def test_a_trial_that_ends_before_it_is_looked_at_is_no_lie_of_the_switch(fake_switch: FakeSwitch) -> None:
    """What is missing then was there, and was taken back: the reason is the time, not what the switch shows."""

    def is_over() -> bool:
        return not fake_switch.datastores.is_on_trial

    with open_session(fake_switch) as session:
        fake_switch.after_next_change(lambda: wait_until(is_over, what="the trial to end"))
        with pytest.raises(TrialOver, match=r"confirm_timeout"):
            make(session, PORT, safety=replace(SAFETY, confirm_timeout=2))


def test_a_confirmation_that_comes_too_late_is_not_taken_for_true(fake_switch: FakeSwitch) -> None:
    """It was sent in time, and looked at when the trial was over."""
    before = fake_switch.running()

    def wake_up() -> None:
        wait_until(lambda: not fake_switch.datastores.is_on_trial, what="the trial to end")
        fake_switch.resume()

    waking = threading.Thread(target=wake_up)

    def fall_asleep() -> None:
        fake_switch.pause()
        waking.start()

    with open_session(fake_switch) as session:
        on_second_look(session, fall_asleep)
        with pytest.raises(TrialOver):
            make(session, PORT, safety=replace(SAFETY, confirm_timeout=4))
    waking.join()

    assert fake_switch.running() == before


def on_second_look(session: Session, action: Callable[[], None]) -> None:
    """Have something happen after the switch was seen to be well, with the change on it."""
    look, looks = session._look, iter([False, True])

    def look_and_act() -> Health:
        health = look()
        if next(looks, False):
            action()
        return health

    session._look = look_and_act  # type: ignore[method-assign]
