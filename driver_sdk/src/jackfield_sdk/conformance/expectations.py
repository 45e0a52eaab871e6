"""The expected-failures file: rules that a driver is known to break, each with the reason.

    [expected-failures]
    C7 = "the switch answers a delete of the unknown with an error, fixed in 4.2"
    "C4[subnet]" = "subnets have no revision yet"

A rule that is listed may fail. One that is listed and passes is a failure too, so that the file says
the truth about the driver.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

from jackfield_sdk.conformance.outcome import Outcome, Run, Status
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

    def unknown(self, rules: Iterable[Rule]) -> list[str]:
        """Return what is listed and no rule."""
        ids = {rule.id for rule in rules}
        return [listed for listed in self._reasons if listed.partition("[")[0] not in ids]

    def failed(self, outcome: Outcome) -> Outcome:
        """Turn a failure into an expected one if it is listed."""
        reason = self._reason_for(outcome)
        if reason is None:
            return outcome
        return dataclasses.replace(outcome, status=Status.EXPECTED_FAILURE, reason=reason)

    def passed(self, outcome: Outcome, run: Run) -> Outcome:
        """Turn a pass into an unexpected one if a failure is listed and was seen nowhere in the run."""
        reason = self._reason_for(outcome)
        if reason is None or [each for each in run.of(Status.EXPECTED_FAILURE) if each.rule is outcome.rule]:
            return outcome
        why = f"listed as an expected failure ({reason}), and it passed: take it off the list"
        return dataclasses.replace(outcome, status=Status.UNEXPECTED_PASS, reason=why)

    def _reason_for(self, outcome: Outcome) -> str | None:
        exact = f"{outcome.rule.id}[{outcome.parameter}]"
        return self._reasons.get(exact, self._reasons.get(outcome.rule.id))
