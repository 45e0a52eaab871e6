"""What commands print, whatever others have said."""

import pytest
from jackfield_core.cli.console import counted, duration, print_table


def test_words_of_drivers_are_printed_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """What looks like markup is a driver's text, and neither colours the table nor breaks it."""
    print_table(["name", "reason"], [["fabric", "[red]port [/dev/null] [link=x]is busy"]])

    assert "[red]port [/dev/null] [link=x]is busy" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172_800, "2 d"), (900_000, "10 d")],
)
def test_durations_have_the_unit_of_a_person(seconds: float, words: str) -> None:
    """Nobody counts hours in seconds."""
    assert duration(seconds) == words


def test_one_is_not_many() -> None:
    """Counts are read aloud."""
    assert [counted(number, "debt") for number in (0, 1, 2)] == ["0 debts", "1 debt", "2 debts"]
