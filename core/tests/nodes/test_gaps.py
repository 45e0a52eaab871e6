"""Numbers that were skipped."""

from hypothesis import given
from hypothesis import strategies as st
from jackfield_core.nodes.gaps import LATE_FOR, Gaps


def _missing(gaps: Gaps) -> set[int]:
    return {number for first, last in gaps.ranges for number in range(first, last + 1)}


@given(st.permutations(range(1, 12)), st.integers(0, 11))
def test_missing_is_what_was_skipped_and_has_not_turned_up(order: list[int], seen: int) -> None:
    """Whatever the order, the gaps hold the numbers below the highest one that nobody has seen."""
    gaps = Gaps(0)

    gaps.see(order[:seen], 1.0)

    assert gaps.last == max(order[:seen], default=0)
    assert _missing(gaps) == set(range(1, gaps.last)) - set(order[:seen])


def test_wide_jump_is_one_gap() -> None:
    """One transaction may draw thousands of numbers and commit after the next one."""
    gaps = Gaps(5)

    gaps.see([50_000], 1.0)
    gaps.see([6, 10], 2.0)

    assert gaps.ranges == [(7, 9), (11, 49_999)]


def test_gap_is_given_up_after_a_minute() -> None:
    """What was rolled back never turns up; what is left of a gap keeps its age."""
    gaps = Gaps(0)
    gaps.see([10], 1.0)
    gaps.see([5], 30.0)

    gaps.see([], LATE_FOR)
    assert gaps.ranges == [(1, 4), (6, 9)]
    gaps.see([], LATE_FOR + 1.0)

    assert gaps.ranges == []
