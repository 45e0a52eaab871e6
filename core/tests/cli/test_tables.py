"""What operators read of a dry run, in one line at its end."""

import pytest
from jackfield_core.cli.tables import print_report
from jackfield_core.services.difference import Different, Report


def summary(counts: dict[str, int], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the last line of what is printed of so many differences."""
    found = [Different("port", f"{name}-{n}", name) for name, count in counts.items() for n in range(count)]
    print_report(Report("fabric", 1, found, (), ()))
    return capsys.readouterr().out.splitlines()[-1]


@pytest.mark.parametrize(("orphans", "told"), [(1, "1 orphan"), (13, "13 orphans")])
def test_differences_are_counted_as_one_speaks(orphans: int, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Of things there are several; what is said of a resource stays as it is."""
    counts = {"orphan": orphans, "missing": 2, "changed": 1, "owed": 3}

    assert summary(counts, capsys) == f'Driver "fabric" lists 1 resource: 1 changed, 2 missing, {told}, 3 owed.'


def test_resource_that_was_asked_for_is_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """It has no difference, because nothing was compared."""
    assert summary({"": 1}, capsys) == 'Driver "fabric" lists 1 resource: 1 to do.'
