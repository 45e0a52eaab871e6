"""Who cannot be reached is tried ever more rarely."""

from __future__ import annotations

from jackfield_arista.fleet.breaker import Breaker
from jackfield_sdk import RetryLater

GONE = RetryLater("nobody is there")


def test_pauses_double_up_to_the_longest() -> None:
    """With jitter that makes them shorter, never longer."""
    breaker = Breaker(1.0, 5.0, clock=lambda: 100.0)
    pauses = []
    for _ in range(5):
        breaker.open(GONE)
        pauses.append(breaker.next_trial - 100.0)

    for pause, most in zip(pauses, (1.0, 2.0, 4.0, 5.0, 5.0), strict=True):
        assert 0.75 * most <= pause <= most


def test_an_outage_is_as_old_as_its_first_failure() -> None:
    """Its reason is that of the last one; a success ends it and the pauses begin anew."""
    breaker = Breaker(1.0, 60.0, clock=lambda: 0.0)
    breaker.open(GONE)
    first = breaker.outage
    breaker.open(RetryLater("it refuses the login"))
    second = breaker.outage
    assert first is not None
    assert second is not None
    assert (second.since, second.error.reason) == (first.since, "it refuses the login")

    breaker.close()
    assert breaker.outage is None
    breaker.open(GONE)
    assert breaker.next_trial <= 1.0
