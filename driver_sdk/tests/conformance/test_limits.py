"""A limit of time blames a driver that is always late, and none that was once kept off the processor."""

from __future__ import annotations

import pytest
from jackfield_sdk.conformance import limits
from jackfield_sdk.conformance.limits import most_of, require_within
from jackfield_sdk.conformance.verdict import Broken


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_PAUSES", (0.0, 0.0, 0.0))


async def judged(*spent: float) -> int:
    """Judge a driver that takes so many seconds, try by try, by a limit of one; tell how often it was asked."""
    left = list(spent)

    async def measure() -> float:
        return left.pop(0)

    await require_within(1.0, measure, "Check")
    return len(spent) - len(left)


async def test_who_is_in_time_is_asked_once() -> None:
    """A driver that is well costs no second try."""
    assert await judged(0.1, 0.1, 0.1) == 1


async def test_who_was_late_and_is_in_time_later_breaks_nothing() -> None:
    """A busy host makes a good driver late now and then."""
    assert await judged(7.0, 1.1, 0.1) == 3


async def test_who_is_late_each_time_is_told_the_best_that_it_managed() -> None:
    """A driver that is slow itself is slow whenever it is asked."""
    with pytest.raises(Broken) as broken:
        await judged(2.0, 1.25, 3.0)

    assert (broken.value.came, broken.value.wanted) == ("Check took 1.25 s, at best of 3 tries", "within 1 s")


def test_one_call_in_ten_may_be_late() -> None:
    """Of many calls the slowest tenth does not count; of a few all do."""
    assert most_of([0.1] * 90 + [5.0] * 10) == 5.0
    assert most_of([0.1] * 91 + [5.0] * 9) == 0.1
    assert most_of([5.0, 0.1, 0.1]) == 5.0
