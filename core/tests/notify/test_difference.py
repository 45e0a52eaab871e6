"""What is told follows from what was told last and what is true."""

import pytest
from jackfield_core.db.notice import NO_VIF, Vif
from jackfield_core.notify.difference import last_steps, steps
from msgspec.structs import replace

PORT, SERVER, OTHER = "port", "server-1", "server-2"
DOWN = Vif(SERVER, False, 0, "fa:16:3e:00:00:01", ("192.0.2.5",))
UP = replace(DOWN, is_active=True, activations=1)
MOVED = {"ip_addresses": ("192.0.2.6",)}


@pytest.mark.parametrize(
    ("told", "true", "expected"),
    [
        (DOWN, DOWN, []),
        (UP, UP, []),
        (DOWN, UP, [("network-vif-plugged", SERVER)]),
        (UP, replace(UP, is_active=False), [("network-vif-unplugged", SERVER)]),
        (UP, replace(UP, activations=2), [("network-vif-plugged", SERVER)]),
        (DOWN, replace(DOWN, activations=1), []),
        (DOWN, replace(DOWN, **MOVED), [("network-changed", SERVER)]),
        (UP, replace(UP, mac_address="fa:16:3e:00:00:02"), [("network-changed", SERVER)]),
        (DOWN, replace(UP, **MOVED), [("network-changed", SERVER), ("network-vif-plugged", SERVER)]),
        (NO_VIF, DOWN, []),
        (NO_VIF, UP, [("network-vif-plugged", SERVER)]),
        (DOWN, NO_VIF, [("network-changed", SERVER)]),
        (UP, NO_VIF, [("network-vif-unplugged", SERVER), ("network-changed", SERVER)]),
        (DOWN, replace(UP, server=OTHER), [("network-changed", SERVER), ("network-vif-plugged", OTHER)]),
    ],
)
def test_events_follow_from_the_difference(told: Vif, true: Vif, expected: list[tuple[str, str]]) -> None:
    """Each event names the server that has to know it and the port, and there is none without need."""
    events = [step.event for step in steps(PORT, told, true)]

    assert [(event.name, event.server) for event in events] == expected
    assert {event.tag for event in events} <= {PORT}


@pytest.mark.parametrize(
    ("told", "last", "expected"),
    [
        (NO_VIF, NO_VIF, []),
        (NO_VIF, DOWN, [("network-vif-deleted", SERVER)]),
        (UP, UP, [("network-vif-deleted", SERVER)]),
        (UP, NO_VIF, [("network-vif-unplugged", SERVER), ("network-changed", SERVER)]),
        (DOWN, replace(DOWN, server=OTHER), [("network-changed", SERVER), ("network-vif-deleted", OTHER)]),
    ],
)
def test_the_end_is_told_to_whoever_had_the_port(told: Vif, last: Vif, expected: list[tuple[str, str]]) -> None:
    """The last server is told of the end, and one that was told of the port before is told that it has left."""
    assert [(step.event.name, step.event.server) for step in last_steps(PORT, told, last)] == expected


@pytest.mark.parametrize("true", [DOWN, UP, replace(UP, **MOVED), replace(UP, server=OTHER), NO_VIF])
@pytest.mark.parametrize("told", [DOWN, UP, replace(UP, activations=7), replace(DOWN, server=OTHER), NO_VIF])
def test_each_step_comes_closer_to_the_truth(told: Vif, true: Vif) -> None:
    """From what is known after any step, exactly the steps behind it are left."""
    all_steps = [step.event for step in steps(PORT, told, true)]

    for place, step in enumerate(steps(PORT, told, true)):
        left = [left.event for left in steps(PORT, step.known, true)]
        assert left == all_steps[place + 1 :]
