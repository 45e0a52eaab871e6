"""Drivers that are not what they say, or never say the same."""

import math
from collections.abc import Callable

import pytest
from support.waiting import wait_until

from mirror.ordeal import Ordeal
from mirror.stage import POLICIES

both = pytest.mark.parametrize("policy", POLICIES)


@both
def test_unimplemented(ordeal: Callable[..., Ordeal], policy: str) -> None:
    """A driver that has not what it declared gives no verdict, and is owed what it cannot hear."""
    with ordeal(policy) as hollow:
        hollow.turn(on=["Postcommit", "Watch"], reborn=True)
        hollow.until_ready()
        hollow.owed(because="UNIMPLEMENTED")
        hollow.turn()
        hollow.refused_or_passed(because="UNIMPLEMENTED")
        hollow.others_do_not_notice()
        wait_until(lambda: hollow.events()["driver.watch_broken"], what="a line about the stream of events")

    assert 1 <= hollow.times("delivery.no_outcome", code="UNIMPLEMENTED") <= hollow.repeats
    # Once for each connection, and the last one is good.
    assert 1 <= hollow.events()["driver.watch_broken"] < hollow.events()["driver.ready"]


def test_refuses(ordeal: Callable[..., Ordeal]) -> None:
    """A driver that refuses everything is heard: users get its words, and what it cannot do is tried rarely."""
    with ordeal() as stubborn:
        stubborn.turn(on=["Postcommit"])
        assert "infeasible NO" in stubborn.owed(because="NO")
        stubborn.turn()
        answer = stubborn.create()
        assert answer.status_code == 409
        error = answer.json()["NeutronError"]
        assert error["message"] == f'Mechanism driver "{stubborn.evil.name}" refused the network: Not today.'
        stubborn.others_do_not_notice()

    assert stubborn.events()["delivery.failed"] >= 1
    assert stubborn.events()["driver.breaker_opened"] == 0


def test_in_progress(ordeal: Callable[..., Ordeal]) -> None:
    """A driver that never ends and wants to be asked again at once is asked again less and less often."""
    with ordeal() as busy:
        earlier = busy.evil.calls["Postcommit"]
        busy.turn()
        busy.owed(because="in_progress")
        before = busy.evil.calls["Postcommit"]
        busy.others_do_not_notice()
        wait_until(lambda: busy.evil.calls["Postcommit"] > before, what="the driver to be asked again")
        assert busy.evil.calls["Postcommit"] - earlier <= _most_calls(busy.seconds)

    assert not [event for event in busy.events() if event.startswith("delivery")]


@pytest.mark.slow
def test_changes_instance(ordeal: Callable[..., Ordeal]) -> None:
    """A driver that is somebody else every second, and has forgotten everything, is told everything only so often."""
    with ordeal() as nobody:
        nobody.turn(reborn=True, every=1.0)
        nobody.others_do_not_notice()
        wait_until(lambda: _is_held_off(nobody), what="the core to lose patience")
        # In between it is somebody for a moment.
        wait_until(lambda: nobody.create().status_code == 503, what="a network to be refused")

    assert nobody.events()["driver.owed_all_again"] <= 4 * (1 + nobody.seconds / 15)


def _most_calls(seconds: float) -> float:
    """Return how often a debt is asked for: every 50 ms at first, from 1 s on when it is a twentieth older."""
    return 22 + math.log(max(seconds, 1.0), 1.05)


def _is_held_off(nobody: Ordeal) -> bool:
    return any("times in" in str(line.get("reason")) for line in nobody._lines())


@both
def test_flaps(ordeal: Callable[..., Ordeal], policy: str) -> None:
    """A driver that loads only every other time serves in between, and its reasons are one short line each."""
    with ordeal(policy) as flapping:
        flapping.turn(reborn=True, every=0.5)
        wait_until(lambda: "failed" in _conditions(flapping), what="the load error to be told")
        flapping.others_do_not_notice()

    assert flapping.events()["driver.lost"] >= 1


def _conditions(ordeal: Ordeal) -> set[str]:
    return {str(line.get("condition")) for line in ordeal._lines() if line.get("driver") == ordeal.evil.name}
