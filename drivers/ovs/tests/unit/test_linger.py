"""How long an unused tunnel stays."""

from __future__ import annotations

from jackfield_ovs.linger import Linger


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_tunnel_goes_when_it_was_unused_for_the_whole_time() -> None:
    """Each has its own time, counted from when it was first seen unused."""
    clock = Clock()
    linger = Linger(10, clock)

    assert linger.over(["a"]) == set()
    clock.now += 5
    assert linger.over(["a", "b"]) == set()
    clock.now += 5
    assert linger.over(["a", "b"]) == {"a"}
    clock.now += 5
    assert linger.over(["b"]) == {"b"}


def test_a_tunnel_that_was_needed_in_between_starts_anew() -> None:
    """Being used once forgets the time before."""
    clock = Clock()
    linger = Linger(10, clock)
    linger.over(["a"])
    clock.now += 9
    linger.over([])
    clock.now += 9

    assert linger.over(["a"]) == set()


def test_no_time_means_at_once() -> None:
    """Zero keeps nothing."""
    assert Linger(0, Clock()).over(["a"]) == {"a"}
