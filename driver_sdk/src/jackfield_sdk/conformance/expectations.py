"""The expected-failures file: rules that a driver is known to break, each with the reason.

    [expected-failures]
    C7 = "the switch answers a delete of the unknown with an error, fixed in 4.2"
    "C4[subnet]" = "subnets have no revision yet"

A rule that is listed may fail, in some of its cases or in all. One that is listed and passes wherever
it is judged is a failure too, so that the file says the truth about the driver; that is known at the
end of a run.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Self

from jackfield_sdk.conformance.outcome import Outcome, Status
from jackfield_sdk.conformance.rules import Rule

_TABLE = "expected-failures"


class Expectations:
    """Rule ids, perhaps with the kind in brackets, and why each may fail."""

    def __init__(self, reasons: Mapping[str, str]) -> None:
        """Expect the failures of `reasons`."""
        self._reasons = reasons

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file; ValueError if it is not what it should be."""
        tables = tomllib.loads(path.read_text())
        reasons = tables.get(_TABLE)
        if set(tables) != {_TABLE} or not isinstance(reasons, dict):
            raise ValueError(f"one table [{_TABLE}] is wanted, with a reason for each rule")
        empty = [rule for rule, reason in reasons.items() if not isinstance(reason, str) or not reason]
        if empty:
            raise ValueError(f"no reason is given for {', '.join(empty)}")
        return cls(reasons)

    def unknown(self, rules: Iterable[Rule], parameters: Iterable[str]) -> list[str]:
        """Return what is listed and is no rule, or has a parameter that no case has."""
        ids, words = {rule.id for rule in rules}, set(parameters)
        parts = {listed: listed.rstrip("]").partition("[") for listed in self._reasons}
        return [listed for listed, (id, _, word) in parts.items() if id not in ids or (word and word not in words)]

    def failed(self, outcome: Outcome) -> Outcome:
        """Turn a failure into an expected one if it is listed."""
        listed = self._listed(outcome)
        if listed is None:
            return outcome
        return dataclasses.replace(outcome, status=Status.EXPECTED_FAILURE, reason=self._reasons[listed])

    def all_in(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """Turn passes into unexpected ones where a failure is listed and was seen in none of the cases it is for."""
        seen = {self._listed(each) for each in outcomes if each.status is Status.EXPECTED_FAILURE}
        return [self._passed(each, seen) if each.status is Status.PASSED else each for each in outcomes]

    def _passed(self, outcome: Outcome, seen: Container[str | None]) -> Outcome:
        listed = self._listed(outcome)
        if listed is None or listed in seen:
            return outcome
        why = f"listed as an expected failure ({self._reasons[listed]}), and it passed: take it off the list"
        return dataclasses.replace(outcome, status=Status.UNEXPECTED_PASS, reason=why)

    def _listed(self, outcome: Outcome) -> str | None:
        """Return what lists an outcome: its own entry, or that of its rule."""
        exact = f"{outcome.rule.id}[{outcome.parameter}]"
        return next((each for each in (exact, outcome.rule.id) if each in self._reasons), None)
