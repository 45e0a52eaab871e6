"""Drivers whose answers break the contract: nothing of such an answer is believed."""

from collections.abc import Callable

import pytest

from mirror.ordeal import Ordeal
from mirror.stage import POLICIES

both = pytest.mark.parametrize("policy", POLICIES)


def suffer(ordeal: Ordeal, because: str) -> None:
    """Take garbage after the commit and before it: the change is owed, and counts as not judged."""
    with ordeal as spoiled:
        spoiled.turn(on=["Precommit"])
        spoiled.refused_or_passed(because=because)
        spoiled.turn()
        if not spoiled.is_required:
            spoiled.owed(because="GARBAGE")
        spoiled.others_do_not_notice()
    assert spoiled.events()["driver.garbage"] >= 1
    assert spoiled.metric("jackfield_driver_garbage_total") >= 1


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
        liar.others_do_not_notice()

    assert liar.events()["driver.garbage"] >= 1
