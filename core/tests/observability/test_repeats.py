"""What repeats itself is said now and then."""

from jackfield_core.observability.repeats import ROOM, Repeats


def test_fact_is_said_once_in_an_interval() -> None:
    """The first time counts as new; later ones are counted and said with the next that is due."""
    at = [0.0]
    repeats = Repeats(30, clock=lambda: at[0])

    assert repeats.count("fabric", "GARBAGE") == 0
    assert [repeats.count("fabric", "GARBAGE") for _ in range(5)] == [None] * 5
    assert repeats.count("fabric", "UNAVAILABLE") == 0
    at[0] = 31.0

    assert repeats.count("fabric", "GARBAGE") == 5


def test_facts_without_end_cost_bounded_memory() -> None:
    """Who makes up new facts is heard again, and remembered no longer."""
    repeats = Repeats()

    for number in range(3 * ROOM):
        assert repeats.count(str(number)) == 0

    assert len(repeats._said) <= ROOM
