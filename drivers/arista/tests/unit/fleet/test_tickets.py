"""Who waits at a switch is taken together, and nobody is left waiting."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from jackfield_arista.configuration.model import Configuration
from jackfield_arista.fleet.tickets import Tickets
from jackfield_sdk import Kind, RetryLater

ONE, OTHER = (Kind.PORT, "port-1"), (Kind.PORT, "port-2")
SOON = 20.0
"""Seconds after which a test gives up."""


def allowed() -> None:
    """Refuse nobody."""


def now() -> float:
    return 0.0


def in_an_hour() -> float:
    return 3600.0


def test_all_that_wait_are_taken_at_once_and_answered_each_for_itself() -> None:
    """A batch is one turn; who has given up is in nobody's way."""
    tickets = Tickets()
    given_up, failed, told = (tickets.draw(key, allowed) for key in (None, ONE, OTHER))
    given_up.cancel()
    first, second, third = tickets.take(in_an_hour)

    assert [ticket.key for ticket in (first, second, third)] == [None, ONE, OTHER]
    assert len(tickets) == 0
    first.tell(Configuration())
    second.tell(RetryLater("no"))
    third.tell(Configuration({7: "seen"}))
    assert str(failed.exception(timeout=SOON)) == "no"
    assert told.result(timeout=SOON).vlans == {7: "seen"}


def test_who_is_refused_does_not_wait() -> None:
    """He has the reason at once, and no turn is taken for him."""
    tickets = Tickets()
    answer = tickets.draw(ONE, lambda: RetryLater("the switch is away"))

    with pytest.raises(RetryLater, match="away"):
        answer.result(timeout=SOON)
    assert tickets.take(now) == []


def test_who_takes_hears_of_a_change_and_of_the_end() -> None:
    """However long the pause was that he is in."""
    tickets, due = Tickets(), [3600.0]
    with ThreadPoolExecutor(1) as thread:
        taking = thread.submit(tickets.take, lambda: due[0])
        with tickets.changing():
            due[0] = 0.0
        assert taking.result(timeout=SOON) == []
        taking = thread.submit(tickets.take, in_an_hour)
        tickets.close()
        assert taking.result(timeout=SOON) == []
    assert tickets.is_closed
