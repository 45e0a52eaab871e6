"""What a switch refuses, said so that an operator can act."""

from __future__ import annotations

import pytest
from jackfield_arista.configuration.difference import Cause, Obstacle
from jackfield_arista.device.errors import (
    CommitLost,
    LockHeld,
    Obstructed,
    Refusal,
    RpcFailed,
    SwitchError,
)
from jackfield_sdk import DeviceConflict, Effect, RetryLater


def _family(error: type[SwitchError]) -> set[type[SwitchError]]:
    return {error}.union(*(_family(one) for one in error.__subclasses__()))


def test_every_error_has_a_code_of_its_own() -> None:
    """Alerts match on it."""
    codes = [error.code for error in _family(SwitchError) if hasattr(error, "code")]
    codes += [Obstructed("leaf-1", Obstacle(cause, "")).code for cause in Cause]

    assert len(codes) == len(set(codes)) >= 14


def test_an_error_names_the_switch_and_becomes_an_answer() -> None:
    """The core gets the sentence, the code, and what may have been left behind."""
    answer = CommitLost("leaf-1", "ended the session", effect=Effect.MAYBE).answer()

    assert isinstance(answer, RetryLater)
    assert (answer.reason, answer.code, answer.effect) == (
        'switch "leaf-1": ended the session',
        "COMMIT_LOST",
        Effect.MAYBE,
    )


@pytest.mark.parametrize(
    ("cause", "code"),
    [
        (Cause.VLAN_TAKEN, "VLAN_TAKEN"),
        (Cause.PORT_MISSING, "INTERFACE_MISSING"),
        (Cause.PORT_TAKEN, "PORT_TAKEN"),
        (Cause.VNI_TAKEN, "VNI_TAKEN"),
    ],
)
def test_an_obstacle_is_for_the_operator(cause: Cause, code: str) -> None:
    """Every cause has its code, and none of them is tried again soon."""
    answer = Obstructed("leaf-1", Obstacle(cause, "VLAN 7 is there already")).answer()

    assert isinstance(answer, DeviceConflict)
    assert (answer.code, answer.reason) == (code, 'switch "leaf-1": VLAN 7 is there already')


def test_every_error_of_a_reply_is_told() -> None:
    """With tag, path and the switch's own words; the first one is the error's own."""
    error = RpcFailed(
        "leaf-1", "the edit", (Refusal("invalid-value", "/vlans/vlan", "out of range"), Refusal("access-denied"))
    )

    assert (error.tag, error.path, error.message) == ("invalid-value", "/vlans/vlan", "out of range")
    assert error.reason.endswith("refuses the edit: invalid-value at /vlans/vlan: out of range; access-denied")


def test_a_lock_names_who_holds_it() -> None:
    """As far as the switch says."""
    assert "session 17 holds" in LockHeld("leaf-1", "candidate", "17").reason
    assert "another session holds" in LockHeld("leaf-1", "candidate", "").reason
