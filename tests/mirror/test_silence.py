"""Drivers that do not answer."""

from collections.abc import Callable

import pytest
from support.waiting import wait_until

from mirror.ordeal import Ordeal
from mirror.stage import POLICIES

both = pytest.mark.parametrize("policy", POLICIES)


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
        assert hung.events()["driver.breaker_opened"] == 1
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
    assert dead.times("delivery.no_outcome", code="UNAVAILABLE") <= 2
    assert dead.metric("jackfield_driver_calls_total", rpc="Postcommit", code="UNAVAILABLE") >= 1


@both
def test_slow_handshake(ordeal: Callable[..., Ordeal], policy: str) -> None:
    """A driver that takes longer to introduce itself than it may is not called, and costs nothing meanwhile."""
    with ordeal(policy) as slow:
        slow.turn(reborn=True)
        slow.refused_or_passed(because="connecting")
        slow.others_do_not_notice()

    assert slow.events()["driver.lost"] <= 4
    assert slow.metric("jackfield_driver_calls_total", rpc="Handshake") >= 2
