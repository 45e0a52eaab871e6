"""The outcome of a check, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from jackfield_arista.check.check import Report
from jackfield_arista.check.findings import Finding, Level

# Where nobody looks, lines are not broken at a terminal's width.
_WIDTH_OF_A_FILE = 200


def show(reports: Sequence[Report], console: Console | None = None) -> None:
    """Print a table: a line for each thing that is wrong or worth a note, one for each switch that is fine."""
    console = console or Console()
    if not console.is_terminal:
        console = Console(file=console.file, width=_WIDTH_OF_A_FILE)
    table = Table("Switch", "Address", "", "Step", "What is", "What to do")
    for report in reports:
        for number, finding in enumerate(_shown(report)):
            name, address = (report.switch.name, f"{report.switch.address}:{report.switch.port}")
            head = (name, address) if number == 0 else ("", "")
            table.add_row(*head, finding.level.upper(), *map(escape, (finding.step, finding.fact, finding.advice)))
    console.print(table)
    wrong = sum(not report.is_fine for report in reports)
    console.print(f"{len(reports)} switches, {wrong} with something wrong")


def as_json(reports: Sequence[Report]) -> dict[str, Any]:
    """Return all findings as JSON has them."""
    return {
        "ok": all(report.is_fine for report in reports),
        "switches": [
            {
                "switch": report.switch.name,
                "address": report.switch.address,
                "port": report.switch.port,
                "ok": report.is_fine,
                "findings": [
                    {"step": one.step, "level": one.level.value, "fact": one.fact, "advice": one.advice}
                    for one in report.findings
                ],
            }
            for report in reports
        ],
    }


def _shown(report: Report) -> Iterator[Finding]:
    """Yield what has to be read, the worst first."""
    worth = [finding for finding in report.findings if finding.level is not Level.FINE]
    if report.is_fine:
        steps = ", ".join(finding.fact for finding in report.findings if finding.level is Level.FINE)
        yield Finding("all", Level.FINE, steps)
    yield from sorted(worth, key=lambda finding: finding.level is not Level.WRONG)
