"""Drivers that do not answer."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from support.waiting import wait_until

from mirror.ordeal import Ordeal
from mirror.stage import HURRY, POLICIES

both = pytest.mark.parametrize("policy", POLICIES)


@pytest.fixture(scope="module")
def budget() -> float:
    """Seconds that a driver may be silent: every user of one that hangs waits as long."""
    return HURRY


@both
def test_hangs(ordeal: Callable[..., Ordeal], policy: str) -> None:
    """A driver that never answers costs the budget, then nothing: the breaker opens, and lets calls through again."""
    with ordeal(policy) as hung:
        hung.turn(on=["Postcommit"])
        hung.create()
        hung.turn()
        hung.refused_or_passed(because="DEADLINE_EXCEEDED")
        wait_until(
            lambda: hung.create() and hung.events()["driver.breaker_opened"],
            what="the breaker to open",
            timeout=60,
            interval=0,
        )
        hung.refused_or_passed(because="breaker-open")
        # A busy machine may keep a driver from giving a sign of life, or from all health checks, on top.
        others = hung.times("driver.breaker_opened", reason="it gives no sign of life") + hung.events()["driver.lost"]
        assert 1 <= hung.events()["driver.breaker_opened"] <= 1 + others
        hung.others_do_not_notice()

    assert hung.metric("jackfield_driver_calls_total", rpc="Precommit", code="DEADLINE_EXCEEDED") >= 1


@both
def test_dies(ordeal: Callable[..., Ordeal], policy: str) -> None:
    """A driver that dies in every call is away for as long as it takes to come back, and no longer."""
    with ordeal(policy) as dead:
        dead.turn(on=["Postcommit"])
        dead.owed(because="UNAVAILABLE")
        dead.others_do_not_notice()
        dead.turn()
        dead.refused_or_passed()

    assert dead.events()["driver.lost"] >= 1
    assert dead.times("delivery.no_outcome", code="UNAVAILABLE") <= dead.repeats
    assert dead.metric("jackfield_driver_calls_total", rpc="Postcommit", code="UNAVAILABLE") >= 1


@both
def test_slow_handshake(ordeal: Callable[..., Ordeal], policy: str) -> None:
    """A driver that takes longer to introduce itself than it may is not called, and costs nothing meanwhile."""
    with ordeal(policy) as slow:
        slow.turn(reborn=True)
        wait_until(lambda: slow.events()["driver.lost"], what="the core to see the end of the process before")
        slow.refused_or_passed(because="connecting")
        slow.others_do_not_notice()

    lost = [line for line in slow.lines() if line["event"] in ("driver.lost", "driver.ready")]
    assert not [line for line, next in itertools.pairwise(lost) if _reason(line) == _reason(next)]
    assert slow.metric("jackfield_driver_calls_total", rpc="Handshake") >= 2


def _reason(line: dict[str, Any]) -> tuple[str, ...]:
    return line["event"], line.get("condition", ""), line.get("reason", "")
