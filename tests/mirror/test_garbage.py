"""Drivers whose answers break the contract: nothing of such an answer is believed."""

from collections.abc import Callable

import pytest
from support.waiting import wait_until

from mirror.ordeal import Ordeal
from mirror.stage import POLICIES, Stage

both = pytest.mark.parametrize("policy", POLICIES)


def suffer(ordeal: Ordeal, because: str) -> None:
    """Take garbage three times: nothing of it counts, and then nothing is asked any more."""
    with ordeal as spoiled:
        spoiled.turn(on=["Precommit"])
        for _ in range(3):
            spoiled.refused_or_passed(because=because)
        until_quarantined(spoiled)
        expect_quarantine(spoiled)
        assert spoiled.events()["driver.garbage"] <= 3
    # It was another version that healed it.
    assert spoiled.events()["driver.released"] == 1


def until_quarantined(spoiled: Ordeal) -> None:
    """Ask for more garbage, for as long as some of it came too late to be heard; it takes three answers."""

    def is_enough() -> bool:
        return spoiled.events()["driver.garbage"] >= 3 or "quarantined" in spoiled.condition()

    wait_until(lambda: is_enough() or not spoiled.create(), what="the third answer")
    wait_until(lambda: "quarantined" in spoiled.condition(), what="the quarantine")


def expect_quarantine(spoiled: Ordeal) -> None:
    """Expect that the driver is called no more, and that users and operators are told why."""
    wait_until(lambda: "quarantined" in spoiled.condition(), what="the quarantine")
    spoiled.stage.until_idle(spoiled.evil.name)
    before = spoiled.evil.calls
    spoiled.refused_or_passed(because="quarantined")
    spoiled.others_do_not_notice()
    after = spoiled.evil.calls
    assert [rpc for rpc in ("Precommit", "Postcommit", "BindPorts") if after[rpc] != before[rpc]] == []
    assert "three answers within ten minutes broke the contract" in spoiled.condition()
    assert spoiled.events()["driver.garbage"] >= 1
    assert spoiled.events()["driver.quarantined"] == 1
    assert spoiled.metric("jackfield_driver_garbage_total") >= 3


@both
def test_garbage(ordeal: Callable[..., Ordeal], policy: str) -> None:
    """Bytes that are no message are no answer."""
    suffer(ordeal(policy), because="cannot be decoded")


def test_wrong_ids(ordeal: Callable[..., Ordeal]) -> None:
    """A result under an id that was not sent spoils the whole answer."""
    suffer(ordeal("required"), because="did not answer 1 of 1")


def test_too_few(ordeal: Callable[..., Ordeal]) -> None:
    """A missing result spoils the whole answer."""
    suffer(ordeal("advisory"), because="did not answer 1 of 1")


def test_too_many(ordeal: Callable[..., Ordeal]) -> None:
    """A result that comes twice spoils the whole answer."""
    suffer(ordeal("required"), because="twice")


@both
def test_attributes(ordeal: Callable[..., Ordeal], policy: str) -> None:
    """An attribute that was never declared spoils the whole answer."""
    suffer(ordeal(policy), because="never_declared")


def test_mumbles(ordeal: Callable[..., Ordeal]) -> None:
    """Events that are no messages end the stream, and are garbage like any other."""
    with ordeal() as mumbling:
        mumbling.turn(reborn=True)
        wait_until(lambda: mumbling.events()["driver.ready"], what="the driver to be ready")
        answer = mumbling.create()
        assert answer.status_code == 201 or "quarantined" in answer.text
        expect_quarantine(mumbling)
        assert mumbling.events()["driver.garbage"] <= 3

    assert mumbling.events()["driver.watch_broken"] == 0


def test_no_limits(ordeal: Callable[..., Ordeal]) -> None:
    """A driver that declares limits of four billion is held to the core's: megabytes of state are garbage."""
    with ordeal() as boundless:
        boundless.turn(reborn=True)
        boundless.until_ready()
        boundless.refused_or_passed(because="8388608 of at most 65536 bytes")
        boundless.others_do_not_notice()

    assert boundless.events()["driver.garbage"] == 1


def test_higher_revision(ordeal: Callable[..., Ordeal]) -> None:
    """Who acknowledges a revision that was never sent has acknowledged nothing."""
    with ordeal() as liar:
        liar.turn()
        liar.owed(because="GARBAGE")
        expect_quarantine(liar)


def test_operator_ends_a_quarantine(stage: Stage) -> None:
    """`jackfield driver release` frees a driver in all processes, and shows that it was not free."""
    with Ordeal(stage, "required", "garbage") as spoiled:
        spoiled.turn(on=["Precommit"])
        until_quarantined(spoiled)
        assert "quarantined" in stage.command("driver", "list")
        spoiled.evil.turn("good")
        assert spoiled.create().status_code == 503

        stage.command("driver", "release", spoiled.evil.name)

        stage.until_ready()
        assert spoiled.create().status_code == 201
