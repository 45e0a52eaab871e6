"""A switch that falls silent at any step of a connection is given up in time."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from arista_switches import open_session
from jackfield_arista.device.errors import Unreachable
from jackfield_arista.device.session import Timeouts
from support.netconf import FakeSwitch, doorman

STEPS = ("check_auth_publickey", "check_channel_request", "check_channel_subsystem_request")


@pytest.fixture
def silence(fake_switch: FakeSwitch) -> Iterator[threading.Event]:
    """Give what ends the silence; it ends with the test."""
    over = threading.Event()
    yield over
    over.set()


@pytest.mark.parametrize("step", STEPS)
def test_a_switch_that_falls_silent_is_unreachable(
    fake_switch: FakeSwitch, silence: threading.Event, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the key, after the login, or before NETCONF begins: nobody waits for it for ever."""

    def say_nothing(*_: object) -> int:
        silence.wait()
        return 0

    monkeypatch.setattr(doorman._Checks, step, say_nothing, raising=False)

    with pytest.raises(Unreachable, match="no NETCONF session begins"):
        open_session(fake_switch, timeouts=Timeouts(connect=5, reply=1))
